//! The one error shape that crosses a boundary of the product: the API, the policy contract, the CLI.

use serde::{Deserialize, Serialize};

/// Stable code of an error. Clients and policies match on this, never on the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The named object does not exist.
    NotFound,
    /// An object with this name or UUID exists already.
    AlreadyExists,
    /// The actor may not do this, or a guard policy said no.
    Denied,
    /// The request or document is wrong in itself.
    Invalid,
    /// The object is in a state in which this cannot be done.
    WrongState,
    /// Another operation holds the object.
    Busy,
    /// This host, driver or version cannot do this.
    Unsupported,
    /// A deadline passed before the answer came.
    Deadline,
    /// A fault of the host itself.
    Internal,
}

impl ErrorCode {
    /// The code as it appears on the wire, e.g. `not-found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::WrongState => "wrong-state",
            Self::Busy => "busy",
            Self::Unsupported => "unsupported",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error as a client or a policy sees it: a code to match on, a sentence that names the subject, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{message}")]
pub struct Error {
    /// What kind of error this is.
    pub code: ErrorCode,
    /// One sentence with the subject in it, e.g. "domain 'web' is not running".
    pub message: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Error {
    /// An error with `code` and a sentence that names its subject.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// An error in the words of another one and of everything that caused it.
    pub fn caused(code: ErrorCode, by: &dyn std::error::Error) -> Self {
        Self::new(code, sentence(by))
    }

    /// The same error with advice on how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error and everything that caused it, in one sentence.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors say what their cause says.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("domain 'web' can't be started")]
    struct Outer(#[from] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("its disk can't be opened: {0}")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn every_cause_is_said_once() {
        let error = Outer(Middle(std::io::Error::other("no such file")));
        let said = Error::caused(ErrorCode::Internal, &error).message;
        assert_eq!(said, "domain 'web' can't be started: its disk can't be opened: no such file");
    }
}
