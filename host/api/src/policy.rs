//! `/v1/policies` and `/v1/decisions`.

mod load;
mod record;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reeve_model::Error;
use reeve_model::api::{Grants, RollBack, SetMode};
use reeve_model::policy::{Decision, DecisionFilter, PolicyInfo, PolicySettings};

use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

pub(crate) use load::{__path_load, load};
pub(crate) use record::{
    __path_audit, __path_record, __path_recorded, __path_stop_recording, audit, record, recorded,
    stop_recording,
};

/// All loaded policies, in chain order.
#[utoipa::path(
    get,
    path = "/v1/policies",
    operation_id = "policy_list",
    tag = "policies",
    responses((status = OK, body = Vec<PolicyInfo>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<PolicyInfo>>, ApiError> {
    Ok(Json(state.actions.policy_list(&actor)?))
}

/// One loaded policy.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}",
    operation_id = "policy_show",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_show(&actor, &policy)?))
}

/// Takes a policy out; calls in flight finish.
#[utoipa::path(
    delete,
    path = "/v1/policies/{policy}",
    operation_id = "policy_unload",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn unload(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.policy_unload(&actor, &policy).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switches a policy between monitor and enforce.
#[utoipa::path(
    put,
    path = "/v1/policies/{policy}/mode",
    operation_id = "policy_set_mode",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = SetMode,
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_mode(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<SetMode>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_set_mode(&actor, &policy, body.mode).await?))
}

/// Gives grants to a policy.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/grant",
    operation_id = "policy_grant",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = Grants,
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn grant(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<Grants>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_grant(&actor, &policy, body.grants).await?))
}

/// Takes grants back from a policy.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/revoke",
    operation_id = "policy_revoke",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = Grants,
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn revoke(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<Grants>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_revoke(&actor, &policy, body.grants).await?))
}

/// Lets a parked policy run again.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/resume",
    operation_id = "policy_resume",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_resume(&actor, &policy).await?))
}

/// Changes settings of a policy: all that the body names or, when one of them is refused, none.
#[utoipa::path(
    patch,
    path = "/v1/policies/{policy}",
    operation_id = "policy_set",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = PolicySettings,
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(settings): extract::Json<PolicySettings>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_set(&actor, &policy, settings).await?))
}

/// Puts an earlier version of a policy back.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/rollback",
    operation_id = "policy_roll_back",
    tag = "policies",
    params(("policy" = String, Path, description = "Name")),
    request_body = RollBack,
    responses((status = OK, body = PolicyInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn roll_back(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(policy): Path<String>,
    extract::Json(body): extract::Json<RollBack>,
) -> Result<Json<PolicyInfo>, ApiError> {
    Ok(Json(state.actions.policy_roll_back(&actor, &policy, body.to).await?))
}

/// Rows of the decision log, oldest first; without `after` the newest ones.
#[utoipa::path(
    get,
    path = "/v1/decisions",
    operation_id = "policy_decisions",
    tag = "policies",
    params(DecisionFilter),
    responses((status = OK, body = Vec<Decision>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn decisions(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<DecisionFilter>,
) -> Result<Json<Vec<Decision>>, ApiError> {
    Ok(Json(state.actions.decisions(&actor, filter).await?))
}
