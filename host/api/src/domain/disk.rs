//! Disks of a domain: listed, measured, resized, their media changed, copied with their domain.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::api::{ChangedDomain, DeviceOptions, XmlOptions};
use reeve_model::domain::IoTune;
use reeve_model::domain_disk::{
    ChangeMedia, CloneDomain, ClonedDomain, DiskFilter, DiskSize, DomainDisk, ResizeDisk,
};

use super::device::attachment;
use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Disks of the domain in document order: those of its machine while it is active, else those of its definition.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/disks",
    operation_id = "domain_disks",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), XmlOptions),
    responses((status = OK, body = Vec<DomainDisk>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn disks(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<Json<Vec<DomainDisk>>, ApiError> {
    Ok(Json(state.actions.disks(&actor, &domain, options.inactive)?))
}

/// Sizes of the domain's disks, looked at now.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/disk-sizes",
    operation_id = "domain_disk_sizes",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DiskFilter),
    responses((status = OK, body = Vec<DiskSize>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn disk_sizes(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(filter): Query<DiskFilter>,
) -> Result<Json<Vec<DiskSize>>, ApiError> {
    Ok(Json(state.actions.disk_sizes(&actor, &domain, &filter).await?))
}

/// Gives a disk of a running domain another capacity.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/disks/{disk}/capacity",
    operation_id = "domain_resize_disk",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
    ),
    request_body = ResizeDisk,
    responses((status = OK, body = DiskSize), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn resize_disk(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    extract::Json(body): extract::Json<ResizeDisk>,
) -> Result<Json<DiskSize>, ApiError> {
    Ok(Json(state.actions.resize_disk(&actor, &domain, &disk, body).await?))
}

/// Limits of a disk: those of its machine while it is active, else those of its definition.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/disks/{disk}/limits",
    operation_id = "domain_disk_limits",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
        XmlOptions,
    ),
    responses((status = OK, body = IoTune), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn disk_limits(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    Query(options): Query<XmlOptions>,
) -> Result<Json<IoTune>, ApiError> {
    Ok(Json(state.actions.disk_limits(&actor, &domain, &disk, options.inactive)?))
}

/// Gives a disk other limits, in bytes and requests a second; what is not said stays, 0 takes a limit away.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/disks/{disk}/limits",
    operation_id = "domain_set_disk_limits",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
        DeviceOptions,
    ),
    request_body = IoTune,
    responses((status = OK, body = IoTune), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_disk_limits(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    Query(options): Query<DeviceOptions>,
    extract::Json(body): extract::Json<IoTune>,
) -> Result<Json<IoTune>, ApiError> {
    let to = attachment(options);
    Ok(Json(state.actions.set_disk_limits(&actor, &domain, &disk, body, to).await?))
}

/// Changes the medium in a drive for CDs or floppies.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/disks/{disk}/medium",
    operation_id = "domain_change_media",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("disk" = String, Path, description = "Target, path or alias"),
        DeviceOptions,
    ),
    request_body = ChangeMedia,
    responses((status = OK, body = ChangedDomain), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn change_media(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, disk)): Path<(String, String)>,
    Query(options): Query<DeviceOptions>,
    extract::Json(body): extract::Json<ChangeMedia>,
) -> Result<Json<ChangedDomain>, ApiError> {
    let to = attachment(options);
    Ok(Json(state.actions.change_media(&actor, &domain, &disk, body, to).await?))
}

/// Makes another domain of one that does not run or is paused, with copies of its disks.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/clone",
    operation_id = "domain_clone",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = CloneDomain,
    responses((status = OK, body = ClonedDomain), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn clone(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<CloneDomain>,
) -> Result<Json<ClonedDomain>, ApiError> {
    Ok(Json(state.actions.clone_domain(&actor, &domain, body).await?))
}
