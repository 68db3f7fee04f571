//! Connections that leave HTTP for a protocol of their own.

use axum::body::Body;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use reeve_model::{Error, ErrorCode};

use crate::error::ApiError;

/// Fails unless a request asks for this protocol; `what` is done with it, e.g. "a console is opened".
pub(crate) fn demand(headers: &HeaderMap, protocol: &str, what: &str) -> Result<(), ApiError> {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    if upgrade.is_some_and(|asked| asked.eq_ignore_ascii_case(protocol)) {
        return Ok(());
    }
    let error = Error::new(ErrorCode::Invalid, format!("{what} with an HTTP upgrade"));
    let error = error.with_hint(format!("send 'Connection: upgrade' and 'Upgrade: {protocol}'"));
    Err(ApiError::from(error).with_status(StatusCode::UPGRADE_REQUIRED))
}

/// The answer after which the connection speaks this protocol.
pub(crate) fn accepted(protocol: &'static str) -> Response {
    let headers =
        [(CONNECTION, HeaderValue::from_static("upgrade")), (UPGRADE, HeaderValue::from_static(protocol))];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}
