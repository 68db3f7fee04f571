//! `/v1/node`: the host machine.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};

use crate::error::ApiError;
use crate::extract;
use crate::peer::Caller;
use crate::state::ApiState;

/// What the host is.
#[utoipa::path(
    get,
    path = "/v1/node",
    operation_id = "node_info",
    tag = "node",
    responses((status = OK, body = NodeInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<NodeInfo>, ApiError> {
    Ok(Json(state.actions.node_info(&actor)?))
}

/// Memory of the host now.
#[utoipa::path(
    get,
    path = "/v1/node/memory",
    operation_id = "node_memory",
    tag = "node",
    responses((status = OK, body = NodeMemory), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn memory(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<NodeMemory>, ApiError> {
    Ok(Json(state.actions.node_memory(&actor)?))
}

/// State of kernel samepage merging.
#[utoipa::path(
    get,
    path = "/v1/node/ksm",
    operation_id = "node_ksm",
    tag = "node",
    responses((status = OK, body = KsmState), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn ksm(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<KsmState>, ApiError> {
    Ok(Json(state.actions.ksm(&actor)?))
}

/// Changes kernel samepage merging; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/node/ksm",
    operation_id = "node_set_ksm",
    tag = "node",
    request_body = KsmChange,
    responses((status = OK, body = KsmState), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_ksm(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    extract::Json(change): extract::Json<KsmChange>,
) -> Result<Json<KsmState>, ApiError> {
    Ok(Json(state.actions.set_ksm(&actor, change)?))
}
