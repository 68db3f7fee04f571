//! `/v1/artifacts`: policies in registries.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::install::{InstallPolicy, Installed};

use crate::error::ApiError;
use crate::extract;
use crate::peer::Caller;
use crate::state::ApiState;

/// Installs a policy from a registry, or puts it in place of an older version.
///
/// The host pulls the artifact, verifies its signature against the policy of trust, pins it by digest and loads it. What is
/// refused changes nothing: the version in place keeps running.
#[utoipa::path(
    post,
    path = "/v1/artifacts/install",
    operation_id = "policy_install",
    tag = "policies",
    request_body = InstallPolicy,
    responses((status = OK, body = Installed), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn install(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    extract::Json(request): extract::Json<InstallPolicy>,
) -> Result<Json<Installed>, ApiError> {
    Ok(Json(state.actions.policy_install(&actor, request).await?))
}
