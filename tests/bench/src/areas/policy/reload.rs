//! `reload-under-load`: a policy is loaded again and again while it is asked; no call may be lost or made twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, ensure};
use reeve_actions::policy_port::{GuardVerdict, PolicyAdmin, PolicyPort};
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use serde_json::json;

use crate::areas::host::{Host, NAMING_GRANTS, component, request};
use crate::row::Row;

const RELOADS: usize = 100;
const CLIENTS: usize = 8;
const DOCUMENT: &str = include_str!("../../../../fixtures/domain-20-devices.xml");

/// What the clients saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    asked: AtomicU64,
    /// Verdicts that neither version gives.
    wrong: AtomicU64,
}

/// Calls that were lost, made twice or answered by nobody; 0 is the only good figure.
pub async fn measure() -> Result<Row> {
    let host = Host::attached().await?;
    let naming = component("policies/naming.wasm")?;
    let configs = [json!({"prefixes": ["web-"]}), json!({"prefixes": ["web-", "db-"]})];
    host.load("naming", &naming, &NAMING_GRANTS, configs[0].clone()).await?;
    let mut config = reeve_xml::domain::parse(DOCUMENT, &reeve_xml::ParseOptions::default())?.document;
    config.name = "db-1".to_owned();
    let (config, seen) = (Arc::new(config), Arc::new(Seen::default()));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (engine, config, seen) = (Arc::clone(&host.engine), Arc::clone(&config), Arc::clone(&seen));
        clients.spawn(async move { ask(&*engine, &config, &seen).await });
    }
    for reload in 1..=RELOADS {
        host.load("naming", &naming, &NAMING_GRANTS, configs[reload % 2].clone()).await?;
    }
    seen.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended?;
    }
    let asked = seen.asked.load(Ordering::Relaxed);
    let counters = host.engine.show("naming")?.counters;
    ensure!(counters.failures == 0, "{} calls failed", counters.failures);
    let lost = asked.abs_diff(counters.calls) + seen.wrong.load(Ordering::Relaxed);
    Ok(Row::alone("policy", "reload-under-load", "calls", lost as f64, usize::try_from(asked)?))
}

/// Asks until it is told to stop. One version denies `db-1`, the other allows it.
async fn ask(engine: &dyn PolicyPort, config: &Arc<DomainConfig>, seen: &Seen) {
    while !seen.stop.load(Ordering::Relaxed) {
        seen.asked.fetch_add(1, Ordering::Relaxed);
        let known = match engine.guard(request(config, Hook::DomainDefine)).await {
            GuardVerdict::Allow { .. } => true,
            GuardVerdict::Deny { reason, .. } => reason.contains("db-1"),
        };
        if !known {
            seen.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}
