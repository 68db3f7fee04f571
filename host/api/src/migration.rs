//! Domains that move between hosts: asked for by operators under `/v1/domains/{domain}`, and between hosts under `/v1/migrations`.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use hyper_util::rt::TokioIo;
use reeve_model::Error;
use reeve_model::migration::{
    AddStreams, Migrate, Migrated, MigrationJob, MigrationLimits, MigrationPrepared, MigrationReport,
    PrepareMigration, ResumeMigration,
};
use uuid::Uuid;

use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::peer::Caller;
use crate::state::ApiState;
use crate::upgrade;

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "reeve-migration";

/// Moves a running domain to another host. Answered when it runs there; it stays here when this is an error.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/migrate",
    operation_id = "domain_migrate",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = Migrate,
    responses((status = OK, body = Migrated), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn migrate(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<Migrate>,
) -> Result<Json<Migrated>, ApiError> {
    Ok(Json(state.actions.migrate(&actor, &domain, body).await?))
}

/// How far the migration of the domain is, or the last one was.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/job",
    operation_id = "domain_job",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = MigrationJob), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<MigrationJob>, ApiError> {
    Ok(Json(state.actions.migration_job(&actor, &domain)?))
}

/// Ends the migration of the domain, which stays here.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}/job",
    operation_id = "domain_abort_job",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn abort_job(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.abort_migration(&actor, &domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a domain that is being migrated go on at its destination, which fetches what it misses. Its limits must allow post-copy.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/migrate/post-copy",
    operation_id = "domain_switch_to_post_copy",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn switch_to_post_copy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.switch_to_post_copy(&actor, &domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Breaks the connection of post-copy. Nothing is lost: a migration with `resume_post_copy` goes on.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/migrate/interrupt",
    operation_id = "domain_interrupt_post_copy",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn interrupt_post_copy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.interrupt_post_copy(&actor, &domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a migration of the domain may cost.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/migration-limits",
    operation_id = "domain_migration_limits",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = MigrationLimits), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn limits(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<MigrationLimits>, ApiError> {
    Ok(Json(state.actions.migration_limits(&actor, &domain)?))
}

/// Sets what a migration of the domain may cost, also while it moves.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/migration-limits",
    operation_id = "domain_set_migration_limits",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = MigrationLimits,
    responses((status = OK, body = MigrationLimits), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_limits(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<MigrationLimits>,
) -> Result<Json<MigrationLimits>, ApiError> {
    Ok(Json(state.actions.set_migration_limits(&actor, &domain, body).await?))
}

/// For other hosts: makes ready for a guest. The socket in the answer takes it, once, within 30 seconds.
#[utoipa::path(
    post,
    path = "/v1/migrations",
    operation_id = "migration_prepare",
    tag = "domains",
    request_body = PrepareMigration,
    responses((status = OK, body = MigrationPrepared), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn prepare(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    extract::Json(body): extract::Json<PrepareMigration>,
) -> Result<Json<MigrationPrepared>, ApiError> {
    Ok(Json(state.actions.prepare_migration(&actor, body).await?))
}

/// For other hosts: how this host sees a migration.
#[utoipa::path(
    get,
    path = "/v1/migrations/{migration}",
    operation_id = "migration_report",
    tag = "domains",
    params(("migration" = Uuid, Path, description = "Id of the migration")),
    responses((status = OK, body = MigrationReport), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn report(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(migration): Path<Uuid>,
) -> Result<Json<MigrationReport>, ApiError> {
    Ok(Json(state.actions.migration_report(&actor, migration)?))
}

/// For other hosts: makes ready to go on with post-copy whose connection broke. What the answer names takes it, once.
#[utoipa::path(
    post,
    path = "/v1/migrations/{migration}/resume",
    operation_id = "migration_resume",
    tag = "domains",
    params(("migration" = Uuid, Path, description = "Id of the migration")),
    request_body = ResumeMigration,
    responses((status = OK, body = MigrationPrepared), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(migration): Path<Uuid>,
    extract::Json(body): extract::Json<ResumeMigration>,
) -> Result<Json<MigrationPrepared>, ApiError> {
    Ok(Json(state.actions.resume_migration(&actor, migration, &body.route).await?))
}

/// For other hosts: makes ready for more streams of a guest that is on its way here; only its memory comes over them. What the answer names
/// takes as many as were asked for, within 30 seconds.
#[utoipa::path(
    post,
    path = "/v1/migrations/{migration}/streams",
    operation_id = "migration_add_streams",
    tag = "domains",
    params(("migration" = Uuid, Path, description = "Id of the migration")),
    request_body = AddStreams,
    responses((status = OK, body = MigrationPrepared), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn add_streams(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(migration): Path<Uuid>,
    extract::Json(body): extract::Json<AddStreams>,
) -> Result<Json<MigrationPrepared>, ApiError> {
    Ok(Json(state.actions.add_streams(&actor, migration, body).await?))
}

/// For other hosts: the connection becomes the stream of a guest that this host made ready for.
///
/// Needs `Connection: upgrade` and `Upgrade: reeve-migration`.
#[utoipa::path(
    get,
    path = "/v1/migrations/{migration}/stream",
    operation_id = "migration_stream",
    tag = "domains",
    params(("migration" = Uuid, Path, description = "Id of the migration")),
    responses(
        (status = SWITCHING_PROTOCOLS, description = "The protocol of the guest's stream follows"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn stream(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(migration): Path<Uuid>,
    request: Request,
) -> Result<Response, ApiError> {
    upgrade::demand(request.headers(), PROTOCOL, "a guest comes")?;
    let worker = state.actions.migration_stream(&actor, migration)?;
    // It outlives a daemon that is being stopped for as long as its process: a guest that is nearly here still comes.
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        reeve_actions::relay(TokioIo::new(upgraded), worker).await;
    });
    Ok(upgrade::accepted(PROTOCOL))
}
