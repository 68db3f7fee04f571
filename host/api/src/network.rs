//! `/v1/networks`: virtual networks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::api::{EditOptions, SetAutostart, XmlOptions};
use reeve_model::network::{
    DefinedNetwork, Lease, NetworkFilter, NetworkSummary, NetworkUpdate, Port, TakeNetwork,
};

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Rows of all networks that pass the filter, by name.
#[utoipa::path(
    get,
    path = "/v1/networks",
    operation_id = "network_list",
    tag = "networks",
    params(NetworkFilter),
    responses((status = OK, body = Vec<NetworkSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<NetworkFilter>,
) -> Result<Json<Vec<NetworkSummary>>, ApiError> {
    let mut rows = state.actions.networks(&actor)?;
    rows.retain(|row| filter.matches(row));
    Ok(Json(rows))
}

/// Takes in a network document: as a definition, or as a transient network that is started at once.
#[utoipa::path(
    post,
    path = "/v1/networks",
    operation_id = "network_define",
    tag = "networks",
    params(TakeNetwork),
    request_body(content = String, content_type = "application/xml", description = "A <network> document"),
    responses((status = OK, body = DefinedNetwork), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<TakeNetwork>,
    Xml(document): Xml,
) -> Result<Json<DefinedNetwork>, ApiError> {
    Ok(Json(match options.transient {
        false => state.actions.define_network(&actor, &document, options.strict).await?,
        true => state.actions.create_network(&actor, &document, options.strict).await?,
    }))
}

/// What is known of a network.
#[utoipa::path(
    get,
    path = "/v1/networks/{network}",
    operation_id = "network_info",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = NetworkSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<Json<NetworkSummary>, ApiError> {
    Ok(Json(state.actions.network_info(&actor, &network)?))
}

/// Removes a definition. An active network becomes transient.
#[utoipa::path(
    delete,
    path = "/v1/networks/{network}",
    operation_id = "network_undefine",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_network(&actor, &network).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The network's document: the live one while it is active, else the definition.
#[utoipa::path(
    get,
    path = "/v1/networks/{network}/xml",
    operation_id = "network_xml",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID"), XmlOptions),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.network_xml(&actor, &network, options.inactive)?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Replaces the definition of a network; name and UUID stay. An active network uses it from its next start.
#[utoipa::path(
    put,
    path = "/v1/networks/{network}/xml",
    operation_id = "network_edit",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID"), EditOptions),
    request_body(content = String, content_type = "application/xml", description = "A <network> document"),
    responses((status = OK, body = DefinedNetwork), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
    Query(options): Query<EditOptions>,
    Xml(document): Xml,
) -> Result<Json<DefinedNetwork>, ApiError> {
    let expected = options.expected.as_deref();
    Ok(Json(state.actions.edit_network(&actor, &network, &document, options.strict, expected).await?))
}

/// Starts a defined network.
#[utoipa::path(
    post,
    path = "/v1/networks/{network}/start",
    operation_id = "network_start",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = NetworkSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<Json<NetworkSummary>, ApiError> {
    Ok(Json(state.actions.start_network(&actor, &network).await?))
}

/// Stops a network at once. Guests that are plugged in are cut off until it is started again.
#[utoipa::path(
    post,
    path = "/v1/networks/{network}/destroy",
    operation_id = "network_destroy",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It is stopped"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn destroy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.destroy_network(&actor, &network).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one section of a network.
#[utoipa::path(
    post,
    path = "/v1/networks/{network}/update",
    operation_id = "network_update",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    request_body = NetworkUpdate,
    responses((status = OK, body = DefinedNetwork), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
    extract::Json(change): extract::Json<NetworkUpdate>,
) -> Result<Json<DefinedNetwork>, ApiError> {
    Ok(Json(state.actions.update_network(&actor, &network, &change).await?))
}

/// Switches whether the daemon starts the network by itself.
#[utoipa::path(
    put,
    path = "/v1/networks/{network}/autostart",
    operation_id = "network_set_autostart",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    request_body = SetAutostart,
    responses((status = OK, body = NetworkSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_autostart(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
    extract::Json(body): extract::Json<SetAutostart>,
) -> Result<Json<NetworkSummary>, ApiError> {
    Ok(Json(state.actions.set_network_autostart(&actor, &network, body.enabled).await?))
}

/// Addresses that the network's DHCP server gave out.
#[utoipa::path(
    get,
    path = "/v1/networks/{network}/leases",
    operation_id = "network_leases",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<Lease>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn leases(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<Json<Vec<Lease>>, ApiError> {
    Ok(Json(state.actions.network_leases(&actor, &network).await?))
}

/// Interfaces of running domains that are plugged into the network.
#[utoipa::path(
    get,
    path = "/v1/networks/{network}/ports",
    operation_id = "network_ports",
    tag = "networks",
    params(("network" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<Port>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn ports(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(network): Path<String>,
) -> Result<Json<Vec<Port>>, ApiError> {
    Ok(Json(state.actions.network_ports(&actor, &network)?))
}
