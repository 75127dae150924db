//! SHA-256 over lines.

use sha2::{Digest as _, Sha256};

/// A digest that lines are added to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a line and its end.
    pub(crate) fn line(&mut self, line: &str) {
        self.0.update(line);
        self.0.update("\n");
    }

    /// In lower-case hexadecimal.
    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('?'));
        }
    }
    text
}

/// The bytes that a text in hexadecimal stands for, if it does.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for bytes in [&[][..], &[0, 255, 16, 1]] {
            assert_eq!(unhex(&hex(bytes)).unwrap(), bytes);
        }
        assert_eq!(hex(&[0xab, 0x01]), "ab01");
        assert_eq!((unhex("abc"), unhex("zz")), (None, None));
    }
}
