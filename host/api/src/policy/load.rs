//! `POST /v1/policies`: a component in the body, its binding in the query string.

use axum::Json;
use axum::extract::State;
use reeve_actions::policy_port::LoadRequest;
use reeve_model::Error;
use reeve_model::policy::{PolicyInfo, PolicyMode};

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
        ("config" = Option<String>, Query, description = "Configuration for it, as JSON text"),
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
        "config" => {
            let config = serde_json::from_str(&value)
                .map_err(|error| ApiError::invalid(format!("the configuration is not JSON: {error}")))?;
            request.config = Some(config);
        }
        "grant" => request.grants.push(value),
        _ => return Err(ApiError::invalid(format!("unknown key '{key}' in the query string"))),
    }
    Ok(())
}
