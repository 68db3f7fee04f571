//! `/v1/domains`: definitions, what is true of them now, and their settings.

mod agent;
mod block_job;
mod device;
mod disk;
mod dump;
mod identity;
mod interface;
mod life;
mod save;
mod snapshot;
mod tuning;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use reeve_actions::EditGuard;
use reeve_model::Error;
use reeve_model::api::{
    DefineOptions, Defined, DeviceOptions, DomainFilter, EditOptions, SetAutostart, SetMemory,
    SetStatsPeriod, UndefineOptions, XmlOptions,
};
use reeve_model::stats::{DomainInfo, DomainStats, DomainSummary};

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
use crate::leash::Leash;
use crate::peer::Caller;
use crate::state::ApiState;

pub(crate) use agent::*;
pub(crate) use block_job::*;
pub(crate) use device::*;
pub(crate) use disk::*;
pub(crate) use dump::*;
pub(crate) use identity::*;
pub(crate) use interface::*;
pub(crate) use life::*;
pub(crate) use save::*;
pub(crate) use snapshot::*;
pub(crate) use tuning::*;

/// Rows of all domains that pass the filter, by name.
#[utoipa::path(
    get,
    path = "/v1/domains",
    operation_id = "domain_list",
    tag = "domains",
    params(DomainFilter),
    responses((status = OK, body = Vec<DomainSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<DomainFilter>,
) -> Result<Json<Vec<DomainSummary>>, ApiError> {
    let mut rows = state.actions.list(&actor)?;
    rows.retain(|row| filter.matches(row));
    Ok(Json(rows))
}

/// Takes in a domain document: as a definition, or as a transient domain that is started at once.
///
/// With `autodestroy` it needs `Connection: upgrade` and `Upgrade: reeve-leash`, and the answer is a line on the connection that follows.
#[utoipa::path(
    post,
    path = "/v1/domains",
    operation_id = "domain_define",
    tag = "domains",
    params(DefineOptions),
    request_body(content = String, content_type = "application/xml", description = "A <domain> document"),
    responses(
        (status = OK, body = Defined),
        (status = SWITCHING_PROTOCOLS, description = "It runs until this connection ends"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<DefineOptions>,
    leash: Leash,
    Xml(document): Xml,
) -> Result<Response, ApiError> {
    let DefineOptions { strict, transient, paused, autodestroy } = options;
    if autodestroy {
        if !transient {
            return Err(ApiError::invalid("only a transient domain is started when it is taken in"));
        }
        let actions = state.actions.clone();
        let begin = move |client| async move {
            actions.create_leashed(&actor, &document, (strict, paused), client).await
        };
        return leash.hold(&state, begin).await;
    }
    let defined = match (transient, paused) {
        (true, false) => state.actions.create(&actor, &document, strict).await?,
        (true, true) => state.actions.create_paused(&actor, &document, strict).await?,
        (false, false) => state.actions.define(&actor, &document, strict).await?,
        (false, true) => {
            return Err(ApiError::invalid("only a transient domain is started when it is taken in"));
        }
    };
    Ok(Json(defined).into_response())
}

/// Everything that is known of a domain now.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}",
    operation_id = "domain_info",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainInfo), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainInfo>, ApiError> {
    Ok(Json(state.actions.info(&actor, &domain).await?))
}

/// Removes a definition. An active domain becomes transient.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}",
    operation_id = "domain_undefine",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), UndefineOptions),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<UndefineOptions>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_with(&actor, &domain, options).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The domain's document: the live one while it is active, else the definition.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/xml",
    operation_id = "domain_xml",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), XmlOptions),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.xml(&actor, &domain, options.inactive)?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Replaces the definition of a domain; name and UUID stay. An active domain uses it from its next start.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/xml",
    operation_id = "domain_edit",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), EditOptions),
    request_body(content = String, content_type = "application/xml", description = "A <domain> document"),
    responses((status = OK, body = Defined), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<EditOptions>,
    Xml(document): Xml,
) -> Result<Json<Defined>, ApiError> {
    let guard = EditGuard { expected: options.expected.as_deref() };
    Ok(Json(state.actions.edit(&actor, &domain, &document, options.strict, guard).await?))
}

/// Counters of an active domain.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/stats",
    operation_id = "domain_stats",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainStats), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn stats(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainStats>, ApiError> {
    Ok(Json(state.actions.stats(&actor, &domain).await?))
}

/// Switches whether the daemon starts the domain by itself.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/autostart",
    operation_id = "domain_set_autostart",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = SetAutostart,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_autostart(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<SetAutostart>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.set_autostart(&actor, &domain, body.enabled).await?))
}

/// Has the guest tell statistics of its memory every so often.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/memory-stats",
    operation_id = "domain_set_stats_period",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DeviceOptions),
    request_body = SetStatsPeriod,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_stats_period(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<DeviceOptions>,
    extract::Json(body): extract::Json<SetStatsPeriod>,
) -> Result<Json<DomainSummary>, ApiError> {
    let to = device::attachment(options);
    Ok(Json(state.actions.set_stats_period(&actor, &domain, body.seconds, to).await?))
}

/// Sets the memory of an active domain through its balloon.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/memory",
    operation_id = "domain_set_memory",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = SetMemory,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_memory(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<SetMemory>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.set_memory(&actor, &domain, body.bytes).await?))
}
