//! The stems of English words, after M. F. Porter, "An algorithm for suffix stripping", 1980, with the two changes that
//! he made to it later: `logi` becomes `log`, and `bli` becomes `ble`.

use std::borrow::Cow;

/// Shortest word that has a stem of its own.
const MIN_CHARS: usize = 3;

/// The stem of a folded word: what its inflected forms have in common. Only words of the letters `a` to `z` have one;
/// others are their own.
#[must_use]
pub fn stem(word: &str) -> Cow<'_, str> {
    if word.len() < MIN_CHARS || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    let mut stemmed = Stem(word.as_bytes().to_vec());
    stemmed.plural();
    stemmed.past_and_progressive();
    stemmed.final_y();
    stemmed.replace_first(DOUBLE_SUFFIXES);
    stemmed.replace_first(SUFFIXES);
    stemmed.remove_last_suffix();
    stemmed.tidy_end();
    match String::from_utf8(stemmed.0) {
        Ok(text) if text != word => Cow::Owned(text),
        _ => Cow::Borrowed(word),
    }
}

/// Suffixes made of two, and what remains when the second goes.
const DOUBLE_SUFFIXES: &[(&str, &str)] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("logi", "log"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
];

/// Suffixes that become shorter or go.
const SUFFIXES: &[(&str, &str)] =
    &[("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

/// Suffixes that go from long words; a longer one comes before one that it ends with.
const LAST_SUFFIXES: &[&str] = &[
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// A word that becomes its stem. All of it is ASCII.
struct Stem(Vec<u8>);

impl Stem {
    fn ends_with(&self, suffix: &str) -> bool {
        self.0.ends_with(suffix.as_bytes())
    }

    /// The word without so many letters at its end.
    fn without(&self, suffix: &str) -> &[u8] {
        &self.0[..self.0.len() - suffix.len()]
    }

    fn replace(&mut self, suffix: &str, with: &str) {
        self.0.truncate(self.0.len() - suffix.len());
        self.0.extend_from_slice(with.as_bytes());
    }

    /// Replaces the first suffix that fits, unless too little comes before it.
    fn replace_first(&mut self, suffixes: &[(&str, &str)]) {
        let fitting = suffixes.iter().find(|(suffix, _)| self.ends_with(suffix));
        if let Some((suffix, with)) = fitting
            && measure(self.without(suffix)) > 0
        {
            self.replace(suffix, with);
        }
    }

    fn plural(&mut self) {
        if self.ends_with("sses") || self.ends_with("ies") {
            self.replace("es", "");
        } else if self.ends_with("s") && !self.ends_with("ss") {
            self.replace("s", "");
        }
    }

    fn past_and_progressive(&mut self) {
        if self.ends_with("eed") {
            if measure(self.without("eed")) > 0 {
                self.replace("eed", "ee");
            }
            return;
        }
        let suffix = ["ed", "ing"].into_iter().find(|suffix| self.ends_with(suffix));
        if let Some(suffix) = suffix.filter(|suffix| has_vowel(self.without(suffix))) {
            self.replace(suffix, "");
            self.mend();
        }
    }

    /// Gives a word its ending back that it lost before `ed` or `ing`.
    fn mend(&mut self) {
        if ["at", "bl", "iz"].into_iter().any(|end| self.ends_with(end)) {
            self.0.push(b'e');
        } else if ends_with_double_consonant(&self.0) && !matches!(self.0.last(), Some(b'l' | b's' | b'z')) {
            self.0.pop();
        } else if measure(&self.0) == 1 && ends_with_short_syllable(&self.0) {
            self.0.push(b'e');
        }
    }

    fn final_y(&mut self) {
        if self.ends_with("y") && has_vowel(self.without("y")) {
            self.replace("y", "i");
        }
    }

    fn remove_last_suffix(&mut self) {
        let Some(suffix) = LAST_SUFFIXES.iter().find(|suffix| self.ends_with(suffix)) else {
            return;
        };
        let rest = self.without(suffix);
        let stays = *suffix == "ion" && !matches!(rest.last(), Some(b's' | b't'));
        if measure(rest) > 1 && !stays {
            self.replace(suffix, "");
        }
    }

    fn tidy_end(&mut self) {
        if self.ends_with("e") {
            let rest = self.without("e");
            if measure(rest) > 1 || (measure(rest) == 1 && !ends_with_short_syllable(rest)) {
                self.replace("e", "");
            }
        }
        if self.ends_with("ll") && measure(self.without("l")) > 1 {
            self.0.pop();
        }
    }
}

/// Whether each letter is a vowel: `y` is one after a consonant.
fn vowels(word: &[u8]) -> impl Iterator<Item = bool> {
    word.iter().scan(true, |before, letter| {
        let vowel = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => true,
            b'y' => !*before,
            _ => false,
        };
        *before = vowel;
        Some(vowel)
    })
}

/// How often consonants follow vowels: a measure of length in syllables.
fn measure(word: &[u8]) -> usize {
    let mut before = false;
    vowels(word).filter(|vowel| std::mem::replace(&mut before, *vowel) && !vowel).count()
}

fn has_vowel(word: &[u8]) -> bool {
    vowels(word).any(|vowel| vowel)
}

fn ends_with_double_consonant(word: &[u8]) -> bool {
    matches!(word, [.., one, two] if one == two) && vowels(word).last() == Some(false)
}

/// Consonant, vowel, consonant, the last of them none of `w`, `x` and `y`.
fn ends_with_short_syllable(word: &[u8]) -> bool {
    let last: Vec<bool> = vowels(word).skip(word.len().saturating_sub(3)).collect();
    last == [false, true, false] && !matches!(word.last(), Some(b'w' | b'x' | b'y'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["connect", "connected", "connecting", "connection", "connections"][..],
            &["migrate", "migrates", "migrated", "migrating", "migration"],
            &["query", "queries"],
            &["hop", "hopping", "hopped"],
            &["hope", "hoped", "hoping"],
            &["agree", "agreed"],
            &["general", "generalization", "generalize"],
            &["happy", "happiness"],
        ] {
            let stems: Vec<Cow<'_, str>> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|other| *other == stems[0]), "{stems:?}");
        }
    }

    #[test]
    fn examples_of_the_paper() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("cats", "cat"),
            ("feed", "feed"),
            ("plastered", "plaster"),
            ("bled", "bled"),
            ("sing", "sing"),
            ("conflated", "conflat"),
            ("troubled", "troubl"),
            ("falling", "fall"),
            ("filing", "file"),
            ("sky", "sky"),
            ("relational", "relat"),
            ("conditional", "condit"),
            ("radically", "radic"),
            ("hopefulness", "hope"),
            ("electrical", "electr"),
            ("replacement", "replac"),
            ("adoption", "adopt"),
            ("rate", "rate"),
            ("cease", "ceas"),
            ("controlling", "control"),
            ("roll", "roll"),
        ] {
            assert_eq!(stem(word), expected);
        }
    }

    #[test]
    fn what_is_no_english_word_stays() {
        for word in ["", "as", "e0308s", "züge", "日本", "1s", "aaaa", "sss", "ing", "eed"] {
            assert_eq!(stem(word), word);
        }
    }
}
