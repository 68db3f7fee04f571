//! `/v1/pools`: storage pools.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::api::{EditOptions, SetAutostart, XmlOptions};
use reeve_model::storage::{
    BuildPool, DefinedPool, FoundSource, PoolFilter, PoolSummary, SourceLookup, StorageJob, TakePool,
};

use crate::error::ApiError;
use crate::extract::{self, Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Rows of all pools that pass the filter, by name.
#[utoipa::path(
    get,
    path = "/v1/pools",
    operation_id = "pool_list",
    tag = "storage",
    params(PoolFilter),
    responses((status = OK, body = Vec<PoolSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(filter): Query<PoolFilter>,
) -> Result<Json<Vec<PoolSummary>>, ApiError> {
    let mut rows = state.actions.pools(&actor)?;
    rows.retain(|row| filter.matches(row));
    Ok(Json(rows))
}

/// Takes in a pool document: as a definition, or as a transient pool that is started at once.
#[utoipa::path(
    post,
    path = "/v1/pools",
    operation_id = "pool_define",
    tag = "storage",
    params(TakePool),
    request_body(content = String, content_type = "application/xml", description = "A <pool> document"),
    responses((status = OK, body = DefinedPool), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<TakePool>,
    Xml(document): Xml,
) -> Result<Json<DefinedPool>, ApiError> {
    Ok(Json(match options.transient {
        false => state.actions.define_pool(&actor, &document, options.strict).await?,
        true => state.actions.create_pool(&actor, &document, options.strict).await?,
    }))
}

/// What is known of a pool.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}",
    operation_id = "pool_info",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = PoolSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn info(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<Json<PoolSummary>, ApiError> {
    Ok(Json(state.actions.pool_info(&actor, &pool)?))
}

/// Removes the definition of a pool that is not active.
#[utoipa::path(
    delete,
    path = "/v1/pools/{pool}",
    operation_id = "pool_undefine",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_pool(&actor, &pool).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The pool's document: the live one while it is active, else the definition.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/xml",
    operation_id = "pool_xml",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID"), XmlOptions),
    responses((status = OK, body = String, content_type = "application/xml"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
    Query(options): Query<XmlOptions>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.pool_xml(&actor, &pool, options.inactive)?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Replaces the definition of a pool; name and UUID stay. An active pool uses it from its next start.
#[utoipa::path(
    put,
    path = "/v1/pools/{pool}/xml",
    operation_id = "pool_edit",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID"), EditOptions),
    request_body(content = String, content_type = "application/xml", description = "A <pool> document"),
    responses((status = OK, body = DefinedPool), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
    Query(options): Query<EditOptions>,
    Xml(document): Xml,
) -> Result<Json<DefinedPool>, ApiError> {
    let expected = options.expected.as_deref();
    Ok(Json(state.actions.edit_pool(&actor, &pool, &document, options.strict, expected).await?))
}

/// Makes the source of a pool that is not active.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/build",
    operation_id = "pool_build",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    request_body = BuildPool,
    responses((status = NO_CONTENT, description = "It is made"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn build(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
    extract::Json(body): extract::Json<BuildPool>,
) -> Result<StatusCode, ApiError> {
    state.actions.build_pool(&actor, &pool, body.mode).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts a defined pool.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/start",
    operation_id = "pool_start",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = PoolSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<Json<PoolSummary>, ApiError> {
    Ok(Json(state.actions.start_pool(&actor, &pool).await?))
}

/// Stops a pool; its data stays.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/destroy",
    operation_id = "pool_destroy",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It is stopped"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn destroy(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.destroy_pool(&actor, &pool).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the source of a pool that is not active, for good. The definition stays.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/delete",
    operation_id = "pool_delete",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "Its source is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn delete_source(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.delete_pool(&actor, &pool).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the volumes of an active pool again.
#[utoipa::path(
    post,
    path = "/v1/pools/{pool}/refresh",
    operation_id = "pool_refresh",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = PoolSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn refresh(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<Json<PoolSummary>, ApiError> {
    Ok(Json(state.actions.refresh_pool(&actor, &pool).await?))
}

/// What pools of a kind could be made of, on this host or at a server.
#[utoipa::path(
    get,
    path = "/v1/pool-sources",
    operation_id = "pool_sources",
    tag = "storage",
    params(SourceLookup),
    responses((status = OK, body = Vec<FoundSource>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn sources(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(lookup): Query<SourceLookup>,
) -> Result<Json<Vec<FoundSource>>, ApiError> {
    Ok(Json(state.actions.pool_sources(&actor, lookup).await?))
}

/// Long operations on a pool and its volumes that go on, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}/jobs",
    operation_id = "pool_jobs",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<StorageJob>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn jobs(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
) -> Result<Json<Vec<StorageJob>>, ApiError> {
    Ok(Json(state.actions.pool_jobs(&actor, &pool)?))
}

/// Long operations on pools, on volumes and on disks that are copied for clones of domains, while they go on, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/storage-jobs",
    operation_id = "storage_jobs",
    tag = "storage",
    responses((status = OK, body = Vec<StorageJob>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn all_jobs(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<StorageJob>>, ApiError> {
    Ok(Json(state.actions.storage_jobs(&actor)?))
}

/// Switches whether the daemon starts the pool by itself.
#[utoipa::path(
    put,
    path = "/v1/pools/{pool}/autostart",
    operation_id = "pool_set_autostart",
    tag = "storage",
    params(("pool" = String, Path, description = "Name or UUID")),
    request_body = SetAutostart,
    responses((status = OK, body = PoolSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_autostart(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(pool): Path<String>,
    extract::Json(body): extract::Json<SetAutostart>,
) -> Result<Json<PoolSummary>, ApiError> {
    Ok(Json(state.actions.set_pool_autostart(&actor, &pool, body.enabled).await?))
}
