//! What Prometheus sees of policies.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use reeve_model::policy::{Hook, Outcome};

use crate::instance::Report;

/// 10 us to 2.6 s.
const BUCKETS: [f64; 10] = [1e-5, 2e-5, 4e-5, 1e-4, 4e-4, 1.6e-3, 6.4e-3, 0.1, 0.64, 2.56];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    policy: String,
    hook: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    policy: String,
    hook: Word,
    outcome: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: Word,
}

/// The engine's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    calls: Family<OfOutcome, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
    memory: Family<Of, Gauge>,
    parked: Family<OfPolicy, Gauge>,
    events_dropped: Family<OfPolicy, Counter>,
    decisions_dropped: Counter<u64, AtomicU64>,
    components: Family<OfSource, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            memory: Family::default(),
            parked: Family::default(),
            events_dropped: Family::default(),
            decisions_dropped: Counter::default(),
            components: Family::default(),
        }
    }
}

impl Metrics {
    /// Puts them into the daemon's registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("reeve_policy_calls", "Calls of a hook, by what came of them", self.calls.clone());
        registry.register("reeve_policy_call_seconds", "Time a hook took", self.seconds.clone());
        registry.register(
            "reeve_policy_memory_peak_bytes",
            "Largest linear memory of one call since the daemon began",
            self.memory.clone(),
        );
        registry.register(
            "reeve_policy_parked",
            "1 while the circuit breaker keeps a policy from being asked",
            self.parked.clone(),
        );
        registry.register(
            "reeve_policy_events_dropped",
            "Events that found a policy's queue full",
            self.events_dropped.clone(),
        );
        registry.register(
            "reeve_policy_decisions_dropped",
            "Rows that found the decision log's queue full",
            self.decisions_dropped.clone(),
        );
        registry.register(
            "reeve_policy_components",
            "Components that were loaded, by where their code came from: the compiler or the cache",
            self.components.clone(),
        );
    }

    pub(crate) fn called(&self, policy: &str, hook: Hook, outcome: Outcome, report: &Report) {
        let word = Word(hook.as_str());
        let of = Of { policy: policy.to_owned(), hook: word.clone() };
        self.seconds.get_or_create(&of).observe(report.elapsed.as_secs_f64());
        let peak = i64::try_from(report.memory).unwrap_or(i64::MAX);
        let gauge = self.memory.get_or_create(&of);
        if gauge.get() < peak {
            gauge.set(peak);
        }
        drop(gauge);
        self.counted(policy, hook, outcome);
    }

    pub(crate) fn counted(&self, policy: &str, hook: Hook, outcome: Outcome) {
        let of = OfOutcome {
            policy: policy.to_owned(),
            hook: Word(hook.as_str()),
            outcome: Word(outcome_word(outcome)),
        };
        self.calls.get_or_create(&of).inc();
    }

    pub(crate) fn parked(&self, policy: &str, parked: bool) {
        self.parked.get_or_create(&OfPolicy { policy: policy.to_owned() }).set(i64::from(parked));
    }

    pub(crate) fn event_dropped(&self, policy: &str) {
        self.events_dropped.get_or_create(&OfPolicy { policy: policy.to_owned() }).inc();
    }

    pub(crate) fn component(&self, source: &'static str) {
        self.components.get_or_create(&OfSource { source: Word(source) }).inc();
    }

    pub(crate) fn decision_dropped(&self) {
        self.decisions_dropped.inc();
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
        Outcome::Rewrite => "rewrite",
        Outcome::Notified => "notified",
        Outcome::Proposed => "proposed",
        Outcome::Adjusted => "adjusted",
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Trap => "trap",
        Outcome::Deadline => "deadline",
        Outcome::Fuel => "fuel",
        Outcome::Memory => "memory",
        Outcome::Limit => "limit",
        Outcome::Refused => "refused",
        Outcome::Parked => "parked",
        Outcome::Skipped => "skipped",
    }
}
