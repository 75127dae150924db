//! Why a request has no result.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use super::revision::Revision;
use crate::error::ApiError;
use crate::rpc::Fault;

/// An error of the protocol. What a tool itself fails with is no such error but a result that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct McpError {
    /// The number.
    pub code: i32,
    /// What went wrong, for people.
    pub message: Cow<'static, str>,
    /// More about it.
    pub data: Option<Value>,
    /// The status over HTTP of a request that stands by itself.
    pub(crate) status: StatusCode,
}

impl McpError {
    fn new(code: i32, message: impl Into<Cow<'static, str>>, status: StatusCode) -> Self {
        Self { code, message: message.into(), data: None, status }
    }

    fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The parameters cannot be used.
    #[must_use]
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32602, message, StatusCode::OK)
    }

    /// The client cannot do what the request needs, or did not declare that it can.
    #[must_use]
    pub fn missing_capability(capability: &str) -> Self {
        let message = format!("the client has to declare the capability {capability:?} for this");
        Self::new(-32021, message, StatusCode::BAD_REQUEST)
            .with_data(json!({ "requiredCapabilities": { capability: {} } }))
    }

    /// It failed for a reason that is not the client's.
    #[must_use]
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32603, message, StatusCode::OK)
    }

    /// A request without what every request has to bring.
    pub(crate) fn incomplete(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32602, message, StatusCode::BAD_REQUEST)
    }

    pub(crate) fn header_mismatch(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32020, message, StatusCode::BAD_REQUEST)
    }

    pub(crate) fn unsupported_version(requested: &str) -> Self {
        let supported = Revision::ALL.map(Revision::as_str);
        Self::new(-32022, "this revision of the protocol is not spoken", StatusCode::BAD_REQUEST)
            .with_data(json!({ "supported": supported, "requested": requested }))
    }

    pub(crate) fn method_not_found(method: &str) -> Self {
        Self::new(-32601, format!("there is no method {method:?}"), StatusCode::NOT_FOUND)
    }

    /// There is no such resource for the caller. Clients with sessions know a number of its own for that.
    pub(crate) fn no_resource(uri: &str, revision: Revision) -> Self {
        let code = if revision.is_stateless() { -32602 } else { -32002 };
        Self::new(code, "there is no such resource", StatusCode::OK).with_data(json!({ "uri": uri }))
    }

    /// What REST would answer, where it is no result of a tool.
    pub(crate) fn of_api(error: &ApiError, request_id: &str) -> Self {
        error.log(request_id);
        let Fault { code, .. } = Fault::of(error.clone());
        let mut mapped = Self::new(code, error.message.clone(), StatusCode::OK);
        mapped.data = serde_json::to_value(error.body(request_id)).ok();
        mapped
    }

    /// The answer to the request with that id, which is JSON already.
    pub(crate) fn text(&self, id: &str) -> String {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
    }
}
