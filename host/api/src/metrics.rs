//! `GET /metrics`, and what the API counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use reeve_model::{Error, ErrorCode};
use tracing::Instrument as _;

use crate::error::ApiError;
use crate::state::ApiState;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// The route's pattern, so that names of domains make no new series.
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

/// Request counters and latencies. Clones share the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabels, Histogram>,
}

impl Metrics {
    /// Makes the API's metrics and registers them as `reeve_api_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| {
                Histogram::new([0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
            }),
        };
        let registry = registry.sub_registry_with_prefix("reeve_api");
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        metrics
    }
}

/// Requests since the daemon began.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// The number of a request in its answer, so that a client can name the log lines that belong to it.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Middleware that counts, times and numbers every request.
pub(crate) async fn observe(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    // Everything that is logged on the way, down to the host calls of a policy, carries this number.
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    let span = tracing::info_span!("request", id, %method, %route);
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
    let elapsed = begun.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, ?elapsed, "answered"));
    state
        .metrics
        .requests
        .get_or_create(&RequestLabels { method: method.clone(), route: route.clone(), status })
        .inc();
    state.metrics.duration.get_or_create(&RouteLabels { method, route }).observe(elapsed.as_secs_f64());
    response
}

/// `GET /metrics` in the OpenMetrics text format.
pub(crate) async fn serve(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let mut text = String::new();
    encode(&mut text, &state.registry).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("the metrics cannot be written: {error}"))
    })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
