//! As much of the grammar of SQL as it takes to tell a query from a change, and one statement from the next.

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads.
    Query,
    /// It may change something: D1 has no connection that only reads, so what is not known to be harmless counts as that.
    Change,
}

/// What a text does; `None` when it is not one statement. D1 skips what is empty, and runs all of what is several.
pub(crate) fn kind(text: &str) -> Option<Kind> {
    if statements(text).len() != 1 {
        return None;
    }
    Some(if is_query(text) { Kind::Query } else { Kind::Change })
}

/// Whether the text is one statement that can change nothing.
fn is_query(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let Some(Token::Word(first)) = tokens.next() else {
        return false;
    };
    let reads = if first.eq_ignore_ascii_case("WITH") {
        named_queries_end_in(&mut tokens).is_some_and(is_reading)
    } else {
        is_reading(first) || first.eq_ignore_ascii_case("EXPLAIN")
    };
    // Whatever comes after the end of the statement would be run as well.
    reads && tokens.skip_while(|token| *token != Token::Semicolon).nth(1).is_none()
}

fn is_reading(word: &str) -> bool {
    is_one_of(word, &["SELECT", "VALUES"])
}

/// The word that says what the statement after `WITH` does.
fn named_queries_end_in<'a>(tokens: &mut Tokens<'a>) -> Option<&'a str> {
    let mut depth = 0_usize;
    for token in tokens {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && is_verb(word) => return Some(word),
            _ => {}
        }
    }
    None
}

fn is_verb(word: &str) -> bool {
    is_reading(word) || is_one_of(word, &["INSERT", "REPLACE", "UPDATE", "DELETE"])
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The statements of a file, without the semicolons that end them.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut tokens = Tokens::new(text);
    while let Some((start, end)) = next_statement(&mut tokens) {
        found.push(&text[start..end]);
    }
    found
}

/// Where the next statement begins and ends. The body of a trigger has statements of its own: it ends at an `END`
/// between two semicolons.
fn next_statement(tokens: &mut Tokens<'_>) -> Option<(usize, usize)> {
    let mut start = None;
    let mut end = tokens.at;
    let mut words = 0;
    let mut creates = false;
    let mut in_trigger = false;
    let mut before = [Token::Semicolon; 2];
    while let Some(token) = tokens.next() {
        if token == Token::Semicolon {
            let closes_trigger = before[0] == Token::Semicolon && before[1].is_word("END");
            if start.is_some() && (!in_trigger || closes_trigger) {
                break;
            }
        } else if start.is_none() {
            start = Some(tokens.began);
        }
        if let Token::Word(word) = token {
            words += 1;
            creates |= words == 1 && word.eq_ignore_ascii_case("CREATE");
            in_trigger |= creates && words <= 3 && word.eq_ignore_ascii_case("TRIGGER");
        }
        end = tokens.at;
        before = [before[1], token];
    }
    start.map(|start| (start, end))
}

/// A piece of SQL, as coarse as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a plain name or a number.
    Word(&'a str),
    Semicolon,
    Open,
    Close,
    /// Anything else: an operator, a placeholder, a name or a text in quotes.
    Other,
}

impl Token<'_> {
    fn is_word(self, expected: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(expected))
    }
}

/// The pieces of a text, without white space and comments.
struct Tokens<'a> {
    text: &'a str,
    /// Where the last piece began.
    began: usize,
    /// Where it ended.
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, began: 0, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes behind the first `end` in what follows the next `skipped` bytes, or to the end of the text.
    fn go_behind(&mut self, skipped: usize, end: &str) {
        let from = self.at + skipped;
        self.at = self.text[from..].find(end).map_or(self.text.len(), |at| from + at + end.len());
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if self.rest().starts_with("--") {
                self.go_behind(2, "\n");
            } else if self.rest().starts_with("/*") {
                self.go_behind(2, "*/");
            } else {
                return;
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        self.began = self.at;
        let first = self.rest().chars().next()?;
        let token = match first {
            ';' => Token::Semicolon,
            '(' => Token::Open,
            ')' => Token::Close,
            // A doubled quote is two texts side by side, which ends at the same place.
            '\'' => return self.quoted("'"),
            '"' => return self.quoted("\""),
            '`' => return self.quoted("`"),
            '[' => return self.quoted("]"),
            letter if is_part_of_word(letter) => return self.word(),
            _ => Token::Other,
        };
        self.at += first.len_utf8();
        Some(token)
    }
}

impl<'a> Tokens<'a> {
    fn quoted(&mut self, end: &str) -> Option<Token<'a>> {
        self.go_behind(1, end);
        Some(Token::Other)
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let length = rest.find(|letter| !is_part_of_word(letter)).unwrap_or(rest.len());
        self.at += length;
        Some(Token::Word(&rest[..length]))
    }
}

fn is_part_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$' || !letter.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_told_from_changes() {
        for text in [
            "SELECT 1",
            "  -- a comment; DELETE FROM t\n select id from t where a = 'x; DELETE FROM t'",
            "SELECT 1; /* nothing */ -- more",
            "VALUES (1), (2)",
            "EXPLAIN QUERY PLAN DELETE FROM t",
            "WITH x AS (SELECT 1), y (a, b) AS (VALUES (1, 2)) SELECT * FROM x, y",
            "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x",
            "SELECT replace(a, 'insert', [delete]) FROM t",
        ] {
            assert!(is_query(text), "{text}");
        }
        for text in [
            "",
            "-- SELECT 1",
            "(SELECT 1)",
            "INSERT INTO t (id) VALUES ('x') RETURNING id",
            "DELETE FROM t",
            "CREATE TABLE u (id TEXT)",
            "PRAGMA foreign_keys = OFF",
            "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
            "WITH x AS (SELECT 1) DELETE FROM t WHERE id IN (SELECT 1)",
            "WITH x AS (SELECT 1)",
            "SELECT 1; DELETE FROM t",
            "SELECT 1;; DELETE FROM t",
            "SELECT ';'; DELETE FROM t",
            "SELECT \"a\"\";\"; DELETE FROM t",
            "; SELECT 1",
        ] {
            assert!(!is_query(text), "{text}");
        }
    }

    #[test]
    fn a_file_is_cut_into_its_statements() {
        let file = "
            -- A comment; with a semicolon.
            CREATE TABLE a (id TEXT DEFAULT 'x;y'); ; /* ; */
            CREATE INDEX b ON a (id) -- no end;
            ;
            CREATE TEMP TRIGGER c AFTER UPDATE ON a WHEN NEW.id <> 'END;' BEGIN
                UPDATE a SET id = CASE NEW.id WHEN 'x' THEN 'y' ELSE 'z' END;
                INSERT INTO \"end;\" VALUES (1);
            END;
            CREATE VIRTUAL TABLE d USING fts5 (id, content='a')";
        let found = statements(file);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "CREATE TABLE a (id TEXT DEFAULT 'x;y')");
        assert_eq!(found[1], "CREATE INDEX b ON a (id)");
        assert!(found[2].starts_with("CREATE TEMP TRIGGER") && found[2].ends_with("END"));
        assert!(found[3].starts_with("CREATE VIRTUAL TABLE"));
        assert_eq!(statements(" -- nothing\n ; "), Vec::<&str>::new());
    }

    #[test]
    fn quotes_and_comments_that_never_end_reach_the_end() {
        for text in ["SELECT 'a;b", "SELECT 1 /* ;", "SELECT [x;"] {
            assert_eq!(statements(text).len(), 1, "{text}");
        }
        assert_eq!(statements("ä'ö;ü';日本"), ["ä'ö;ü'", "日本"]);
    }
}
