//! A simulated week: thousands of domains that come, grow, shrink and go on a host that does not exist, and a policy that is
//! asked about all of it, with a clock that runs as fast as the policy answers. What a tuner or a guard does to a host can be
//! judged before it touches one. The same seed gives the same week. A strategy of migrations is judged by one migration instead
//! ([`migration`]).

mod host;
pub mod migration;
mod population;
mod random;
mod scenario;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_model::Bytes;
use reeve_model::policy::{Hook, Outcome};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use self::host::SimulatedHost;
use self::population::Population;
use crate::offline::{Offline, OfflineError};
use crate::outside::{Outside, Values};
use crate::session::Session;

/// Domains of a simulation at most.
pub const DOMAINS_LIMIT: u32 = 100_000;

/// 2026-01-05, a Monday, in milliseconds since the Unix epoch: when every simulated week begins.
const BEGIN: u64 = 1_767_571_200_000;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Days.
    pub days: u32,
    /// Domains that are there on an average day.
    pub domains: u32,
    /// Memory of the host; none takes what those domains use on average and a little more.
    pub memory: Option<Bytes>,
    /// CPUs of the host.
    pub cpus: u32,
    /// Seconds between two ticks.
    pub interval: u32,
    /// Where the week comes from.
    pub seed: u64,
    /// The hook to ask: `ksm-tune`, or a guard of new domains or of migrations. Domains come from another host by `migrate-in`; by
    /// `migrate-out` each shall go to another one as soon as it is there, and is counted but not taken away.
    pub hook: Hook,
    /// Configuration of the policy.
    pub config: Value,
    /// Grants of the policy.
    pub grants: Vec<String>,
}

/// The host at one moment, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the begin.
    pub second: u64,
    /// Domains.
    pub active: u32,
    /// What they may use at most.
    pub committed: u64,
    /// What they touch, before any merging.
    pub used: u64,
    /// What merging saves.
    pub saved: u64,
    /// True while pages are scanned.
    pub scanning: bool,
}

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Week {
    /// Memory of the host, bytes.
    pub memory: u64,
    /// Calls of the policy.
    pub calls: u64,
    /// How many calls had which outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Settings or documents that were changed.
    pub changes: u64,
    /// Domains that arrived.
    pub arrivals: u64,
    /// Domains that a guard kept out; those it did not let go, for `migrate-out`.
    pub refused: u64,
    /// Most domains at once.
    pub most_active: u32,
    /// Bytes saved by merging, on average.
    pub mean_saved: u64,
    /// Bytes saved at most.
    pub most_saved: u64,
    /// Seconds in which domains used more memory than there is.
    pub short_seconds: u64,
    /// The same if nothing were ever merged.
    pub short_seconds_unmerged: u64,
    /// CPU seconds that scanning took.
    pub scan_cpu_seconds: f64,
    /// Instructions of all calls.
    pub fuel: u64,
    /// The host over time.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

impl Offline {
    /// Simulates `plan`; `keep` is given the session of every call.
    pub async fn simulate(&self, plan: &Plan, mut keep: impl FnMut(&Session)) -> Result<Week, OfflineError> {
        let mut population = Population::new(plan.seed, plan.domains);
        let memory = plan.memory.map_or_else(|| population.usual_use(), |bytes| bytes.0);
        let host = Arc::new(Mutex::new(SimulatedHost::new(memory, plan.cpus)));
        let values = Values::InMemory(Arc::default());
        let mut week = Week::empty(memory);
        let interval = u64::from(plan.interval.max(1));
        for tick in 0..u64::from(plan.days) * 86_400 / interval {
            let second = tick * interval;
            let arrivals = population.arrivals(second, interval);
            let gone = lock(&host).depart(second);
            let mut changed = gone > 0;
            for guest in arrivals {
                week.arrivals += 1;
                let allowed = match plan.hook {
                    Hook::KsmTune => true,
                    _ => {
                        let question = question(plan.hook, &guest.document());
                        let outside = outside(&host, &values, second);
                        let session = self.ask_simulated(plan, question, second, outside).await?;
                        keep(&session);
                        week.add(&session);
                        !matches!(session.outcome, Some(outcome) if keeps_out(outcome))
                    }
                };
                week.refused += u64::from(!allowed);
                // Who may not go is here all the same.
                if allowed || plan.hook == Hook::MigrateOut {
                    changed = true;
                    lock(&host).admit(guest);
                }
            }
            lock(&host).pass(second, interval);
            if plan.hook == Hook::KsmTune {
                let question = json!({ "snapshot": lock(&host).snapshot(changed) });
                let session =
                    self.ask_simulated(plan, question, second, outside(&host, &values, second)).await?;
                keep(&session);
                week.add(&session);
                for change in session.changes.iter().flatten() {
                    lock(&host).adjust(change);
                }
            }
            week.sample(lock(&host).sample(second), interval);
        }
        week.scan_cpu_seconds = lock(&host).scan_cpu_seconds();
        Ok(week)
    }

    async fn ask_simulated(
        &self,
        plan: &Plan,
        question: Value,
        second: u64,
        outside: Outside,
    ) -> Result<Session, OfflineError> {
        let case = json!({
            "session": 1,
            "hook": plan.hook,
            "context": { "call-id": format!("simulated-{second}"), "time": BEGIN + second * 1000, "config": plan.config },
            "question": question,
            "grants": plan.grants,
        });
        self.run_in(&Session::from_json(case)?, outside).await
    }
}

/// What a guard is asked about a domain. One that moves does so between two machines of this version, over TLS and with its disks
/// looked at: what a policy makes of each domain is judged, not of each road.
fn question(hook: Hook, document: &str) -> Value {
    let mut question = json!({ "domain": { "xml": document } });
    if matches!(hook, Hook::MigrateOut | Hook::MigrateIn) {
        let host = |name: &str| json!({ "name": name, "version": env!("CARGO_PKG_VERSION") });
        question["journey"] = json!({
            "id": "00000000-0000-4000-8000-000000000001",
            "source": host("source"),
            "destination": host("destination"),
            "same-machine": false,
            "transport": "tls",
            "unchecked": false,
            "persistent": true,
        });
    }
    question
}

/// True for what keeps a domain from being defined or from moving: a guard that fails is closed.
fn keeps_out(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Allow | Outcome::Rewrite)
}

