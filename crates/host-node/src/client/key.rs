//! The key that the gateway is asked with.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Largest key, in bytes.
const MAX_KEY: u64 = 4 * 1024;

/// Name of the file with the first administrator's key, in the gateway's data folder.
const KEY_FILE: &str = "bootstrap-key";

/// A key. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// There is no file and no variable.
    #[error("No key: set PORTWAY_KEY, or name the gateway's data folder with --data ({} does not exist)", .0.display())]
    Missing(PathBuf),
    /// The key of this machine's gateway is not for others.
    #[error("No key: set PORTWAY_KEY for a gateway on another machine")]
    Elsewhere,
    /// The file cannot be read.
    #[error("The key in {} cannot be read: {source}. Set PORTWAY_KEY instead", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was found can be no key.
    #[error("The key in {0} is empty, too long, or has characters that no key has")]
    Malformed(String),
}

impl Key {
    /// The key in the environment variable, or else the one that the gateway left in its data folder. The file is only
    /// used where `trusted` says that its gateway is the one that is asked.
    ///
    /// # Errors
    /// [`KeyError`] says what to do.
    pub(crate) fn find(variable: Option<String>, data: &Path, trusted: bool) -> Result<Self, KeyError> {
        if let Some(key) = variable.filter(|key| !key.trim().is_empty()) {
            return Self::parse(&key).ok_or_else(|| KeyError::Malformed("PORTWAY_KEY".to_owned()));
        }
        if !trusted {
            return Err(KeyError::Elsewhere);
        }
        let path = data.join(KEY_FILE);
        match read(&path) {
            Ok(key) => Self::parse(&key).ok_or_else(|| KeyError::Malformed(path.display().to_string())),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(KeyError::Missing(path)),
            Err(source) => Err(KeyError::File { path, source }),
        }
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() as u64 <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(…)")
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_KEY + 2).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> &'static Path {
        Path::new("/nonexistent/portway")
    }

    #[test]
    fn the_variable_comes_first_and_is_never_shown() {
        let key = Key::find(Some(" secret\n".to_owned()), nowhere(), false).unwrap();
        assert_eq!(key.header(), "Bearer secret");
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn a_missing_key_says_what_to_do() {
        let missing = Key::find(Some(String::new()), nowhere(), true).unwrap_err();
        assert!(matches!(missing, KeyError::Missing(_)));
        assert!(missing.to_string().contains("PORTWAY_KEY"));
        assert!(matches!(Key::find(None, nowhere(), false), Err(KeyError::Elsewhere)));
        assert!(matches!(Key::find(Some("a b".to_owned()), nowhere(), true), Err(KeyError::Malformed(_))));
    }
}
