//! Text that can be kept.

use std::borrow::Cow;

/// Stands in for what cannot be kept.
const REPLACEMENT: &str = "\u{FFFD}";

/// The text with every NUL character replaced: not every database has a place for it. What people send is refused
/// instead; this is for what agents and other programs say, which nobody is there to correct.
#[must_use]
pub fn keepable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', REPLACEMENT)) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_and_nothing_else() {
        assert_eq!(keepable("a\0b\0"), "a\u{FFFD}b\u{FFFD}");
        assert!(matches!(keepable("\u{1}\r\n\u{FFFF}"), Cow::Borrowed(_)));
    }
}
