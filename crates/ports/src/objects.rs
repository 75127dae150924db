//! Bytes by key, where they are too many for a row.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use portway_domain::time::Timestamp;

/// Largest object, in bytes.
pub const MAX_OBJECT_BYTES: u64 = 32 * 1024 * 1024;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;

/// Longest segment of a key, in bytes: every file system has room for it.
const MAX_SEGMENT_BYTES: usize = 200;

/// Longest content type, in bytes.
const MAX_CONTENT_TYPE_BYTES: usize = 200;

/// Most objects of one page.
pub const MAX_OBJECT_PAGE: usize = 1_000;

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected segments of A-Z, a-z, 0-9, ':', '_', '-' and '.', none of which begins with '.', with '/' between them"
)]
pub struct InvalidKey;

/// The name of an object: segments with `/` between them. It can be a path of a file below any folder, and needs no
/// encoding in a URL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// Accepts a key.
    ///
    /// # Errors
    /// [`InvalidKey`] when it has an unexpected character, or is empty or too long.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.');
        let is_segment = |segment: &str| {
            (1..=MAX_SEGMENT_BYTES).contains(&segment.len())
                && !segment.starts_with('.')
                && segment.bytes().all(harmless)
        };
        if text.len() <= MAX_KEY_BYTES && text.split('/').all(is_segment) {
            Ok(Self(text.into_boxed_str()))
        } else {
            Err(InvalidKey)
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is below that folder.
    #[must_use]
    pub fn is_below(&self, folder: &Self) -> bool {
        self.0.strip_prefix(&*folder.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({})", self.0)
    }
}

/// Bytes and what they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    content_type: Box<str>,
    content: Bytes,
}

impl Object {
    /// Puts bytes and their type together.
    ///
    /// # Errors
    /// [`ObjectError::Refused`] when they are more than [`MAX_OBJECT_BYTES`], or the type cannot stand in a header.
    pub fn new(content_type: impl Into<String>, content: impl Into<Bytes>) -> Result<Self, ObjectError> {
        let (content_type, content) = (content_type.into(), content.into());
        if u64::try_from(content.len()).map_or(true, |length| length > MAX_OBJECT_BYTES) {
            return Err(ObjectError::Refused(format!("an object has at most {MAX_OBJECT_BYTES} bytes")));
        }
        let is_plain = content_type.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if content_type.is_empty() || content_type.len() > MAX_CONTENT_TYPE_BYTES || !is_plain {
            return Err(ObjectError::Refused("the content type of an object is a short text of ASCII".to_owned()));
        }
        Ok(Self { content_type: content_type.into_boxed_str(), content })
    }

    /// What the bytes are.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The bytes.
    #[must_use]
    pub fn content(&self) -> &Bytes {
        &self.content
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({}, {} bytes)", self.content_type, self.content.len())
    }
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// What the bytes are.
    pub content_type: String,
    /// How many there are.
    pub length: u64,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// When it was put, by the clock of the store.
    pub put_at: Timestamp,
}

/// Why an object store did not do what it was asked. That something is not there is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It may work later.
    #[error("the object store is unavailable: {0}")]
    Unavailable(String),
    /// It will never work as it is: the text says what to change.
    #[error("the object store refuses: {0}")]
    Refused(String),
}

/// Bytes by key. What was put is there for every later call, also of other nodes, until it is deleted.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Puts an object, in place of the one that was there. When this answers, the object is on stable storage, if the
    /// store has any; whoever reads meanwhile finds the old one or the new one, whole.
    ///
    /// # Errors
    /// [`ObjectError::Unavailable`] also when it is not known whether it was put: it can be put again.
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError>;

    /// An object, if there is one; one that was put by others and is too large is an error.
    ///
    /// # Errors
    /// [`ObjectError`] when that cannot be found out.
    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError>;

    /// What is known of an object, if there is one.
    ///
    /// # Errors
    /// [`ObjectError`] when that cannot be found out.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError>;

    /// Deletes an object. One that is not there is deleted already.
    ///
    /// # Errors
    /// [`ObjectError::Unavailable`] also when it is not known whether it was deleted: it can be deleted again.
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError>;

    /// The objects below `folder` whose keys are after `after`, in the order of their bytes; at most `limit`, brought to
    /// between 1 and [`MAX_OBJECT_PAGE`]. What is put or deleted meanwhile may be in the list or not. An empty page is
    /// the end; any other may not be.
    ///
    /// # Errors
    /// [`ObjectError`] when that cannot be found out.
    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_any_folder() {
        for text in ["a", "sessions/0197-x/attachments/m.1", "A:b_c-d.e/f"] {
            assert_eq!(ObjectKey::parse(text).unwrap().as_str(), text);
        }
        let long = "x".repeat(201);
        for text in
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.b", "ü", "a b", "a\\b", "a%2fb", "a\0b", &long]
        {
            assert_eq!(ObjectKey::parse(text), Err(InvalidKey), "{text}");
        }
        assert!(ObjectKey::parse(vec!["abcdefg"; 65].join("/")).is_err());
    }

    #[test]
    fn a_folder_is_whole_segments() {
        let key = |text: &str| ObjectKey::parse(text).unwrap();
        assert!(key("a/b/c").is_below(&key("a")) && key("a/b/c").is_below(&key("a/b")));
        assert!(!key("ab/c").is_below(&key("a")) && !key("a").is_below(&key("a")));
    }

    #[test]
    fn objects_are_bounded() {
        assert!(Object::new("image/png", Bytes::new()).is_ok());
        for content_type in ["", "a\r\nb", "ü", &"x".repeat(201)] {
            assert!(matches!(Object::new(content_type, Bytes::new()), Err(ObjectError::Refused(_))), "{content_type}");
        }
        let large = vec![0; usize::try_from(MAX_OBJECT_BYTES).unwrap() + 1];
        assert!(matches!(Object::new("image/png", large), Err(ObjectError::Refused(_))));
    }
}
