//! `GET /v1/domains/{domain}/console`: an HTTP upgrade to the raw bytes of a console.
//!
//! ```text
//!   GET /v1/domains/web/console HTTP/1.1         HTTP/1.1 101 Switching Protocols
//!   Connection: upgrade                     ──▶  Connection: upgrade               ──▶ bytes, both ways
//!   Upgrade: reeve-console                       Upgrade: reeve-console
//! ```

use axum::extract::{Request, State};
use axum::response::Response;
use hyper_util::rt::TokioIo;
use reeve_model::Error;
use reeve_model::api::ConsoleOptions;

use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::peer::Caller;
use crate::state::ApiState;
use crate::upgrade;

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "reeve-console";

/// Opens the console of an active domain as a raw byte stream.
///
/// Needs `Connection: upgrade` and `Upgrade: reeve-console`. The stream ends when the domain stops.
#[utoipa::path(
    get,
    path = "/v1/domains/{domain}/console",
    tag = "domains",
    params(("domain" = String, Path, description = "Name or UUID"), ConsoleOptions),
    responses(
        (status = SWITCHING_PROTOCOLS, description = "Bytes of the console in both directions follow"),
        (status = "4XX", description = "Why not", body = Error),
    ),
)]
pub(crate) async fn open(
    State(state): State<ApiState>,
    Caller(actor): Caller,
    Path(domain): Path<String>,
    Query(options): Query<ConsoleOptions>,
    request: Request,
) -> Result<Response, ApiError> {
    upgrade::demand(request.headers(), PROTOCOL, "a console is opened")?;
    let mut console = state.actions.console_with(&actor, &domain, &options).await?;
    let stop = state.stop.clone();
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut client = TokioIo::new(upgraded);
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut console) => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(upgrade::accepted(PROTOCOL))
}
