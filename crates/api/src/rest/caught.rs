//! A handler that panics fails its own request and nothing else.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::error::ApiError;

/// Runs a handler to its end, or to its panic. Where panics do not unwind, as on WebAssembly, the host has to cope.
///
/// What the handler was at work on is given up with its future; locks that it held are released, and what was to be
/// committed was committed whole or not at all.
pub(super) async fn caught<T>(handler: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(ApiError::internal(format!("the handler panicked: {}", text(&*panic)))),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for reasons it does not tell")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reason(handler: impl Future<Output = Result<(), ApiError>>) -> String {
        caught(handler).await.unwrap_err().internal_reason().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let part = "text";
        assert_eq!(reason(async { panic!("a literal") }).await, "the handler panicked: a literal");
        assert_eq!(reason(async { panic!("a {part}") }).await, "the handler panicked: a text");
        let odd = reason(async { std::panic::panic_any(7) }).await;
        assert_eq!(odd, "the handler panicked: for reasons it does not tell");
        assert_eq!(caught(async { Ok(7) }).await, Ok(7));
    }
}
