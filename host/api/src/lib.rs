//! The front door: HTTP and JSON over a unix socket.
//!
//! Every handler reads the request into types, calls one verb of `reeve-actions` as the peer of the socket, and writes the
//! answer. What a verb does, who may do it and what it is called in messages is decided there; nothing is decided here.
//!
//! ```text
//!   /v1/domains…    definitions, life cycle, devices, console (an HTTP upgrade)
//!   /v1/policies…   /v1/decisions
//!   /v1/node…       /v1/events (server-sent events)
//!   /v1/openapi.json   made from the handlers and types of this crate
//!   /metrics           Prometheus text
//! ```
//!
//! An error is `{"code": …, "message": …, "hint": …}`; clients match on the code (`reeve_model::ErrorCode`).
#![forbid(unsafe_code)]

mod artifact;
mod console;
mod domain;
mod error;
mod events;
mod extract;
mod filter;
mod handed;
mod interface;
mod leash;
mod metrics;
mod migration;
mod network;
mod node;
mod openapi;
mod peer;
mod policy;
mod pool;
mod routes;
mod secret;
mod state;
mod task;
mod upgrade;
mod volume;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use reeve_actions::Actions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;
pub use openapi::document;

/// What the API serves.
#[derive(Debug, Clone)]
pub struct Api {
    /// The verbs.
    pub actions: Arc<Actions>,
    /// What the API counts about itself; registered in `registry` before it was sealed.
    pub metrics: Metrics,
    /// Everything that `GET /metrics` shows.
    pub registry: Arc<Registry>,
    /// Ends event streams and consoles, then the server.
    pub stop: CancellationToken,
}

/// How long another host may take for the head of its next request: who has nothing to ask hangs up.
const HEAD: Duration = Duration::from_secs(30);

/// Serves other hosts.
#[derive(Clone)]
pub struct PeerApi {
    router: Router,
    actions: Arc<Actions>,
}

impl PeerApi {
    /// Whether the host `name` may ask for anything.
    pub fn knows(&self, name: &str) -> bool {
        self.actions.migrations().may_send(name)
    }

    /// Serves one connection of a host whose certificate is for `name`, until it ends. Only what moves guests is answered.
    pub async fn serve<S>(&self, connection: S, name: String) -> Result<(), hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone().layer(Extension(ConnectInfo(peer::Peer::host(name))));
        serve_within(HEAD, router, connection).await
    }
}

async fn serve_within<S>(head: Duration, router: Router, connection: S) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head);
    server.serve_connection(TokioIo::new(connection), service).with_upgrades().await
}

impl Api {
    /// What other hosts are answered.
    pub fn for_peers(&self) -> PeerApi {
        PeerApi { router: routes::peer_router(self.clone().into()), actions: Arc::clone(&self.actions) }
    }

    /// Serves `listener` until `stop` is cancelled and the requests in flight are answered.
    pub async fn serve(self, listener: UnixListener) -> std::io::Result<()> {
        let stop = self.stop.clone();
        let service = routes::router(self.into()).into_make_service_with_connect_info::<peer::Peer>();
        axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_asks_nothing_is_hung_up_on() {
        let (_silent, served) = tokio::io::duplex(1024);
        let serving = serve_within(Duration::from_millis(10), Router::new(), served);
        let ended = tokio::time::timeout(Duration::from_secs(20), serving).await;
        assert!(ended.is_ok(), "it may stay for good");
    }
}
