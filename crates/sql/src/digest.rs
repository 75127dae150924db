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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_two_digits() {
        assert_eq!(hex(&[0xab, 0x01]), "ab01");
    }
}
