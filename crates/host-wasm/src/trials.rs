//! What only tests ask for.

/// Ends what breaks the module of a session's object down.
const PANIC: &str = "/panic";

/// Breaks the module down if a request with that path asks for it.
#[expect(clippy::panic, reason = "a test of what a panic does")]
pub(crate) fn break_down_if_asked(path: &str) {
    if path.ends_with(PANIC) {
        panic!("asked for by a test");
    }
}
