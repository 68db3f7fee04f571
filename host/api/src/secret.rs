//! `/v1/secrets`: passphrases and keys that the host uses.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::secret::{DefinedSecret, SecretSummary, TakeSecret};

use crate::error::ApiError;
use crate::extract::{Path, Query, Value, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Rows of all secrets, by usage. No value is among them.
#[utoipa::path(
    get,
    path = "/v1/secrets",
    operation_id = "secret_list",
    tag = "secrets",
    responses((status = OK, body = Vec<SecretSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<SecretSummary>>, ApiError> {
    Ok(Json(state.actions.secrets(&actor).await?))
}

/// Adds a secret, or replaces the document of the one with its UUID; its value stays.
#[utoipa::path(
    post,
    path = "/v1/secrets",
    operation_id = "secret_define",
    tag = "secrets",
    params(TakeSecret),
    request_body(content = String, content_type = "application/xml", description = "A <secret> document"),
    responses((status = OK, body = DefinedSecret), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<TakeSecret>,
    Xml(document): Xml,
) -> Result<Json<DefinedSecret>, ApiError> {
    Ok(Json(state.actions.define_secret(&actor, &document, options.strict).await?))
}

/// Removes a secret with its value.
#[utoipa::path(
    delete,
    path = "/v1/secrets/{secret}",
    operation_id = "secret_undefine",
    tag = "secrets",
    params(("secret" = String, Path, description = "UUID or usage")),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(secret): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_secret(&actor, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret's document.
#[utoipa::path(
    get,
    path = "/v1/secrets/{secret}/xml",
    operation_id = "secret_xml",
    tag = "secrets",
    params(("secret" = String, Path, description = "UUID or usage")),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(secret): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.secret_xml(&actor, &secret).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Gives a secret its value, 1 byte to 64 KiB, in place of the one before.
#[utoipa::path(
    put,
    path = "/v1/secrets/{secret}/value",
    operation_id = "secret_set_value",
    tag = "secrets",
    params(("secret" = String, Path, description = "UUID or usage")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The value"),
    responses((status = NO_CONTENT, description = "It is kept"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_value(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(secret): Path<String>,
    Value(value): Value,
) -> Result<StatusCode, ApiError> {
    state.actions.set_secret_value(&actor, &secret, value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The value of a secret that is not private.
#[utoipa::path(
    get,
    path = "/v1/secrets/{secret}/value",
    operation_id = "secret_value",
    tag = "secrets",
    params(("secret" = String, Path, description = "UUID or usage")),
    responses(
        (status = OK, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn value(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(secret): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let value = state.actions.secret_value(&actor, &secret).await?;
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, value.expose().to_vec()))
}
