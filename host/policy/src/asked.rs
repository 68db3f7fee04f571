//! The circumstances that all calls of one chain share, and what is done after each call: counters, metrics, breaker, log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reeve_model::Actor;
use reeve_model::domain::DomainConfig;
use reeve_model::event::{EventKind, PolicyChange};
use reeve_model::policy::{Decision, Hook, Outcome, PathChange, PolicyMode};
use time::OffsetDateTime;

use crate::binding::{Active, Binding};
use crate::bindings::reeve::types::policy;
use crate::decisions::Input;
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::host::clock::now_ms;
use crate::instance::{self, Ask, Report};
use crate::shared::Shared;

/// One occasion on which policies are asked.
pub(crate) struct Occasion {
    pub(crate) number: u64,
    pub(crate) hook: Hook,
    pub(crate) actor: Actor,
    pub(crate) subject: String,
    time: OffsetDateTime,
    time_ms: u64,
}

/// What is written down of one call.
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) changes: Vec<PathChange>,
    /// Digest of the version that failed, when this one answered in its place.
    pub(crate) in_place_of: Option<String>,
}

impl Verdict {
    pub(crate) fn plain(outcome: Outcome) -> Self {
        Self { outcome, reason: String::new(), changes: Vec::new(), in_place_of: None }
    }

    pub(crate) fn failed(failure: &Failure) -> Self {
        Self { reason: failure.to_string(), ..Self::plain(failure.outcome()) }
    }
}

/// What one version of a policy is asked.
pub(crate) struct Asking<'a> {
    pub(crate) active: &'a Arc<Active>,
    /// The version that failed, when this one answers in its place.
    pub(crate) in_place_of: Option<&'a Arc<Active>>,
    pub(crate) question: Question,
    /// The document that the decision log keeps of it.
    pub(crate) domain: Option<Arc<DomainConfig>>,
    /// What it keeps besides.
    pub(crate) detail: String,
}

impl Occasion {
    /// A new occasion, now.
    pub(crate) fn new(shared: &Shared, hook: Hook, actor: Actor, subject: String) -> Self {
        let number = shared.next_chain();
        Self { number, hook, actor, subject, time: OffsetDateTime::now_utc(), time_ms: now_ms() }
    }

    /// How deep in calls of policies it happens.
    pub(crate) fn depth(&self) -> u32 {
        match self.actor {
            Actor::Policy { depth, .. } => depth,
            Actor::Client { .. } | Actor::Host { .. } | Actor::Daemon => 0,
        }
    }

    /// What the policy is told of it.
    pub(crate) fn context(&self, active: &Active) -> policy::Context {
        policy::Context {
            call_id: format!("{}-{}", self.number, active.name),
            time: self.time_ms,
            actor: match &self.actor {
                Actor::Client { uid, .. } => policy::Actor::Client(*uid),
                Actor::Policy { name, .. } => policy::Actor::Policy(name.clone()),
                // The contract has no other hosts: what they send comes in by the daemon.
                Actor::Host { .. } | Actor::Daemon => policy::Actor::Daemon,
            },
            config: active.config_text.clone(),
            attempt: 1,
        }
    }

    /// Asks one version of a policy, and counts and logs what it said. `judge` tells what an answer comes to.
    pub(crate) async fn ask<T>(
        &self,
        shared: &Shared,
        binding: &Arc<Binding>,
        asking: Asking<'_>,
        judge: impl FnOnce(Answer) -> Result<(T, Verdict), Failure>,
    ) -> Result<T, Failure> {
        let Asking { active, in_place_of, question, domain, detail } = asking;
        let input = Input { active: Arc::clone(active), domain, detail };
        if in_place_of.is_none() && binding.is_parked() {
            self.note_parked(shared, input);
            return Err(Failure::Parked);
        }
        let ask = Ask {
            hook: self.hook,
            depth: self.depth(),
            nested: self.depth() > 0,
            context: self.context(active),
            question,
        };
        let mut report = instance::run(shared, active, &binding.turns, ask).await;
        let answer = std::mem::replace(&mut report.answer, Ok(Answer::Told));
        let (judged, mut verdict) = match answer.and_then(judge) {
            Ok((judged, verdict)) => (Ok(judged), verdict),
            Err(failure) => {
                let verdict = Verdict::failed(&failure);
                (Err(failure), verdict)
            }
        };
        verdict.in_place_of = in_place_of.map(|failed| failed.program.digest.clone());
        self.note(shared, binding, &report, verdict, input);
        judged
    }

