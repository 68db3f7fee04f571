//! The OpenAPI document, made from the handlers' attributes and the model's types.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::OpenApi;

/// What of the document does not come from a handler.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Reeve",
        description = "Domains, policies and the node of one host, over its unix socket. A domain is named by its name or its UUID. \
                       Errors carry a stable code, a sentence, and a hint where one is known.",
    ),
    tags(
        (name = "domains", description = "Virtual machines"),
        (name = "networks", description = "Virtual networks"),
        (name = "storage", description = "Storage pools and their volumes"),
        (name = "secrets", description = "Passphrases and keys that the host uses"),
        (name = "filters", description = "Packet filters"),
        (name = "interfaces", description = "The host's own network interfaces"),
        (name = "policies", description = "Wasm policies and what they decided"),
        (name = "node", description = "The host machine"),
        (name = "events", description = "What happened"),
    ),
    components(schemas(
        reeve_model::Error,
        reeve_model::ErrorCode,
        // Known from parameters only.
        reeve_model::storage::Preallocation,
    )),
)]
struct Frame;

/// The document before any route is added.
pub(crate) fn frame() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// The OpenAPI document as JSON text.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        crate::routes::documented()
            .into_openapi()
            .to_pretty_json()
            .expect("a document made of strings and maps can be written as JSON")
    });
    &DOCUMENT
}

/// `GET /v1/openapi.json`.
pub(crate) async fn serve() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document())
}
