//! Plugging, unplugging and changing devices.

use axum::Json;
use axum::extract::State;
use reeve_actions::Attachment;
use reeve_model::Error;
use reeve_model::api::{ChangedDomain, DeviceOptions};
use reeve_model::stats::DomainSummary;

use crate::error::ApiError;
use crate::extract::{Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Plugs the device that the document describes.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/attach-device",
    operation_id = "domain_attach_device",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DeviceOptions),
    request_body(content = String, content_type = "application/xml", description = "One device, e.g. <disk>"),
    responses((status = OK, body = ChangedDomain), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn attach_device(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<DeviceOptions>,
    Xml(device): Xml,
) -> Result<Json<ChangedDomain>, ApiError> {
    Ok(Json(state.actions.attach_device_to(&actor, &domain, &device, attachment(options)).await?))
}

/// Unplugs the device that the document describes.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/detach-device",
    operation_id = "domain_detach_device",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DeviceOptions),
    request_body(content = String, content_type = "application/xml", description = "One device, e.g. <disk>"),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn detach_device(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<DeviceOptions>,
    Xml(device): Xml,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.detach_device_from(&actor, &domain, &device, attachment(options)).await?))
}

/// Changes the interface or disk that the document names to what it says.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/update-device",
    operation_id = "domain_update_device",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DeviceOptions),
    request_body(content = String, content_type = "application/xml", description = "One device, e.g. <interface>"),
    responses((status = OK, body = ChangedDomain), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn update_device(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<DeviceOptions>,
    Xml(device): Xml,
) -> Result<Json<ChangedDomain>, ApiError> {
    Ok(Json(state.actions.update_device(&actor, &domain, &device, attachment(options)).await?))
}

pub(super) fn attachment(options: DeviceOptions) -> Attachment {
    if options.persistent && !options.live {
        return Attachment::Persistent;
    }
    Attachment::of(options.live, options.config || options.persistent)
}
