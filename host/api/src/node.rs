//! `/v1/node`: the host machine.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::node::{
    CpuComparison, CpuModel, KsmChange, KsmState, NodeCell, NodeCpuFilter, NodeCpuTime, NodeCpus, NodeInfo,
    NodeMemory, NodeSuspend,
};
use reeve_model::node_device::NodeDevice;

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
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

/// CPUs of the host.
#[utoipa::path(
    get,
    path = "/v1/node/cpus",
    operation_id = "node_cpus",
    tag = "node",
    responses((status = OK, body = NodeCpus), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cpus(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<NodeCpus>, ApiError> {
    Ok(Json(state.actions.node_cpus(&actor)?))
}

/// What one CPU of the host did since it was started, or all together.
#[utoipa::path(
    get,
    path = "/v1/node/cpu-stats",
    operation_id = "node_cpu_stats",
    tag = "node",
    params(NodeCpuFilter),
    responses((status = OK, body = NodeCpuTime), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cpu_stats(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<NodeCpuFilter>,
) -> Result<Json<NodeCpuTime>, ApiError> {
    Ok(Json(state.actions.node_cpu_time(&actor, filter.cpu)?))
}

/// NUMA cells of the host and their memory.
#[utoipa::path(
    get,
    path = "/v1/node/cells",
    operation_id = "node_cells",
    tag = "node",
    responses((status = OK, body = Vec<NodeCell>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cells(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<NodeCell>>, ApiError> {
    Ok(Json(state.actions.node_cells(&actor)?))
}

/// What the host is and can run, as libvirt's document.
#[utoipa::path(
    get,
    path = "/v1/node/capabilities",
    operation_id = "node_capabilities",
    tag = "node",
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn capabilities(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<impl IntoResponse, ApiError> {
    let found = state.actions.capabilities(&actor)?;
    Ok(([(CONTENT_TYPE, "application/xml")], found))
}

/// Devices of the host by name, the host itself first.
#[utoipa::path(
    get,
    path = "/v1/node/devices",
    operation_id = "node_devices",
    tag = "node",
    responses((status = OK, body = Vec<NodeDevice>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn devices(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<NodeDevice>>, ApiError> {
    Ok(Json(state.actions.node_devices(&actor)?))
}

/// What a device of the host is, as a document.
#[utoipa::path(
    get,
    path = "/v1/node/devices/{device}/xml",
    operation_id = "node_device_xml",
    tag = "node",
    params(("device" = String, Path, description = "Name, or WWNN,WWPN of a port of Fibre Channel")),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn device_xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(device): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let found = state.actions.node_device_xml(&actor, &device)?;
    Ok(([(CONTENT_TYPE, "application/xml")], found))
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

/// Sends the host to sleep until its clock wakes it; guests stand still with it.
#[utoipa::path(
    post,
    path = "/v1/node/suspend",
    operation_id = "node_suspend",
    tag = "node",
    request_body = NodeSuspend,
    responses((status = NO_CONTENT, description = "It sleeps in a moment"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn suspend(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    extract::Json(wanted): extract::Json<NodeSuspend>,
) -> Result<StatusCode, ApiError> {
    state.actions.suspend_node(&actor, wanted)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Models of CPUs that a document may name.
#[utoipa::path(
    get,
    path = "/v1/node/cpu-models",
    operation_id = "node_cpu_models",
    tag = "node",
    responses((status = OK, body = Vec<CpuModel>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cpu_models(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<CpuModel>>, ApiError> {
    Ok(Json(state.actions.cpu_models(&actor)?))
}

/// Compares a described CPU with that of the host.
#[utoipa::path(
    post,
    path = "/v1/node/cpu-compare",
    operation_id = "node_compare_cpu",
    tag = "node",
    request_body(content = String, content_type = "application/xml", description = "A <cpu>, or a document with one"),
    responses((status = OK, body = CpuComparison), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn compare_cpu(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Xml(document): Xml,
) -> Result<Json<CpuComparison>, ApiError> {
    Ok(Json(state.actions.compare_cpu(&actor, &document)?))
}

/// The CPU that all described CPUs can be.
#[utoipa::path(
    post,
    path = "/v1/node/cpu-baseline",
    operation_id = "node_baseline_cpu",
    tag = "node",
    request_body(content = String, content_type = "application/xml", description = "Several <cpu>, in documents or not"),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn baseline_cpu(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Xml(document): Xml,
) -> Result<impl IntoResponse, ApiError> {
    let found = state.actions.baseline_cpu(&actor, &document)?;
    Ok(([(CONTENT_TYPE, "application/xml")], found))
}
