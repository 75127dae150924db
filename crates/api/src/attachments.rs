//! Attachments as callers send them, and the endpoint that gives them out.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;
use garde::Validate;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use portway_domain::access::{Permission, SessionRole};
use portway_domain::attachments::{Attachment, MAX_ENCODED_CHARS, MAX_ENCODED_CHARS_TOGETHER, MediaKind, MediaType};
use portway_domain::ids::SessionId;
use portway_services::attachments::NewAttachment;
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::error::ApiError;

/// The alphabet that everybody writes, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Most bytes of a body with a text and as many attachments as may go with it.
pub(crate) const MAX_BODY_BYTES: usize = MAX_ENCODED_CHARS_TOGETHER + 1024 * 1024;

/// Something that goes with a prompt, as it is sent.
pub(crate) struct Sent<'a> {
    /// Its media type; that of the `data:` URL if absent.
    pub(crate) media_type: Option<&'a str>,
    /// Its name.
    pub(crate) name: Option<String>,
    /// The field that its content is in.
    pub(crate) field: &'static str,
    /// A `data:` URL in base64, or base64 alone.
    pub(crate) source: &'a str,
}

/// Decodes what goes with a prompt.
///
/// # Errors
/// [`Error::Invalid`] with the field that cannot be used.
pub(crate) fn decode(sent: Vec<Sent<'_>>) -> Result<Vec<NewAttachment>, Error> {
    let together: usize = sent.iter().map(|sent| sent.source.len()).sum();
    if together > MAX_ENCODED_CHARS_TOGETHER {
        let message = format!("expected at most {MAX_ENCODED_CHARS_TOGETHER} characters together");
        return Err(Error::Invalid { field: "attachments".to_owned(), message });
    }
    sent.into_iter().enumerate().map(|(index, sent)| decode_one(index, sent)).collect()
}

fn decode_one(index: usize, sent: Sent<'_>) -> Result<NewAttachment, Error> {
    let invalid =
        |field: &str, message: String| Error::Invalid { field: format!("attachments[{index}].{field}"), message };
    if sent.source.len() > MAX_ENCODED_CHARS {
        return Err(invalid(sent.field, format!("expected at most {MAX_ENCODED_CHARS} characters")));
    }
    let not_readable = || invalid(sent.field, "expected a data: URL in base64".to_owned());
    let (of_url, encoded) = match sent.source.strip_prefix("data:") {
        Some(rest) => {
            let (head, encoded) = rest.split_once(',').ok_or_else(not_readable)?;
            (Some(head.strip_suffix(";base64").ok_or_else(not_readable)?), encoded)
        }
        None => (None, sent.source),
    };
    let media_type = sent.media_type.or(of_url).unwrap_or_default();
    let media_type = MediaType::parse(media_type).map_err(|error| invalid("mime", error.to_string()))?;
    let content = BASE64.decode(encoded).map_err(|_| not_readable())?;
    Ok(NewAttachment { media_type, name: sent.name.filter(|name| !name.is_empty()), content: content.into() })
}

pub(crate) fn endpoint() -> Endpoint<Services> {
    let viewer = Permission::Session(SessionRole::Viewer);
    Endpoint::new("attachments.get", Method::GET, "/api/sessions/{id}/attachments/{attachmentId}", viewer)
        .summary("Read something that went with a prompt")
        .describe("The content as it was sent. The parts of messages name it; it never changes.")
        .produces("application/octet-stream")
        .raw(get)
}

/// An attachment.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct AttachmentPath {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The attachment's id within the session.
    #[garde(skip)]
    attachment_id: String,
}

async fn get(
    services: Arc<Services>,
    context: Context,
    input: AttachmentPath,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let session =
        SessionId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "Session", id: input.id })?;
    let (attachment, content) = services.attachment(&context, &session, &input.attachment_id).await?;
    Ok(response(&attachment, content, request.headers()))
}

