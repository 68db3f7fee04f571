//! `/v1/filters`: packet filters.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use reeve_model::Error;
use reeve_model::filter::{DefinedFilter, FilterSummary, TakeFilter};

use crate::error::ApiError;
use crate::extract::{Path, Query, Xml};
use crate::peer::Caller;
use crate::state::ApiState;

/// Rows of all packet filters, by name.
#[utoipa::path(
    get,
    path = "/v1/filters",
    operation_id = "filter_list",
    tag = "filters",
    responses((status = OK, body = Vec<FilterSummary>), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<FilterSummary>>, ApiError> {
    Ok(Json(state.actions.filters(&actor)?))
}

/// Adds a packet filter, or replaces the one with its name: every running interface that refers to it gets its new rules at once.
#[utoipa::path(
    post,
    path = "/v1/filters",
    operation_id = "filter_define",
    tag = "filters",
    params(TakeFilter),
    request_body(content = String, content_type = "application/xml", description = "A <filter> document"),
    responses((status = OK, body = DefinedFilter), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn define(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Query(options): Query<TakeFilter>,
    Xml(document): Xml,
) -> Result<Json<DefinedFilter>, ApiError> {
    Ok(Json(state.actions.define_filter(&actor, &document, options.strict).await?))
}

/// Removes a packet filter that nothing refers to.
#[utoipa::path(
    delete,
    path = "/v1/filters/{filter}",
    operation_id = "filter_undefine",
    tag = "filters",
    params(("filter" = String, Path, description = "Name or UUID")),
    responses((status = NO_CONTENT, description = "It is gone"), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn undefine(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(filter): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.actions.undefine_filter(&actor, &filter).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The filter's document.
#[utoipa::path(
    get,
    path = "/v1/filters/{filter}/xml",
    operation_id = "filter_xml",
    tag = "filters",
    params(("filter" = String, Path, description = "Name or UUID")),
    responses(
        (status = OK, body = String, content_type = "application/xml"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn xml(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(filter): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let document = state.actions.filter_xml(&actor, &filter)?;
    Ok(([(CONTENT_TYPE, "application/xml")], document))
}
