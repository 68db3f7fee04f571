//! Extractors whose refusals have the API's error shape.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use reeve_model::secret::SecretValue;
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

use crate::error::ApiError;

/// Path parameters.
pub(crate) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// The query string. Unknown keys are refused by the types that are read from it.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// A JSON body, whatever the content type says.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = body(request, state).await?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the request body is not what is expected: {error}")))
    }
}

/// A document in the body.
pub(crate) struct Xml(pub String);

impl<S: Send + Sync> FromRequest<S> for Xml {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = body(request, state).await?;
        String::from_utf8(body.into())
            .map(Self)
            .map_err(|error| ApiError::invalid(format!("the document is not UTF-8: {}", error.utf8_error())))
    }
}

/// The value of a secret in the body. What was received is cleared.
pub(crate) struct Value(pub SecretValue);

impl<S: Send + Sync> FromRequest<S> for Value {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = body(request, state).await?;
        let value = SecretValue::new(body.to_vec());
        if let Ok(mut received) = body.try_into_mut() {
            received.zeroize();
        }
        value.map(Self).map_err(|length| ApiError::invalid(length.to_string()))
    }
}

/// A component in the body.
pub(crate) struct Component(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Component {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        body(request, state).await.map(Self)
    }
}

/// The whole body, within the limit of the route.
async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        let error = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "the request body is larger than this call allows".to_owned(),
            _ => rejection.body_text(),
        };
        ApiError::invalid(error).with_status(rejection.status())
    })
}
