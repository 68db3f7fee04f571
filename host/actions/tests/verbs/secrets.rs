//! Secrets: who may do what, and where a value may go.

use reeve_events::Delivery;
use reeve_model::event::EventKind;
use reeve_model::secret::{SecretChange, SecretValue};
use reeve_model::{Actor, ErrorCode};
use tempfile::TempDir;

use crate::networks::recovered;
use crate::support::{ROOT, refused};

const UUID: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";

fn secret(attributes: &str, volume: &str) -> String {
    format!(
        "<secret {attributes}><uuid>{UUID}</uuid><usage type='volume'><volume>{volume}</volume></usage></secret>"
    )
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_stranger_has_no_secrets() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    let document = secret("", "/srv/a");
    host.define_secret(&ROOT, &document, false).await.unwrap();
    host.set_secret_value(&ROOT, UUID, value("hush")).await.unwrap();
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    refused(host.secrets(&stranger).await, ErrorCode::Denied, &["secret:read"]);
    refused(host.secret_xml(&stranger, UUID).await, ErrorCode::Denied, &["secret:read", "'/srv/a'"]);
    refused(host.secret_xml(&stranger, "none").await, ErrorCode::Denied, &["secret:read"]);
    refused(host.define_secret(&stranger, &document, false).await, ErrorCode::Denied, &["secret:define"]);
    refused(host.undefine_secret(&stranger, UUID).await, ErrorCode::Denied, &["secret:undefine"]);
    refused(host.set_secret_value(&stranger, UUID, value("mine")).await, ErrorCode::Denied, &["secret:set"]);
    refused(host.secret_value(&stranger, UUID).await, ErrorCode::Denied, &["secret:reveal"]);
    assert_eq!(host.secret_value(&ROOT, "/srv/a").await.unwrap(), value("hush"));
}

#[tokio::test]
async fn a_value_is_kept_sealed_and_told_in_no_event() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    let mut events = host.events(&ROOT, None).unwrap();
    host.define_secret(&ROOT, &secret("", "/srv/a"), false).await.unwrap();
    let error =
        refused(host.secret_value(&ROOT, UUID).await, ErrorCode::WrongState, &["'/srv/a'", "no value"]);
    assert!(error.hint.unwrap().contains("set-value"));
    host.set_secret_value(&ROOT, UUID, value("correct horse battery")).await.unwrap();
    host.define_secret(&ROOT, &secret("private='yes'", "/srv/b"), false).await.unwrap();
    refused(host.secret_value(&ROOT, UUID).await, ErrorCode::Denied, &["'/srv/b'", "told to nobody"]);
    refused(
        host.define_secret(&ROOT, &secret("", "/srv/b"), false).await,
        ErrorCode::WrongState,
        &["another 'private'"],
    );
    refused(
        host.define_secret(&ROOT, &secret("ephemeral='yes' private='yes'", "/srv/b"), false).await,
        ErrorCode::WrongState,
        &["another 'ephemeral'"],
    );
    let rows = host.secrets(&ROOT).await.unwrap();
    assert!(rows.len() == 1 && rows[0].private && rows[0].has_value, "{rows:?}");
    host.undefine_secret(&ROOT, UUID).await.unwrap();
    let mut told = Vec::new();
    while told.last() != Some(&SecretChange::Undefined) {
        let Some(Delivery::Event(event)) = events.next().await else { panic!("an event was missed") };
        assert!(!serde_json::to_string(&*event).unwrap().contains("horse"));
        if let EventKind::Secret { change, .. } = event.kind {
            told.push(change);
        }
    }
    let defined = SecretChange::Defined;
    assert_eq!(told, [defined, SecretChange::ValueChanged, defined, SecretChange::Undefined]);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(5).any(|bytes| bytes == b"horse"), "the value is in {}", path.display());
    }
}

#[tokio::test]
async fn what_is_for_one_thing_is_one_secret() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    host.define_secret(&ROOT, &secret("ephemeral='yes'", "/srv/a"), false).await.unwrap();
    let other = "<secret><usage type='volume'><volume>/srv/a</volume></usage></secret>";
    refused(host.define_secret(&ROOT, other, false).await, ErrorCode::AlreadyExists, &["'/srv/a'", UUID]);
    host.define_secret(&ROOT, "<secret><usage type='iscsi'><target>/srv/a</target></usage></secret>", false)
        .await
        .unwrap();
    host.set_secret_value(&ROOT, UUID, value("brief")).await.unwrap();
    assert_eq!(host.secret_value(&ROOT, UUID).await.unwrap(), value("brief"));
    // An ephemeral one is gone with its host.
    drop(host);
    let host = recovered(&directory).await;
    refused(host.secret_value(&ROOT, UUID).await, ErrorCode::NotFound, &["does not exist"]);
    assert_eq!(host.secrets(&ROOT).await.unwrap().len(), 1);
    refused(
        host.define_secret(&ROOT, "<secret/><x/>", false).await,
        ErrorCode::Invalid,
        &["secret document"],
    );
    refused(host.undefine_secret(&ROOT, UUID).await, ErrorCode::NotFound, &[UUID]);
}
