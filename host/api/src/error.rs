//! Errors on the wire: `{code, message, hint}` with the HTTP status that fits the code.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reeve_model::{Error, ErrorCode};

/// An error as a handler returns it.
#[derive(Debug)]
pub(crate) struct ApiError {
    error: Error,
    /// Overrides the status of the code where HTTP has a more exact one.
    status: Option<StatusCode>,
}

impl ApiError {
    /// A request that is wrong in itself.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::Invalid, message).into()
    }

    /// The same error under another HTTP status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self { error: error.into(), status: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.error.code == ErrorCode::Internal {
            tracing::error!(error = %self.error, "a request failed inside the host");
        }
        let status = self.status.unwrap_or_else(|| status_of(self.error.code));
        (status, Json(self.error)).into_response()
    }
}

/// The HTTP status for a code.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::AlreadyExists | ErrorCode::WrongState | ErrorCode::Busy => StatusCode::CONFLICT,
        ErrorCode::Denied => StatusCode::FORBIDDEN,
        ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::Deadline => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
