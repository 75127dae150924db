//! The agent's requests for files.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::jsonrpc::{INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND, RpcError};
use crate::workspace::{FileError, Workspace};

#[derive(Deserialize)]
struct ReadParams {
    path: PathBuf,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct WriteParams {
    path: PathBuf,
    content: String,
}

/// Answers `fs/read_text_file` and `fs/write_text_file`; `None` if it is neither.
pub(crate) async fn serve(workspace: &Workspace, method: &str, params: Value) -> Option<Result<Value, RpcError>> {
    let workspace = workspace.clone();
    let work: Box<dyn FnOnce() -> Result<Value, RpcError> + Send> = match method {
        "fs/read_text_file" => Box::new(move || {
            let ReadParams { path, line, limit } = decode(params)?;
            let content = workspace.read(&path, line, limit)?;
            Ok(json!({ "content": content }))
        }),
        "fs/write_text_file" => Box::new(move || {
            let WriteParams { path, content } = decode(params)?;
            workspace.write(&path, &content)?;
            Ok(json!({}))
        }),
        _ => return None,
    };
    // One at a time, so that an agent reads what it wrote before.
    Some(
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err(RpcError::new(INTERNAL_ERROR, "The runner failed"))),
    )
}

fn decode<T: for<'de> Deserialize<'de>>(params: Value) -> Result<T, RpcError> {
    serde_json::from_value(params).map_err(|error| RpcError::new(INVALID_PARAMS, format!("Wrong parameters: {error}")))
}

impl From<FileError> for RpcError {
    fn from(error: FileError) -> Self {
        let code = match error {
            FileError::NotFound(_) => RESOURCE_NOT_FOUND,
            FileError::Outside(_) | FileError::NotAFile(_) | FileError::TooLarge => INVALID_PARAMS,
            FileError::Io(..) => INTERNAL_ERROR,
        };
        Self::new(code, error.to_string())
    }
}
