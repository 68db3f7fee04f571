//! `fanout-10000x50`: ten thousand events, each told to fifty policies, against fifty shell hooks that are told a sample of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reeve_actions::policy_port::PolicyAdmin;
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::{Actor, DomainState, StateReason};
use serde_json::json;
use uuid::Uuid;

use crate::areas::hooks::scripts::Script;
use crate::areas::host::{HOSTILE_GRANTS, Host, component};
use crate::row::{RATE, Row};

const EVENTS: u64 = 10_000;
const POLICIES: u64 = 50;
/// Domains the events are of; those of one domain are told in order.
const DOMAINS: u64 = 64;
/// Events that are told or wait to be: below the bound of a policy's queue, or events would be dropped.
const AHEAD: u64 = 512;
/// Events that the shell hooks are told, half of them before ours and half after: all ten thousand would take half an hour.
const SCRIPT_EVENTS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(300);

/// Events a second, from the first one published to the last policy told. None may be dropped.
pub async fn measure() -> Result<Row> {
    let script = Script::sh_event()?;
    let mut peer = tell_scripts(&script)?;
    let (rate, calls) = tell_policies().await?;
    peer += tell_scripts(&script)?;
    let peer_rate = SCRIPT_EVENTS as f64 / peer.as_secs_f64();
    let row = Row::alone("policy", "fanout-10000x50", RATE, rate, usize::try_from(calls)?);
    Ok(row.against("50 /bin/sh, 40 events", peer_rate))
}

/// How long fifty shell hooks take for half the sample, as many at a time as there are processors, the way policies are told.
fn tell_scripts(script: &Script) -> Result<Duration> {
    let calls = AtomicUsize::new(SCRIPT_EVENTS / 2 * usize::try_from(POLICIES)?);
    let claim =
        || calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..std::thread::available_parallelism()?.get())
            .map(|_| {
                scope.spawn(|| {
                    while claim() {
                        script.run("started web-7 running booted\n")?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
    .map(|()| begin.elapsed())
}

/// Ours, and the calls behind it.
async fn tell_policies() -> Result<(f64, u64)> {
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
    Ok((rate, calls))
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
