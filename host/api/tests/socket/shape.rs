//! The description of the API, and its metrics.

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde_json::Value;

use crate::host::Host;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn operations(document: &Value) -> Vec<(&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let items = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(m, o)| (path, m, o)));
    items.filter(|(_, method, _)| METHODS.contains(&method.as_str())).collect()
}

#[tokio::test]
async fn the_document_is_served_and_every_reference_in_it_resolves() {
    let host = Host::serve();
    let (status, body) = host.raw("GET", "/v1/openapi.json", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, reeve_api::document()));
    let document: Value = serde_json::from_str(&body).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in body.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "schema {name} is missing");
    }
    assert!(schemas["ErrorCode"].to_string().contains("already-exists"));
}

#[tokio::test]
async fn every_operation_is_described_and_really_there() {
    let host = Host::serve();
    let document: Value = serde_json::from_str(reeve_api::document()).unwrap();
    let operations = operations(&document);
    assert!(operations.len() >= 30, "{}", operations.len());
    let ids: BTreeSet<_> =
        operations.iter().map(|(.., operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "operation ids are unique");
    for (path, method, operation) in operations {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        assert!(operation["responses"]["4XX"].is_object(), "{method} {path} tells no errors");
        if path.ends_with("/events") {
            continue;
        }
        let target = path.replace("{domain}", "nobody").replace("{policy}", "nobody");
        let (status, body) = host.raw(&method.to_uppercase(), &target, "").await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!body.contains("there is nothing at"), "{method} {path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let host = Host::serve();
    host.define("web").await;
    host.raw("GET", "/v1/domains/web", "").await;
    host.raw("GET", "/v1/domains/other", "").await;
    let (status, text) = host.raw("GET", "/metrics", "").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "reeve_api_requests_total{method=\"GET\",route=\"/v1/domains/{domain}\",status=\"200\"} 1",
        "reeve_api_requests_total{method=\"GET\",route=\"/v1/domains/{domain}\",status=\"404\"} 1",
        "reeve_api_request_duration_seconds_count{method=\"POST\",route=\"/v1/domains\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
