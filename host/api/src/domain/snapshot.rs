//! Snapshots of domains.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::snapshot::{CreateSnapshot, DeleteSnapshot, RevertSnapshot, SnapshotRow};
use reeve_model::stats::DomainSummary;

use crate::error::ApiError;
use crate::extract::{Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Snapshots of the domain by name.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/snapshots",
    operation_id = "domain_snapshots",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = Vec<SnapshotRow>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn snapshots(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<Vec<SnapshotRow>>, ApiError> {
    Ok(Json(state.actions.domain_snapshots(&actor, &domain).await?))
}

/// Makes a snapshot of the domain, or takes the document for one that is there.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/snapshots",
    operation_id = "domain_create_snapshot",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), CreateSnapshot),
    request_body(content = String, content_type = "application/xml", description = "A <domainsnapshot> document"),
    responses((status = OK, body = SnapshotRow), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn create_snapshot(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(how): Query<CreateSnapshot>,
    Xml(xml): Xml,
) -> Result<Json<SnapshotRow>, ApiError> {
    Ok(Json(state.actions.create_snapshot(&actor, &domain, &xml, how).await?))
}

/// The document of a snapshot.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/snapshots/{snapshot}/xml",
    operation_id = "domain_snapshot_xml",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("snapshot" = String, Path, description = "Name of the snapshot"),
    ),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn snapshot_xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, snapshot)): Path<(String, String)>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.snapshot_xml(&actor, &domain, &snapshot).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}

/// Makes a snapshot the one that the domain goes on from, without going back to it.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/snapshots/{snapshot}/current",
    operation_id = "domain_set_current_snapshot",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("snapshot" = String, Path, description = "Name of the snapshot"),
    ),
    responses((status = NO_CONTENT, description = "It is"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn set_current_snapshot(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, snapshot)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    state.actions.set_current_snapshot(&actor, &domain, &snapshot).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the domain back to a snapshot; all that it went through since is lost.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/snapshots/{snapshot}/revert",
    operation_id = "domain_revert_snapshot",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("snapshot" = String, Path, description = "Name of the snapshot"),
        RevertSnapshot,
    ),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn revert_snapshot(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, snapshot)): Path<(String, String)>,
    Query(how): Query<RevertSnapshot>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.revert_snapshot(&actor, &domain, &snapshot, how).await?))
}

/// Deletes a snapshot, or those that come from it; the names that are gone.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}/snapshots/{snapshot}",
    operation_id = "domain_delete_snapshot",
    tag = "domains",
    params(
        ("domain" = String, Path, description = "Name or UUID"),
        ("snapshot" = String, Path, description = "Name of the snapshot"),
        DeleteSnapshot,
    ),
    responses((status = OK, body = Vec<String>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn delete_snapshot(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path((domain, snapshot)): Path<(String, String)>,
    Query(how): Query<DeleteSnapshot>,
) -> Result<Json<Vec<String>>, ApiError> {
    Ok(Json(state.actions.delete_snapshot(&actor, &domain, &snapshot, how).await?))
}
