//! What is refused before anything else is looked at.

use http::{StatusCode, Uri};

use crate::error::ApiError;

/// Longest path with its query, in bytes.
const MAX_URI_BYTES: usize = 8 * 1024;

/// Most segments of a path.
const MAX_SEGMENTS: usize = 64;

/// Refuses addresses that none of ours comes near.
pub(super) fn check_uri(uri: &Uri) -> Result<(), ApiError> {
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if length > MAX_URI_BYTES {
        return Err(ApiError::invalid_request("the path and the query are longer than 8192 bytes together")
            .with_status(StatusCode::URI_TOO_LONG));
    }
    // The leading slash begins the first segment.
    if uri.path().bytes().filter(|byte| *byte == b'/').count() > MAX_SEGMENTS {
        return Err(ApiError::invalid_request("the path has more than 64 segments"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(path: &str) -> Option<u16> {
        check_uri(&path.parse().unwrap()).err().map(|error| error.status.as_u16())
    }

    #[test]
    fn addresses_are_bounded() {
        assert_eq!(status(&format!("/{}", "a".repeat(MAX_URI_BYTES - 1))), None);
        assert_eq!(status(&format!("/{}", "a".repeat(MAX_URI_BYTES))), Some(414));
        assert_eq!(status(&format!("/?{}", "a".repeat(MAX_URI_BYTES))), Some(414));
        assert_eq!(status(&"/a".repeat(MAX_SEGMENTS)), None);
        assert_eq!(status(&"/a".repeat(MAX_SEGMENTS + 1)), Some(400));
        assert_eq!(status(&format!("/?{}", "/".repeat(MAX_SEGMENTS + 1))), None);
    }
}
