//! `/v1/interfaces` and `/v1/interface-change`: the host's own network interfaces.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::api::{EditOptions, XmlOptions};
use reeve_model::host_interface::{
    BeginHostChange, BridgeHostInterface, DefinedHostInterface, HostChange, HostInterfaceFilter,
    HostInterfaceSummary, HostRollback, TakeHostInterface, UnbridgeHostInterface,
};

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Rows of all interfaces of the host that pass the filter, by name; those that are only defined are among them.
#[utoipa::path(
    get,
    path = "/v1/interfaces",
    operation_id = "interface_list",
    tag = "interfaces",
    params(HostInterfaceFilter),
    responses((status = OK, body = Vec<HostInterfaceSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<HostInterfaceFilter>,
) -> Result<Json<Vec<HostInterfaceSummary>>, ApiError> {
    let mut rows = state.actions.host_interfaces(&actor).await?;
    rows.retain(|row| filter.matches(row));
    Ok(Json(rows))
}

/// Adds a definition, or replaces the one with its name. Nothing is started.
#[utoipa::path(
    post,
    path = "/v1/interfaces",
    operation_id = "interface_define",
    tag = "interfaces",
    params(TakeHostInterface),
    request_body(content = String, content_type = "application/xml", description = "An <interface> document of a host"),
    responses((status = OK, body = DefinedHostInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<TakeHostInterface>,
    Xml(document): Xml,
) -> Result<Json<DefinedHostInterface>, ApiError> {
    Ok(Json(state.actions.define_interface(&actor, &document, options.strict).await?))
}

/// What is known of an interface.
#[utoipa::path(
    get,
    path = "/v1/interfaces/{interface}",
    operation_id = "interface_info",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    responses((status = OK, body = HostInterfaceSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
) -> Result<Json<HostInterfaceSummary>, ApiError> {
    Ok(Json(state.actions.interface_info(&actor, &interface).await?))
}

/// Removes a definition. What is up stays up.
#[utoipa::path(
    delete,
    path = "/v1/interfaces/{interface}",
    operation_id = "interface_undefine",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    responses((status = NO_CONTENT, description = "It is done"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_interface(&actor, &interface).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The interface's document: what it is while it is up, else the definition.
#[utoipa::path(
    get,
    path = "/v1/interfaces/{interface}/xml",
    operation_id = "interface_xml",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has"), XmlOptions),
    responses((status = OK, body = String, content_type = "application/xml"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.interface_xml(&actor, &interface, options.inactive).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Replaces the definition of an interface; its name stays. What is up uses it from its next start.
#[utoipa::path(
    put,
    path = "/v1/interfaces/{interface}/xml",
    operation_id = "interface_edit",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has"), EditOptions),
    request_body(content = String, content_type = "application/xml", description = "An <interface> document of a host"),
    responses((status = OK, body = DefinedHostInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
    Query(options): Query<EditOptions>,
    Xml(document): Xml,
) -> Result<Json<DefinedHostInterface>, ApiError> {
    let EditOptions { strict, expected } = options;
    Ok(Json(state.actions.edit_interface(&actor, &interface, &document, strict, expected).await?))
}

/// Makes a defined interface what its document says.
#[utoipa::path(
    post,
    path = "/v1/interfaces/{interface}/start",
    operation_id = "interface_start",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    responses((status = OK, body = HostInterfaceSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
) -> Result<Json<HostInterfaceSummary>, ApiError> {
    Ok(Json(state.actions.start_interface(&actor, &interface).await?))
}

/// Takes a defined interface down: its addresses go, a bridge is deleted.
#[utoipa::path(
    post,
    path = "/v1/interfaces/{interface}/destroy",
    operation_id = "interface_destroy",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    responses((status = NO_CONTENT, description = "It is done"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn destroy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.destroy_interface(&actor, &interface).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts an interface into a new bridge, which takes over its addresses, routes and definition.
#[utoipa::path(
    post,
    path = "/v1/interfaces/{interface}/bridge",
    operation_id = "interface_bridge",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    request_body = BridgeHostInterface,
    responses((status = OK, body = DefinedHostInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn bridge(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
    extract::Json(wanted): extract::Json<BridgeHostInterface>,
) -> Result<Json<DefinedHostInterface>, ApiError> {
    Ok(Json(state.actions.bridge_interface(&actor, &interface, wanted).await?))
}

/// Takes a bridge with one port apart, which gets its addresses, routes and definition.
#[utoipa::path(
    post,
    path = "/v1/interfaces/{interface}/unbridge",
    operation_id = "interface_unbridge",
    tag = "interfaces",
    params(("interface" = String, Path, description = "Name, or a MAC address that no other has")),
    request_body = UnbridgeHostInterface,
    responses((status = OK, body = DefinedHostInterface), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn unbridge(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(interface): Path<String>,
    extract::Json(wanted): extract::Json<UnbridgeHostInterface>,
) -> Result<Json<DefinedHostInterface>, ApiError> {
    Ok(Json(state.actions.unbridge_interface(&actor, &interface, wanted.start).await?))
}

/// Whether a change of interfaces is open, and how long it waits.
#[utoipa::path(
    get,
    path = "/v1/interface-change",
    operation_id = "interface_change",
    tag = "interfaces",
    responses((status = OK, body = HostChange), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<HostChange>, ApiError> {
    Ok(Json(state.actions.interface_change(&actor)?))
}

/// Begins a change: what is done to interfaces from now on is taken back unless it is committed in time.
#[utoipa::path(
    post,
    path = "/v1/interface-change/begin",
    operation_id = "interface_begin",
    tag = "interfaces",
    request_body = BeginHostChange,
    responses((status = OK, body = HostChange), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    extract::Json(options): extract::Json<BeginHostChange>,
) -> Result<Json<HostChange>, ApiError> {
    Ok(Json(state.actions.begin_interfaces(&actor, options).await?))
}

/// Ends a change: what was done since it was begun stays.
#[utoipa::path(
    post,
    path = "/v1/interface-change/commit",
    operation_id = "interface_commit",
    tag = "interfaces",
    responses((status = NO_CONTENT, description = "It is done"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn commit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<StatusCode, ApiError> {
    state.actions.commit_interfaces(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a change back: links, addresses, routes and definitions are what they were when it was begun.
#[utoipa::path(
    post,
    path = "/v1/interface-change/rollback",
    operation_id = "interface_rollback",
    tag = "interfaces",
    responses((status = OK, body = HostRollback), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn roll_back(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<HostRollback>, ApiError> {
    Ok(Json(state.actions.roll_back_interfaces(&actor).await?))
}
