//! `fanout-10000x50`: ten thousand events, each told to fifty policies.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reeve_actions::policy_port::PolicyAdmin;
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::{Actor, DomainState, StateReason};
use serde_json::json;
use uuid::Uuid;

use crate::areas::host::{HOSTILE_GRANTS, Host, component};
use crate::row::Row;

const EVENTS: u64 = 10_000;
const POLICIES: u64 = 50;
/// Domains the events are of; those of one domain are told in order.
const DOMAINS: u64 = 64;
/// Events that are told or wait to be: below the bound of a policy's queue, or events would be dropped.
const AHEAD: u64 = 512;
const PATIENCE: Duration = Duration::from_secs(300);

/// Events a second, from the first one published to the last policy told. None may be dropped.
pub async fn measure() -> Result<Row> {
    let host = Host::attached().await?;
    let policy = component("test-policies/hostile.wasm")?;
    for number in 0..POLICIES {
        host.load(&format!("listener-{number}"), &policy, &HOSTILE_GRANTS, json!({})).await?;
    }
    let begin = Instant::now();
    let mut told = 0;
    for event in 0..EVENTS {
        while event >= told + AHEAD {
            tokio::time::sleep(Duration::from_millis(1)).await;
            told = told_to_all(&host);
            ensure!(begin.elapsed() < PATIENCE, "only {told} of {EVENTS} events were told to all policies");
        }
        host.bus.publish(Actor::Daemon, started(event % DOMAINS));
    }
    while told < EVENTS {
        tokio::time::sleep(Duration::from_millis(1)).await;
        told = told_to_all(&host);
        ensure!(begin.elapsed() < PATIENCE, "only {told} of {EVENTS} events were told to all policies");
    }
    let rate = EVENTS as f64 / begin.elapsed().as_secs_f64();
    let calls: u64 = host.engine.list().iter().map(|policy| policy.counters.calls).sum();
    ensure!(calls == EVENTS * POLICIES, "{calls} calls for {EVENTS} events and {POLICIES} policies");
    host.engine.shutdown().await;
    Ok(Row::alone("policy", "fanout-10000x50", "1/s", rate, usize::try_from(calls)?))
}

/// Events that every policy was told.
fn told_to_all(host: &Host) -> u64 {
    host.engine.list().iter().map(|policy| policy.counters.calls).min().unwrap_or_default()
}

fn started(domain: u64) -> EventKind {
    EventKind::Domain {
        uuid: Uuid::from_u128(domain.into()),
        name: format!("web-{domain}"),
        change: DomainChange::Started,
        state: DomainState::Running,
        reason: StateReason::Booted,
    }
}
