//! Network interfaces of a domain: listed, their cables and limits, the addresses behind them.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::api::{DeviceOptions, XmlOptions};
use reeve_model::domain_interface::{
    AddressOptions, DomainInterface, InterfaceAddress, SetBandwidth, SetLink,
};

use super::device::attachment;
use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Interfaces of the domain in document order: those of its machine while it is active, else those of its definition.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/interfaces",
    operation_id = "domain_interfaces",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), XmlOptions),
    responses((status = OK, body = Vec<DomainInterface>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn interfaces(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<Json<Vec<DomainInterface>>, ApiError> {
    Ok(Json(state.actions.interfaces(&actor, &domain, options.inactive)?))
}

/// Addresses of a running guest that the host knows.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/addresses",
    operation_id = "domain_addresses",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), AddressOptions),
    responses((status = OK, body = Vec<InterfaceAddress>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn addresses(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<AddressOptions>,
) -> Result<Json<Vec<InterfaceAddress>>, ApiError> {
    Ok(Json(state.actions.interface_addresses(&actor, &domain, &options).await?))
}

/// Plugs the cable of an interface in or pulls it.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/interfaces/{interface}/link",
    operation_id = "domain_set_interface_link",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("interface" = String, Path, description = "Target, MAC address or alias"),
        DeviceOptions,
    ),
    request_body = SetLink,
    responses((status = OK, body = DomainInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_interface_link(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, interface)): Path<(String, String)>,
    Query(options): Query<DeviceOptions>,
    extract::Json(body): extract::Json<SetLink>,
) -> Result<Json<DomainInterface>, ApiError> {
    let to = attachment(options);
    Ok(Json(state.actions.set_interface_link(&actor, &domain, &interface, body.up, to).await?))
}

/// Limits what an interface receives and sends.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/interfaces/{interface}/bandwidth",
    operation_id = "domain_set_interface_bandwidth",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("interface" = String, Path, description = "Target, MAC address or alias"),
        DeviceOptions,
    ),
    request_body = SetBandwidth,
    responses((status = OK, body = DomainInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_interface_bandwidth(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, interface)): Path<(String, String)>,
    Query(options): Query<DeviceOptions>,
    extract::Json(body): extract::Json<SetBandwidth>,
) -> Result<Json<DomainInterface>, ApiError> {
    let to = attachment(options);
    Ok(Json(state.actions.set_interface_bandwidth(&actor, &domain, &interface, body, to).await?))
}
