//! The verbs of a domain's life, each a POST without a body that answers with the domain's row; and whether it can be controlled.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reeve_model::Error;
use reeve_model::agent::{PmSuspendOptions, ShutdownOptions};
use reeve_model::api::{DestroyOptions, DomainControl, StartOptions};
use reeve_model::stats::DomainSummary;

use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::leash::Leash;
use crate::peer::Caller;
use crate::state::ApiState;

/// Starts a defined domain, from its managed save where it has one.
///
/// With `autodestroy` it needs `Connection: upgrade` and `Upgrade: reeve-leash`, and the row is a line on the connection that follows.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/start",
    operation_id = "domain_start",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), StartOptions),
    responses(
        (status = OK, body = DomainSummary),
        (status = SWITCHING_PROTOCOLS, description = "It runs until this connection ends"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<StartOptions>,
    leash: Leash,
) -> Result<Response, ApiError> {
    if !options.autodestroy {
        return Ok(Json(state.actions.start_with(&actor, &domain, options).await?).into_response());
    }
    let actions = state.actions.clone();
    let begin = move |client| async move { actions.start_leashed(&actor, &domain, options, client).await };
    leash.hold(&state, begin).await
}

/// Asks the guest to shut down; it may take its time, or refuse.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/shutdown",
    operation_id = "domain_shutdown",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), ShutdownOptions),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn shutdown(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<ShutdownOptions>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.shutdown_by(&actor, &domain, &options).await?))
}

/// Asks the guest to reboot.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/reboot",
    operation_id = "domain_reboot",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), ShutdownOptions),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn reboot(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<ShutdownOptions>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.reboot_by(&actor, &domain, &options).await?))
}

/// Resets the machine at once, as the button does.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/reset",
    operation_id = "domain_reset",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn reset(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.reset(&actor, &domain).await?))
}

/// Sends every vCPU a non-maskable interrupt.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/inject-nmi",
    operation_id = "domain_inject_nmi",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn inject_nmi(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.inject_nmi(&actor, &domain).await?))
}

/// Has the agent in the guest suspend it to memory or disk.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/pm-suspend",
    operation_id = "domain_pm_suspend",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = PmSuspendOptions,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn pm_suspend(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<PmSuspendOptions>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.suspend_guest(&actor, &domain, body).await?))
}

/// Wakes a guest that suspended itself; nothing happens when it runs.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/pm-wakeup",
    operation_id = "domain_pm_wakeup",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn pm_wakeup(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.wake(&actor, &domain).await?))
}

/// Whether a running domain can be controlled now.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/control",
    operation_id = "domain_control",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainControl), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn control(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainControl>, ApiError> {
    Ok(Json(state.actions.control(&actor, &domain).await?))
}

/// Stops the machine at once.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/destroy",
    operation_id = "domain_destroy",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DestroyOptions),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn destroy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<DestroyOptions>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.destroy_with(&actor, &domain, options).await?))
}

/// Stops the vCPUs and keeps the memory.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/suspend",
    operation_id = "domain_suspend",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn suspend(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.suspend(&actor, &domain).await?))
}

/// Lets the vCPUs run again.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/resume",
    operation_id = "domain_resume",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.resume(&actor, &domain).await?))
}
