//! Secrets in files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use portway_adapters_system::SystemEntropy;
use portway_domain::tokens::{MAX_SECRET_BYTES, TokenSecret};
use portway_ports::system::Entropy;

use crate::data_folder::DataFolderError;

/// Fewest characters of a token that others could try to guess.
const MIN_CHARS: usize = 32;

/// Why there is no token. It says what to do, and nothing of the token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing says where one is.
    #[error(
        "a sandbox backend lets nobody in without its token: set PORTWAY_SANDBOX_TOKEN, or name a file with it in \
         sandbox_token_file or --sandbox-token-file"
    )]
    Missing,
    /// What was found can be no token.
    #[error("a token has {MIN_CHARS} to {MAX_SECRET_BYTES} printable characters without a blank")]
    Malformed,
}

/// Why there is no secret in the data folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    /// It cannot be written.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// What is there can be no secret.
    #[error("{path}: {error}; remove the file to have a new one made", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TokenError,
    },
}

/// The secret in a file of the data folder, which is made and written if there is none.
pub(crate) fn kept_secret(
    path: PathBuf,
    write: impl FnOnce(&str) -> Result<(), DataFolderError>,
) -> Result<TokenSecret, KeptError> {
    match read_token(&path) {
        Ok(secret) => Ok(secret),
        Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let secret = TokenSecret::runner(SystemEntropy.draw());
            write(secret.reveal())?;
            Ok(secret)
        }
        Err(error) => Err(KeptError::Unusable { path, error }),
    }
}

/// The token in a file, without what is blank around it.
pub(crate) fn read_token(path: &Path) -> Result<TokenSecret, TokenError> {
    let failed = |source| TokenError::File { path: path.to_owned(), source };
    let mut text = String::new();
    // Beyond the bound it is no token anyway.
    let limit = 2 * MAX_SECRET_BYTES as u64;
    File::open(path).map_err(failed)?.take(limit).read_to_string(&mut text).map_err(failed)?;
    parse_token(&text)
}

/// A token as it stands in a file or a variable.
pub(crate) fn parse_token(text: &str) -> Result<TokenSecret, TokenError> {
    let token = TokenSecret::opaque(text.trim()).map_err(|_| TokenError::Malformed)?;
    if token.reveal().len() < MIN_CHARS { Err(TokenError::Malformed) } else { Ok(token) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_plain() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("token");
        let good = "0123456789abcdef0123456789abcdef";
        std::fs::write(&path, format!("{good}\n")).unwrap();
        assert_eq!(read_token(&path).unwrap().reveal(), good);
        for bad in [String::new(), "short".to_owned(), format!("{good} {good}"), "é".repeat(32), "x".repeat(2_000)] {
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(read_token(&path), Err(TokenError::Malformed)), "{bad}");
        }
        let missing = read_token(&scratch.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("none: cannot be read"), "{missing}");
    }
}