/// Whoever wrote it is not to be trusted: it must not run as a page of the gateway's.
fn response(attachment: &Attachment, content: Bytes, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", attachment.sha256);
    let is_known = asked.get_all(IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(content) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, attachment.media_type.as_str());
    set(CONTENT_DISPOSITION, &disposition(attachment));
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(CACHE_CONTROL, "private, max-age=31536000, immutable");
    set(ETAG, &tag);
    response
}

/// Pictures and sounds are shown, everything else is saved.
fn disposition(attachment: &Attachment) -> String {
    let mut disposition = match attachment.media_type.kind() {
        MediaKind::Image | MediaKind::Audio => "inline",
        MediaKind::Text | MediaKind::Document => "attachment",
    }
    .to_owned();
    if let Some(name) = &attachment.name {
        disposition.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                disposition.push(char::from(byte));
            } else {
                // Writing into text does not fail.
                let _ = write!(disposition, "%{byte:02X}");
            }
        }
    }
    disposition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent<'a>(media_type: Option<&'a str>, source: &'a str) -> Sent<'a> {
        Sent { media_type, name: Some("a.png".to_owned()), field: "url", source }
    }

    fn field(sent: Vec<Sent<'_>>) -> String {
        match decode(sent) {
            Err(Error::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_urls_and_plain_base64_are_decoded() {
        for (media_type, source, expected) in [
            (Some("image/png"), "data:image/png;base64,YWJj", "image/png"),
            (None, "data:audio/webm;codecs=opus;base64,YWJj", "audio/webm"),
            (Some("text/plain"), "data:;base64,YWJj", "text/plain"),
            (Some("image/png"), "YWJj", "image/png"),
        ] {
            let decoded = decode(vec![sent(media_type, source)]).unwrap();
            assert_eq!((decoded[0].media_type.as_str(), &decoded[0].content[..]), (expected, &b"abc"[..]), "{source}");
        }
        let padded = decode(vec![sent(Some("image/png"), "YQ=="), sent(Some("image/png"), "YQ")]).unwrap();
        assert_eq!(padded[0], padded[1]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let fine = || sent(None, "data:image/png;base64,YWJj");
        for (wrong, expected) in [
            (sent(None, "YWJj"), "attachments[1].mime"),
            (sent(Some("video/mp4"), "YWJj"), "attachments[1].mime"),
            (sent(Some("image/png"), "https://example.org/a.png"), "attachments[1].url"),
            (sent(Some("image/png"), "data:image/png,abc"), "attachments[1].url"),
            (sent(Some("image/png"), "data:image/png;base64"), "attachments[1].url"),
            (sent(Some("image/png"), "data:image/png;base64,a b"), "attachments[1].url"),
        ] {
            assert_eq!(field(vec![fine(), wrong]), expected);
        }
        let long = "A".repeat(MAX_ENCODED_CHARS + 1);
        assert_eq!(field(vec![sent(Some("image/png"), &long)]), "attachments[0].url");
        let half = &long[..MAX_ENCODED_CHARS];
        assert_eq!(field(vec![sent(None, half), sent(None, half), sent(None, half)]), "attachments");
    }

    #[test]
    fn content_is_shown_or_saved_and_never_run() {
        let of = |media_type: &str, name: Option<&str>| {
            Attachment::of(1, MediaType::parse(media_type).unwrap(), name.map(str::to_owned), b"abc")
        };
        assert_eq!(disposition(&of("image/png", None)), "inline");
        let name = Some("\u{e4}\" b.html");
        assert_eq!(disposition(&of("text/html", name)), "attachment; filename*=UTF-8''%C3%A4%22%20b.html");
        let answer = response(&of("image/svg+xml", None), Bytes::from_static(b"abc"), &HeaderMap::new());
        assert_eq!(answer.headers()[CONTENT_TYPE], "image/svg+xml");
        assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], "default-src 'none'; sandbox");
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, answer.headers()[ETAG].clone())]);
        assert_eq!(response(&of("image/svg+xml", None), Bytes::new(), &known).status(), StatusCode::NOT_MODIFIED);
    }
}
