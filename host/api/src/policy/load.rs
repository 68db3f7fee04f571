//! `POST /v1/policies`: a component in the body, its binding in the query string.

use axum::Json;
use axum::extract::State;
use reeve_actions::policy_port::LoadRequest;
use reeve_model::Error;
use reeve_model::policy::{BadBreaker, FailureMode, PolicyInfo, PolicyMode};

use crate::error::ApiError;
use crate::extract::{Component, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Loads a policy, or a new version of a loaded one.
///
/// What is left out keeps its present value, or takes the default for a new policy.
#[utoipa::path(
    post,
    path = "/v1/policies",
    operation_id = "policy_load",
    tag = "policies",
    params(
        ("name" = Option<String>, Query, description = "Name to load it under instead of the manifest's"),
        ("mode" = Option<PolicyMode>, Query, description = "Mode to start in"),
        ("order" = Option<i32>, Query, description = "Position in its chains, lowest first"),
        ("on_failure" = Option<FailureMode>, Query, description = "What a failure of it means"),
        ("breaker" = Option<String>, Query, description = "When the circuit breaker stops it: failures/seconds"),
        ("config" = Option<String>, Query, description = "Configuration for it, as JSON text"),
        ("schedule" = Option<String>, Query, description = "When its task runs: a cron expression or an interval"),
        ("event" = Option<Vec<String>>, Query, description = "An event that runs its task; may be repeated"),
        ("catch_up" = Option<bool>, Query, description = "Make up for missed runs of its task with one"),
        ("grant" = Option<Vec<String>>, Query, description = "A grant to give; may be repeated"),
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"),
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn load(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(binding): Query<Vec<(String, String)>>,
    Component(component): Component,
) -> Result<Json<PolicyInfo>, ApiError> {
    let mut request = LoadRequest { component: component.into(), ..LoadRequest::default() };
    for (key, value) in binding {
        bind(&mut request, &key, value)?;
    }
    Ok(Json(state.actions.policy_load(&actor, request).await?))
}

/// Puts one key of the query string into the request.
fn bind(request: &mut LoadRequest, key: &str, value: String) -> Result<(), ApiError> {
    match key {
        "name" => request.name = Some(value),
        "mode" => {
            request.mode = Some(match value.as_str() {
                "monitor" => PolicyMode::Monitor,
                "enforce" => PolicyMode::Enforce,
                _ => return Err(ApiError::invalid(format!("'{value}' is not a mode: monitor or enforce"))),
            });
        }
        "order" => {
            let order =
                value.parse().map_err(|_| ApiError::invalid(format!("order '{value}' is not a number")))?;
            request.order = Some(order);
        }
        "on_failure" => {
            request.on_failure = Some(FailureMode::parse(&value).ok_or_else(|| {
                ApiError::invalid(format!(
                    "'{value}' is not what a failure can mean: closed, open or previous"
                ))
            })?);
        }
        "breaker" => {
            request.breaker =
                Some(value.parse().map_err(|error: BadBreaker| ApiError::invalid(error.to_string()))?);
        }
        "config" => {
            let config = serde_json::from_str(&value)
                .map_err(|error| ApiError::invalid(format!("the configuration is not JSON: {error}")))?;
            request.config = Some(config);
        }
        "schedule" => request.triggers.get_or_insert_default().schedule = Some(value),
        "event" => request.triggers.get_or_insert_default().events.push(value),
        "catch_up" => {
            let catch_up = value
                .parse()
                .map_err(|_| ApiError::invalid(format!("catch_up '{value}' is not true or false")))?;
            request.triggers.get_or_insert_default().catch_up = catch_up;
        }
        "grant" => request.grants.push(value),
        _ => return Err(ApiError::invalid(format!("unknown key '{key}' in the query string"))),
    }
    Ok(())
}
