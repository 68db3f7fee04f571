//! Dumping the memory of domains.

use axum::Json;
use axum::extract::State;
use reeve_model::Error;
use reeve_model::domain_dump::DumpFile;
use reeve_model::stats::DomainSummary;

use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;

/// Writes the memory and the vCPUs of a domain to a file as an ELF core. How far it is, and its end before that: as with a save.
#[utoipa::path(
    post,
    path = "/v1/domains/{domain}/dump",
    operation_id = "domain_dump",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), DumpFile),
    responses((status = OK, body = DomainSummary), (status = "4XX", description = "Why not", body = Error)),
)]
pub(crate) async fn dump(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(file): Query<DumpFile>,
) -> Result<Json<DomainSummary>, ApiError> {
    Ok(Json(state.actions.dump(&actor, &domain, &file).await?))
}
