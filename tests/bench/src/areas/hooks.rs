//! One hook decision as a fresh Wasm instance, against the same decision as a shell and a Python hook.
//!
//! The decision: may a domain with this name be defined, and does its document leave anything open? The Wasm side is the shipped
//! policy `naming`, asked through the port that every verb uses. The peers are started the way libvirt starts a hook: a process per
//! call, the document on its standard input, the answer in its exit status.

pub(super) mod scripts;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use reeve_actions::policy_port::{PolicyAdmin, PolicyPort};
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_policy::PolicyEngine;
use serde_json::json;

use self::scripts::Script;
use crate::areas::host::{Host, component, guard_times, request};
use crate::row::Row;
use crate::samples::Samples;

const FRESH_RUNS: usize = 5_000;
const SCRIPT_RUNS: usize = 200;
const CHAIN: usize = 8;
const CHAIN_RUNS: usize = 2_000;
const CHAIN_SCRIPT_RUNS: usize = 100;
const ATTACK_RUNS: usize = 5_000;
const ATTACK_BATCH: usize = 100;
const DOCUMENT: &str = include_str!("../../../fixtures/domain-20-devices.xml");

/// Grants of `naming`, each as narrow as its manifest asks.
const NAMING_GRANTS: [&str; 3] = [
    "domain:rewrite path=devices.disks*",
    "domain:rewrite path=devices.memballoon*",
    "domain:rewrite path=devices.rngs*",
];

/// Grants of the hostile test policy: what it imports must be granted, or it is not even linked.
const HOSTILE_GRANTS: [&str; 4] =
    ["domain:read", "domain:start", "domain:rewrite path=devices.disks", "kv:use max-bytes=64KiB"];

/// `fresh-vs-sh`, `fresh-vs-python3`, `chain-of-8`, `innocent-p99-under-attack`.
pub async fn measure() -> Result<Vec<Row>> {
    let config = Arc::new(reeve_xml::domain::parse(DOCUMENT, &reeve_xml::ParseOptions::default())?.document);
    let mut rows = fresh(&config).await?;
    rows.push(chain(&config).await?);
    rows.push(attack(&config).await?);
    Ok(rows)
}

/// Ours and the scripts' in turns, so that a noisy moment hits all of them.
async fn fresh(config: &Arc<DomainConfig>) -> Result<Vec<Row>> {
    let host = Host::start().await?;
    load_naming(&host, "naming").await?;
    let (sh, python) = (Script::sh()?, Script::python3()?);
    warm_up(&host.engine, config).await?;

    let (mut ours, mut sh_times, mut python_times): (Samples, Samples, Samples) = Default::default();
    for _ in 0..SCRIPT_RUNS {
        guard_times(&host.engine, config, FRESH_RUNS / SCRIPT_RUNS, &mut ours).await?;
        sh_times.add(sh.run(DOCUMENT)?);
        python_times.add(python.run(DOCUMENT)?);
    }
    let row = |name| Row::alone("hooks", name, "us", ours.median_us(), ours.len());
    Ok(vec![
        row("fresh-vs-sh").against("/bin/sh hook", sh_times.median_us()),
        row("fresh-vs-python3").against("python3 hook", python_times.median_us()),
    ])
}

/// Eight policies, one after the other, each in a fresh instance, against eight shell hooks, one after the other.
async fn chain(config: &Arc<DomainConfig>) -> Result<Row> {
    let host = Host::start().await?;
    for number in 1..=CHAIN {
        load_naming(&host, &format!("naming-{number}")).await?;
    }
    let sh = Script::sh()?;
    warm_up(&host.engine, config).await?;
    let (mut ours, mut sh_times): (Samples, Samples) = Default::default();
    for _ in 0..CHAIN_SCRIPT_RUNS {
        guard_times(&host.engine, config, CHAIN_RUNS / CHAIN_SCRIPT_RUNS, &mut ours).await?;
        let chain = (0..CHAIN).map(|_| sh.run(DOCUMENT));
        sh_times.add(chain.sum::<Result<Duration>>()?);
    }
    let row = Row::alone("hooks", "chain-of-8", "us", ours.median_us(), ours.len());
    Ok(row.against("8 /bin/sh hooks", sh_times.median_us()))
}

/// p99 of an innocent policy while another one loops for ever, against its own idle p99.
async fn attack(config: &Arc<DomainConfig>) -> Result<Row> {
    let host = Host::start().await?;
    load_naming(&host, "naming").await?;
    let order = json!({"do": "loop", "only": "victim"});
    host.load("attacker", &component("test-policies/hostile.wasm")?, &HOSTILE_GRANTS, order).await?;
    warm_up(&host.engine, config).await?;

    let idle = in_batches(&host.engine, config).await?;
    let attacker = tokio::spawn(keep_attacking(Arc::clone(&host.engine), DomainConfig::clone(config)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let attacked = in_batches(&host.engine, config).await?;
    attacker.abort();

    let p99 = |samples: &Samples| samples.quantile(0.99).as_secs_f64() * 1e6;
    let row = Row::alone("hooks", "innocent-p99-under-attack", "us", p99(&attacked), attacked.len());
    Ok(row.against("idle p99", p99(&idle)))
}

/// Calls with pauses in between, so that they meet every phase of an attack; the first after a pause are the slow ones, attack or not.
async fn in_batches(engine: &PolicyEngine, config: &Arc<DomainConfig>) -> Result<Samples> {
    let mut times = Samples::default();
    while times.len() < ATTACK_RUNS {
        guard_times(engine, config, ATTACK_BATCH, &mut times).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(times)
}

/// Makes the attacker loop again and again; each time it is stopped at its deadline, and the breaker is reset.
async fn keep_attacking(engine: Arc<PolicyEngine>, mut config: DomainConfig) {
    config.name = "victim".to_owned();
    let config = Arc::new(config);
    loop {
        let _stopped_at_its_deadline = engine.guard(request(&config, Hook::DomainPrepare)).await;
        let _not_parked_yet = engine.resume("attacker").await;
    }
}

async fn warm_up(engine: &PolicyEngine, config: &Arc<DomainConfig>) -> Result<()> {
    guard_times(engine, config, 200, &mut Samples::default()).await
}

/// Loads the shipped policy `naming`, to watch names that begin with `web-` or `db-`.
async fn load_naming(host: &Host, name: &str) -> Result<()> {
    let naming = component("policies/naming.wasm")?;
    host.load(name, &naming, &NAMING_GRANTS, json!({"prefixes": ["web-", "db-"]})).await
}