    /// Counts and logs a call that was made.
    pub(crate) fn note(
        &self,
        shared: &Shared,
        binding: &Arc<Binding>,
        report: &Report,
        verdict: Verdict,
        input: Input,
    ) {
        let active = &input.active;
        binding.counters.calls.fetch_add(1, Ordering::Relaxed);
        binding.counters.latency.add(u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX));
        binding.counters.memory.fetch_max(report.memory, Ordering::Relaxed);
        shared.metrics.called(&active.name, self.hook, verdict.outcome, report);
        match verdict.outcome {
            Outcome::Deny => drop(binding.counters.denials.fetch_add(1, Ordering::Relaxed)),
            Outcome::Rewrite => drop(binding.counters.rewrites.fetch_add(1, Ordering::Relaxed)),
            Outcome::Allow
            | Outcome::Notified
            | Outcome::Proposed
            | Outcome::Adjusted
            | Outcome::Done
            | Outcome::Parked
            | Outcome::Skipped => {}
            // A stand-in's failures are not the active version's.
            _ if verdict.in_place_of.is_some() => {}
            _ => self.failed(shared, binding, &verdict.reason),
        }
        let (policy, hook, call) = (active.name.as_str(), self.hook.as_str(), self.number);
        tracing::debug!(policy, hook, call, subject = self.subject, outcome = ?verdict.outcome, "decided");
        if let Some(session) = &report.session {
            shared.recorder.keep(session, verdict.outcome, &verdict.reason, &verdict.changes);
        }
        let decision =
            self.decision(active.mode, verdict, report.fuel, report.elapsed.as_micros(), report.host_calls);
        shared.decisions.append(decision, input);
    }

    /// Logs that a parked policy was not asked.
    pub(crate) fn note_parked(&self, shared: &Shared, input: Input) {
        shared.metrics.counted(&input.active.name, self.hook, Outcome::Parked);
        let verdict = Verdict { reason: "it is parked".to_owned(), ..Verdict::plain(Outcome::Parked) };
        shared.decisions.append(self.decision(input.active.mode, verdict, 0, 0, 0), input);
    }

    /// Logs that a task was not run.
    pub(crate) fn note_skipped(&self, shared: &Shared, why: &str, input: Input) {
        shared.metrics.counted(&input.active.name, self.hook, Outcome::Skipped);
        let verdict = Verdict { reason: why.to_owned(), ..Verdict::plain(Outcome::Skipped) };
        shared.decisions.append(self.decision(input.active.mode, verdict, 0, 0, 0), input);
    }

    /// A row of the log, but for what its writer fills in.
    fn decision(
        &self,
        mode: PolicyMode,
        verdict: Verdict,
        fuel: u64,
        micros: u128,
        host_calls: u32,
    ) -> Decision {
        Decision {
            id: 0,
            time: self.time,
            chain: self.number,
            hook: self.hook,
            policy: String::new(),
            digest: String::new(),
            in_place_of: verdict.in_place_of,
            actor: self.actor.clone(),
            subject: self.subject.clone(),
            mode,
            outcome: verdict.outcome,
            reason: verdict.reason,
            changes: verdict.changes,
            fuel,
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
            host_calls,
            input_digest: String::new(),
        }
    }

    fn failed(&self, shared: &Shared, binding: &Arc<Binding>, reason: &str) {
        let (policy, hook) = (binding.name(), self.hook.as_str());
        tracing::warn!(policy, hook, subject = self.subject, "policy '{policy}' failed: {reason}");
        if let Some(parked) = binding.failed(reason) {
            shared.metrics.parked(policy, true);
            let detail = format!("{}, the last: {reason}", binding.active().breaker);
            tracing::error!(policy, "policy '{policy}' is parked: {detail}");
            crate::history::parked(shared, binding, &parked);
            let change = EventKind::Policy { name: policy.to_owned(), change: PolicyChange::Parked, detail };
            shared.bus.publish(Actor::Daemon, change);
        }
    }
}
