//! Jobs on the images of disks of running domains.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::block_job::{BlockJob, LimitBlockJob, StartBlockJob};

use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::peer::Caller;
use crate::state::ApiState;

/// Jobs of the domain's disks: those that go on, and the last one of each disk.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/block-jobs",
    operation_id = "domain_block_jobs",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<BlockJob>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn block_jobs(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Vec<BlockJob>>, ApiError> {
    Ok(Json(state.actions.block_jobs(&actor, &domain).await?))
}

/// The job of a disk: the one that goes on, or the last one.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/disks/{disk}/block-job",
    operation_id = "domain_block_job",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    responses((status = OK, body = BlockJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn block_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
) -> Result<Json<BlockJob>, ApiError> {
    Ok(Json(state.actions.block_job(&actor, &domain, &disk).await?))
}

/// Begins a job on the images of a disk.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/disks/{disk}/block-job",
    operation_id = "domain_start_block_job",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    request_body = StartBlockJob,
    responses((status = OK, body = BlockJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn start_block_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    extract::Json(body): extract::Json<StartBlockJob>,
) -> Result<Json<BlockJob>, ApiError> {
    Ok(Json(state.actions.start_block_job(&actor, &domain, &disk, body).await?))
}

/// Gives the job of a disk another bandwidth.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/disks/{disk}/block-job/bandwidth",
    operation_id = "domain_limit_block_job",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    request_body = LimitBlockJob,
    responses((status = OK, body = BlockJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn limit_block_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    extract::Json(body): extract::Json<LimitBlockJob>,
) -> Result<Json<BlockJob>, ApiError> {
    Ok(Json(state.actions.limit_block_job(&actor, &domain, &disk, body).await?))
}

/// Gives the job of a disk up. A copy that is ready is whole and stays.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}/disks/{disk}/block-job",
    operation_id = "domain_abort_block_job",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    responses((status = OK, body = BlockJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn abort_block_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
) -> Result<Json<BlockJob>, ApiError> {
    Ok(Json(state.actions.abort_block_job(&actor, &domain, &disk).await?))
}

/// Lets the image that a job has filled take the place of the disk's.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/disks/{disk}/block-job/pivot",
    operation_id = "domain_pivot_block_job",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    responses((status = OK, body = BlockJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn pivot_block_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
) -> Result<Json<BlockJob>, ApiError> {
    Ok(Json(state.actions.pivot_block_job(&actor, &domain, &disk).await?))
}
