//! `/v1/policies/{policy}/recording` and `/v1/audit`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reeve_model::Error;
use reeve_model::policy::Hook;
use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;

use crate::error::ApiError;
use crate::extract::{self, Component, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Begins to record the next calls of a policy.
///
/// What is recorded is as confidential as the policy's input: documents, its configuration, values of its key-value store.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/recording",
    operation_id = "policy_record",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = StartRecording,
    responses((status = NO_CONTENT, description = "It is being recorded"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn record(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(wanted): extract::Json<StartRecording>,
) -> Result<StatusCode, ApiError> {
    state.actions.policy_record(&actor, &policy, wanted)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was recorded since the last time; waits a second when there is nothing yet.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}/recording",
    operation_id = "policy_recorded",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    responses((status = OK, body = Recorded), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn recorded(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
) -> Result<Json<Recorded>, ApiError> {
    Ok(Json(state.actions.policy_recorded(&actor, &policy).await?))
}

/// Ends a recording, and gives the rest of it.
#[utoipa::path(
    delete,
    path = "/v1/policies/{policy}/recording",
    operation_id = "policy_stop_recording",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    responses((status = OK, body = Recorded), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn stop_recording(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
) -> Result<Json<Recorded>, ApiError> {
    Ok(Json(state.actions.policy_stop_recording(&actor, &policy)?))
}

/// Asks a guard about every domain there is; nothing changes, and no decision is logged.
#[utoipa::path(
    post,
    path = "/v1/audit",
    operation_id = "policy_audit",
    tag = "policies",
    params(
        ("policy" = Option<String>, Query, description = "A loaded policy, as it is bound; else the body counts"),
        ("hook" = Option<Hook>, Query, description = "Which guard; left out, the first one of domains that it answers"),
        ("config" = Option<String>, Query, description = "Configuration of the component, as JSON text"),
        ("grant" = Option<Vec<String>>, Query, description = "A grant of the component; may be repeated"),
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "A component, or nothing"),
    responses((status = OK, body = Vec<Audited>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn audit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(query): Query<Vec<(String, String)>>,
    Component(component): Component,
) -> Result<Json<Vec<Audited>>, ApiError> {
    let mut request = AuditRequest { component: component.into(), ..AuditRequest::default() };
    for (key, value) in query {
        match key.as_str() {
            "policy" => request.policy = Some(value),
            "hook" => {
                let word = IntoDeserializer::<WordError>::into_deserializer(value.as_str());
                request.hook =
                    Some(Hook::deserialize(word).map_err(|error| ApiError::invalid(error.to_string()))?);
            }
            "config" => {
                request.config =
                    Some(serde_json::from_str(&value).map_err(|error| {
                        ApiError::invalid(format!("the configuration is not JSON: {error}"))
                    })?);
            }
            "grant" => request.grants.push(value),
            _ => return Err(ApiError::invalid(format!("unknown key '{key}' in the query string"))),
        }
    }
    Ok(Json(state.actions.policy_audit(&actor, request).await?))
}
