//! What a backend's answer means. A backend is not trusted: whatever it says becomes a value within bounds, or an error
//! that tells the operator what to do.

use portway_ports::sandboxes::SandboxError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{HttpAnswer, HttpError};
use crate::contract::Label;
use crate::url::BackendUrl;

/// Longest words of a backend that are shown, in characters.
const WORDS_CHARS: usize = 300;

/// A call, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) url: &'a BackendUrl,
    pub(crate) label: Label,
}

impl Call<'_> {
    /// No answer came.
    pub(crate) fn unreachable(self, error: &HttpError) -> SandboxError {
        SandboxError::Unavailable(format!(
            "the sandbox backend at {} cannot be reached: {}. Start it there with `portway sandbox serve`, or correct \
             the sandbox URL",
            self.url,
            words(&error.0)
        ))
    }

    /// The answer took too long.
    pub(crate) fn late(self, seconds: u64) -> SandboxError {
        let label = self.label.as_str();
        SandboxError::Unavailable(format!(
            "the sandbox backend at {} did not answer {label} within {seconds} seconds. Look into its log",
            self.url
        ))
    }

    /// The value in an answer that says that the call was carried out.
    pub(crate) fn value<T: DeserializeOwned>(self, answer: &HttpAnswer) -> Result<T, SandboxError> {
        if !is_success(answer.status) {
            return Err(self.refused(answer));
        }
        if answer.is_cut {
            return Err(self.unreadable("it is too long"));
        }
        read(answer).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// A success that is none.
    pub(crate) fn unreadable(self, why: &str) -> SandboxError {
        let label = self.label.as_str();
        SandboxError::Refused(format!(
            "the sandbox backend at {} answers {label} in a way that cannot be understood: {}. Is the sandbox URL right?",
            self.url,
            words(why)
        ))
    }

    /// An answer that says that the call was not carried out.
    pub(crate) fn refused(self, answer: &HttpAnswer) -> SandboxError {
        let (url, label, status) = (self.url, self.label.as_str(), answer.status);
        let said = said(answer).map(|said| format!(": {said}")).unwrap_or_default();
        match status {
            300..=399 => SandboxError::Refused(format!(
                "the sandbox backend at {url} answers with a redirect, which is not followed. Correct the sandbox URL"
            )),
            401 | 403 => SandboxError::Refused(format!(
                "the sandbox backend at {url} refuses the token ({status}). Give the gateway the backend's token with \
                 --sandbox-token-file or PORTWAY_SANDBOX_TOKEN"
            )),
            404 | 405 => SandboxError::Refused(format!(
                "the sandbox backend at {url} does not offer {label} ({status}){said}. Is the sandbox URL right?"
            )),
            408 | 429 | 500.. => SandboxError::Unavailable(format!(
                "the sandbox backend at {url} answers {label} with status {status}{said}"
            )),
            _ => SandboxError::Refused(format!("the sandbox backend at {url} refuses {label} ({status}){said}")),
        }
    }
}

pub(crate) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whether there is no such sandbox, or it has ended already.
pub(crate) fn is_gone(status: u16) -> bool {
    matches!(status, 404 | 409 | 410)
}

/// Whether it is an answer of a backend, though perhaps a refusal.
pub(crate) fn is_contractual(answer: &HttpAnswer) -> bool {
    !answer.is_cut && read::<Value>(answer).is_ok_and(|value| value.is_object())
}

fn read<T: DeserializeOwned>(answer: &HttpAnswer) -> Result<T, serde_json::Error> {
    serde_json::from_str(std::str::from_utf8(&answer.body).map_err(serde::de::Error::custom)?)
}

/// What the backend says about it, in its own words.
fn said(answer: &HttpAnswer) -> Option<String> {
    let value: Value = read(answer).ok()?;
    let text = ["error", "message", "detail"].into_iter().find_map(|key| value.get(key)?.as_str())?;
    Some(words(text)).filter(|text| !text.is_empty())
}

/// A text from elsewhere, on one line and within bounds.
pub(crate) fn words(text: &str) -> String {
    let text = text.trim();
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(WORDS_CHARS).collect()
}
