//! Saving domains to files, restoring them, and what is in the files.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::domain_save::{SaveFile, SaveOptions, SaveStatus};
use reeve_model::stats::DomainSummary;

use crate::error::ApiError;
use crate::extract::{Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// The document in a body that may be empty.
fn given(xml: &str) -> Option<&str> {
    Some(xml).filter(|xml| !xml.trim().is_empty())
}

/// Saves a domain to a file and stops it. A document in the body takes the place of its own when it is restored.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/save",
    operation_id = "domain_save",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), SaveFile),
    request_body(content = String, content_type = "application/xml", description = "A domain document, or nothing"),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn save(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(file): Query<SaveFile>,
    Xml(xml): Xml,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.save(&actor, &domain, &file.path, given(&xml), file.options()).await?))
}

/// How far the save or dump of a domain is.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/save",
    operation_id = "domain_save_status",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = SaveStatus), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn save_status(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<SaveStatus>, ApiError> {
    Ok(Json(state.actions.save_status(&actor, &domain).await?))
}

/// Gives the save or dump of a domain up; the domain runs on.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}/save",
    operation_id = "domain_save_cancel",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It will end soon"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn cancel_save(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.cancel_save(&actor, &domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Saves a domain to a file of the host's own and stops it; its next start goes on from there.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/managed-save",
    operation_id = "domain_managed_save",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), SaveOptions),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn managed_save(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<SaveOptions>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.managed_save(&actor, &domain, options).await?))
}

/// Forgets the managed save of a domain.
#[utoipa::path(
    delete,
    path = "/v1/domains/{domain}/managed-save",
    operation_id = "domain_managed_save_remove",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn remove_managed_save(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.remove_managed_save(&actor, &domain).await?))
}

/// Starts a domain where a file left it. A document in the body takes the place of the one in the file.
#[utoipa::path(
    post,
    path = "/v1/save-images/restore",
    operation_id = "domain_restore",
    tag = "domains",
    params(SaveFile),
    request_body(content = String, content_type = "application/xml", description = "A domain document, or nothing"),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn restore(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(file): Query<SaveFile>,
    Xml(xml): Xml,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.restore(&actor, &file.path, given(&xml), file.options()).await?))
}

/// The document in a save image.
#[utoipa::path(
    get,
    path = "/v1/save-images/xml",
    operation_id = "save_image_xml",
    tag = "domains",
    params(SaveFile),
    responses(
        (status = OK, description = "The document", body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn save_image_xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(file): Query<SaveFile>,
) -> Result<impl IntoResponse, ApiError> {
    let xml = state.actions.save_image_xml(&actor, &file.path).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], xml))
}

/// Replaces the document in a save image by another of the same guest.
#[utoipa::path(
    put,
    path = "/v1/save-images/xml",
    operation_id = "save_image_define",
    tag = "domains",
    params(SaveFile),
    request_body(content = String, content_type = "application/xml", description = "A domain document"),
    responses((status = NO_CONTENT, description = "It is replaced"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define_save_image(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(file): Query<SaveFile>,
    Xml(xml): Xml,
) -> Result<StatusCode, ApiError> {
    state.actions.define_save_image(&actor, &file.path, &xml, file.state).await?;
    Ok(StatusCode::NO_CONTENT)
}