fn outside(host: &Arc<Mutex<SimulatedHost>>, values: &Values, second: u64) -> Outside {
    Outside {
        services: Arc::new(host::Shared(Arc::clone(host))),
        values: values.clone(),
        daemon: Handle::current(),
        logs: None,
        time: Some(BEGIN + second * 1000),
    }
}

fn lock(host: &Mutex<SimulatedHost>) -> std::sync::MutexGuard<'_, SimulatedHost> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Week {
    /// A week before it begins, on a host with so many bytes of memory.
    pub fn empty(memory: u64) -> Self {
        Self {
            memory,
            calls: 0,
            outcomes: BTreeMap::new(),
            changes: 0,
            arrivals: 0,
            refused: 0,
            most_active: 0,
            mean_saved: 0,
            most_saved: 0,
            short_seconds: 0,
            short_seconds_unmerged: 0,
            scan_cpu_seconds: 0.0,
            fuel: 0,
            samples: Vec::new(),
        }
    }

    fn add(&mut self, session: &Session) {
        self.calls += 1;
        self.fuel += session.fuel.unwrap_or_default();
        self.changes += session.changes.as_ref().map_or(0, |changes| changes.len() as u64);
        let word = session.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
        let word = word.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        *self.outcomes.entry(word).or_default() += 1;
    }

    fn sample(&mut self, sample: Sample, interval: u64) {
        let Sample { used, saved, active, .. } = sample;
        self.samples.push(sample);
        let count = self.samples.len() as u64;
        // A running mean, exact to a byte a sample, that never overflows.
        self.mean_saved = (self.mean_saved * (count - 1) + saved) / count;
        self.most_saved = self.most_saved.max(saved);
        self.most_active = self.most_active.max(active);
        self.short_seconds += if used - saved > self.memory { interval } else { 0 };
        self.short_seconds_unmerged += if used > self.memory { interval } else { 0 };
    }
}
