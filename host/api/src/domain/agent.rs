//! What the agent in the guest of a domain is asked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reeve_model::Error;
use reeve_model::agent::{
    AgentAnswer, AgentCommand, Filesystems, FreezeOptions, GuestFilesystem, GuestHostname, GuestTime,
    GuestVcpu, SetGuestTime, SetGuestVcpus, SetUserPassword, TrimOptions, Trimmed,
};

use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::peer::Caller;
use crate::state::ApiState;

/// Has the agent in the guest carry out a command.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/agent-command",
    operation_id = "domain_agent_command",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = AgentCommand,
    responses((status = OK, body = AgentAnswer), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn agent_command(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<AgentCommand>,
) -> Result<Json<AgentAnswer>, ApiError> {
    Ok(Json(state.actions.agent_command(&actor, &domain, &body).await?))
}

/// File systems of the guest, from its agent.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/filesystems",
    operation_id = "domain_filesystems",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<GuestFilesystem>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn filesystems(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Vec<GuestFilesystem>>, ApiError> {
    Ok(Json(state.actions.filesystems(&actor, &domain).await?))
}

/// Freezes file systems of the guest: nothing is written until they are thawed.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/filesystems/freeze",
    operation_id = "domain_freeze",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = FreezeOptions,
    responses((status = OK, body = Filesystems), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn freeze(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<FreezeOptions>,
) -> Result<Json<Filesystems>, ApiError> {
    Ok(Json(state.actions.freeze(&actor, &domain, &body).await?))
}

/// Thaws the file systems of the guest.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/filesystems/thaw",
    operation_id = "domain_thaw",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Filesystems), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn thaw(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Filesystems>, ApiError> {
    Ok(Json(state.actions.thaw(&actor, &domain).await?))
}

/// Has the file systems of the guest give back the blocks that they do not need.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/filesystems/trim",
    operation_id = "domain_trim",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = TrimOptions,
    responses((status = OK, body = Vec<Trimmed>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn trim(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<TrimOptions>,
) -> Result<Json<Vec<Trimmed>>, ApiError> {
    Ok(Json(state.actions.trim(&actor, &domain, body).await?))
}

/// The clock of the guest, from its agent.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/guest-time",
    operation_id = "domain_guest_time",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = GuestTime), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn guest_time(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<GuestTime>, ApiError> {
    Ok(Json(state.actions.guest_time(&actor, &domain).await?))
}

/// Sets the clock of the guest.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/guest-time",
    operation_id = "domain_set_guest_time",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = SetGuestTime,
    responses((status = OK, body = GuestTime), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_guest_time(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<SetGuestTime>,
) -> Result<Json<GuestTime>, ApiError> {
    Ok(Json(state.actions.set_guest_time(&actor, &domain, body).await?))
}

/// What the guest calls itself, from its agent.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/guest-hostname",
    operation_id = "domain_guest_hostname",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = GuestHostname), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn guest_hostname(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<GuestHostname>, ApiError> {
    Ok(Json(state.actions.guest_hostname(&actor, &domain).await?))
}

/// vCPUs as the guest sees them, from its agent.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/guest-vcpus",
    operation_id = "domain_guest_vcpus",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<GuestVcpu>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn guest_vcpus(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Vec<GuestVcpu>>, ApiError> {
    Ok(Json(state.actions.guest_vcpus(&actor, &domain).await?))
}

/// Has the guest use vCPUs, or do without them.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/guest-vcpus",
    operation_id = "domain_set_guest_vcpus",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = SetGuestVcpus,
    responses((status = OK, body = Vec<GuestVcpu>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_guest_vcpus(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<SetGuestVcpus>,
) -> Result<Json<Vec<GuestVcpu>>, ApiError> {
    Ok(Json(state.actions.set_guest_vcpus(&actor, &domain, &body).await?))
}

/// Gives a user of the guest another password.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/guest-users/{user}/password",
    operation_id = "domain_set_user_password",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("user" = String, Path, description = "Name of the user in the guest"),
    ),
    request_body = SetUserPassword,
    responses((status = NO_CONTENT, description = "It is set"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_user_password(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, user)): Path<(String, String)>,
    extract::Json(body): extract::Json<SetUserPassword>,
) -> Result<StatusCode, ApiError> {
    state.actions.set_user_password(&actor, &domain, &user, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}
