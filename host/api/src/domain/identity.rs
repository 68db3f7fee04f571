//! What people know a domain by.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::api::{RenameDomain, SetDescription};
use reeve_model::stats::DomainSummary;
use reeve_model::tuning::TuneOptions;

use crate::error::ApiError;
use crate::extract::{self, Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Changes title and description of a domain; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/domains/{domain}/description",
    operation_id = "domain_describe",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), TuneOptions),
    request_body = SetDescription,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn describe(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<TuneOptions>,
    extract::Json(body): extract::Json<SetDescription>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.describe(&actor, &domain, body, options).await?))
}

/// Gives a defined domain that is off another name; its UUID stays.
#[utoipa::path(
    put,
    path = "/v1/domains/{domain}/name",
    operation_id = "domain_rename",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID")),
    request_body = RenameDomain,
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn rename(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    extract::Json(body): extract::Json<RenameDomain>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.rename(&actor, &domain, &body.name).await?))
}
