//! Making words equal that people take for equal: case, width, ligatures, accents.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::marks::is_combining_mark;

/// The word in lower case and compatibility form, without accents. Case, width and accents are all that it loses:
/// marks that make another letter, such as the vowels of Thai and Hindi, stay.
pub(super) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    let bare = decomposed.normalize_iter(word.chars()).filter(|c| !is_accent(*c) && !is_invisible(*c));
    // Lower case of a letter may have marks of its own.
    let lower = bare.collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(lower.len());
    let bare = decomposed.normalize_iter(lower.chars()).filter(|c| !is_accent(*c));
    for c in ComposingNormalizerBorrowed::new_nfc().normalize_iter(bare) {
        match plain_letters(c) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(c),
        }
    }
    folded
}

/// Marks over and under letters of European scripts, of vowels in Arabic and Hebrew, and for symbols.
fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36F}'
            | '\u{483}'..='\u{489}'
            | '\u{591}'..='\u{5C7}'
            | '\u{610}'..='\u{61A}'
            | '\u{64B}'..='\u{65F}'
            | '\u{670}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FE20}'..='\u{FE2F}'
    ) && is_combining_mark(c)
}

/// Characters inside a word that nobody sees: soft hyphens and joiners.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200C}' | '\u{200D}')
}

/// Letters that Unicode does not take apart but people do.
fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŧ' => "t",
        'þ' => "th",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_becomes_equal() {
        for (word, folded) in [
            ("README", "readme"),
            ("Café", "cafe"),
            ("Cafe\u{301}", "cafe"),
            ("ＦＵＬＬ１２", "full12"),
            ("ﬁle", "file"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("Łódź", "lodz"),
            ("İstanbul", "istanbul"),
            ("ısı", "isi"),
            ("ΟΔΟΣ", "οδοσ"),
            ("ὁδός", "οδοσ"),
            ("Ёлка", "елка"),
            ("x²", "x2"),
            ("co\u{AD}operate", "cooperate"),
            ("שָׁלוֹם", "שלום"),
        ] {
            assert_eq!(fold(word), folded);
        }
    }

    #[test]
    fn marks_that_make_another_letter_stay() {
        assert_eq!(fold("ガ"), "ガ");
        assert_eq!(fold("ｶﾞ"), "ガ");
        assert_eq!(fold("한국"), "한국");
        assert_eq!(fold("ที่"), "ที่");
        assert_eq!(fold("हिन्दी"), "हिन्दी");
    }
}
