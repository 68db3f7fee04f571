//! CPU, memory and block I/O of domains.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::tuning::{CpuStats, TuneOptions, Tuning, VcpuInfo};

use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// What a domain is tuned to: by its host while it runs, else by its definition.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/tuning",
    operation_id = "domain_tuning",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), TuneOptions),
    responses((status = OK, body = Tuning), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn tuning(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<TuneOptions>,
) -> Result<Json<Tuning>, ApiError> {
    Ok(Json(state.actions.tuning(&actor, &domain, options).await?))
}

/// Changes what a domain is tuned to; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/domains/{domain}/tuning",
    operation_id = "domain_tune",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), TuneOptions),
    request_body = Tuning,
    responses((status = OK, body = Tuning), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn tune(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<TuneOptions>,
    extract::Json(change): extract::Json<Tuning>,
) -> Result<Json<Tuning>, ApiError> {
    Ok(Json(state.actions.tune(&actor, &domain, change, options).await?))
}

/// vCPUs of a running domain by number.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/vcpus",
    operation_id = "domain_vcpus",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<VcpuInfo>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn vcpus(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Vec<VcpuInfo>>, ApiError> {
    Ok(Json(state.actions.vcpus(&actor, &domain).await?))
}

/// CPU time of a running domain by host CPU.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/cpu-stats",
    operation_id = "domain_cpu_stats",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = CpuStats), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cpu_stats(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<CpuStats>, ApiError> {
    Ok(Json(state.actions.cpu_stats(&actor, &domain).await?))
}
