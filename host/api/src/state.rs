//! What every handler can reach.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use reeve_actions::Actions;
use tokio_util::sync::CancellationToken;

use crate::{Api, Metrics};

/// Shared by all handlers; cloned per request.
#[derive(Debug, Clone)]
pub(crate) struct ApiState {
    pub(crate) actions: Arc<Actions>,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stop: CancellationToken,
}

impl From<Api> for ApiState {
    fn from(api: Api) -> Self {
        Self { actions: api.actions, metrics: api.metrics, registry: api.registry, stop: api.stop }
    }
}
