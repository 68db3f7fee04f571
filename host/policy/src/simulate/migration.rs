//! A simulated migration: the policy is asked what a migration would ask it, and what it answers goes through what bounds it in the
//! host. Rounds come of a model of guest and link ([`Scenario`]), with a clock of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reeve_migrate::{
    Advice, Adviser, Capabilities, PreCopy, RoundStats, Steered, Step, Strategy, StrategyAnswer,
    StrategyQuestion, Subject,
};
use reeve_model::migration::MigrationLimits;
use reeve_model::policy::Hook;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::scenario::PAGE;
pub use super::scenario::{Allowed, Guest, LinkOf, Offered, Scenario, Way};
use super::{BEGIN, Values};
use crate::asked::Verdict;
use crate::binding::Active;
use crate::bindings::reeve::migration::journey::Journey;
use crate::bindings::reeve::migration::strategy;
use crate::exports::Question;
use crate::migration::{
    Accepted, Disks, ROUNDS, StrategyAsk, contract_journey, contract_limits, contract_offer, contract_round,
    judge,
};
use crate::offline::{Machine, Offline, OfflineError};
use crate::outside::Outside;
use crate::session::{self, Session};

/// A round with fewer bytes than this says only how fast the link is at least.
const MEASURABLE: f64 = (256 << 10) as f64;

/// One round, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedRound {
    /// Number of the round, from 1.
    pub number: u32,
    /// Microseconds since the migration began.
    pub elapsed_us: u64,
    /// Microseconds that the round took.
    pub duration_us: u64,
    /// Bytes that went over the link.
    pub sent: u64,
    /// Bytes that the guest wrote meanwhile.
    pub written: u64,
    /// Bytes a second.
    pub bandwidth: u64,
    /// Microseconds that the guest would stand still if this were the last round.
    pub expected_downtime_us: u64,
    /// The limit for that.
    pub max_downtime_us: u64,
    /// Hundredths of its time that the guest lost.
    pub throttle: u8,
    /// Pages were compressed.
    pub compressed: bool,
    /// Streams.
    pub streams: u16,
    /// What the policy said, within its bounds, or that the host's own strategy decided.
    pub step: String,
}

/// How a migration ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The policy objects to it.
    Refused,
    /// The guest stands still and the rest is sent.
    Converged,
    /// The guest goes on at the destination, which fetches the rest.
    PostCopy,
    /// The guest stays where it is.
    Aborted,
}

/// What came of a simulated migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulated {
    /// What the policy planned, within its bounds.
    pub plan: String,
    /// The rounds.
    pub rounds: Vec<SimulatedRound>,
    /// How it ended.
    pub end: End,
    /// Why the guest stays.
    pub reason: Option<String>,
    /// Microseconds that the guest stands still: what is left goes over the link with no limit.
    pub downtime_us: Option<u64>,
    /// Microseconds until the destination has the whole guest.
    pub whole_us: Option<u64>,
    /// Bytes that went over the link.
    pub sent: u64,
    /// Why the policy was not asked any more, when that was so: the host went on by itself.
    pub given_up: Option<String>,
    /// Calls of the policy.
    pub calls: u64,
    /// Instructions of all calls.
    pub fuel: u64,
}

impl Offline {
    /// Simulates one migration; `keep` is given the session of every call.
    pub async fn simulate_migration(
        &self,
        scenario: &Scenario,
        config: Value,
        grants: &[String],
        keep: impl FnMut(&Session),
    ) -> Result<Simulated, OfflineError> {
        let limits = scenario.limits.limits();
        let mut own = PreCopy::new(Duration::from_millis(limits.max_downtime_ms));
        own.compress = limits.compress;
        own.converge = limits.max_throttle > 0;
        let prepared = Prepared::default();
        let mut simulation = Simulation {
            offline: self,
            scenario,
            config,
            grants,
            keep,
            journey: contract_journey(&scenario.journey.journey()),
            disks: Disks::default(),
            agreed: scenario.capabilities.capabilities(),
            limits,
            told: VecDeque::new(),
            now: 0.0,
            strategy: Steered::new(Some(prepared.clone()), own),
            prepared,
            asked: None,
            done: Simulated {
                plan: String::new(),
                rounds: Vec::new(),
                end: End::Aborted,
                reason: None,
                downtime_us: None,
                whole_us: None,
                sent: 0,
                given_up: None,
                calls: 0,
                fuel: 0,
            },
        };
        let (end, reason) = simulation.run().await?;
        // The next one begins with a new instance.
        if let Some(active) = &simulation.asked {
            active.program.kept.forget(Hook::MigrationStrategy, &simulation.journey.id);
        }
        Ok(Simulated { end, reason, ..simulation.done })
    }
}

/// What the policy answered, for the strategy that the host has around it.
#[derive(Clone, Default)]
struct Prepared(Arc<Mutex<Option<StrategyAnswer>>>);

impl Prepared {
    fn put(&self, answer: Option<StrategyAnswer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

impl Adviser for Prepared {
    fn ask(&mut self, _question: StrategyQuestion) {}

    fn answer(&mut self, _wait: bool) -> Advice {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.map_or(Advice::Missing, Advice::Given)
    }
}

struct Simulation<'a, K> {
    offline: &'a Offline,
    scenario: &'a Scenario,
    config: Value,
    grants: &'a [String],
    keep: K,
    journey: Journey,
    /// Of its domain, with what the scenario says of them.
    disks: Disks,
    agreed: Capabilities,
    limits: MigrationLimits,
    /// Rounds that the policy is told of.
    told: VecDeque<strategy::Round>,
    /// Seconds since the begin.
    now: f64,
    strategy: Steered<Prepared>,
    prepared: Prepared,
    /// The version of the policy, once it was asked.
    asked: Option<Arc<Active>>,
    done: Simulated,
}

impl<K: FnMut(&Session)> Simulation<'_, K> {
    async fn run(&mut self) -> Result<(End, Option<String>), OfflineError> {
        let mut precheck = json!({ "domain": { "xml": self.scenario.domain }, "journey": self.way() });
        if !self.scenario.disks.is_empty() {
            precheck["disks"] = json!(self.scenario.disks);
        }
        let question = self.case(json!({ "precheck": precheck }))?.read_question()?;
        self.disks = question.disks();
        let (accepted, _) = match question {
            Question::Strategy(ask) => self.ask(*ask).await?,
            _ => (None, String::new()),
        };
        if let Some(Accepted::Precheck(Some(reason))) = accepted {
            return Ok((End::Refused, Some(reason)));
        }

        let (offered, limits) = self.offered();
        let plan = StrategyAsk::Plan {
            offered,
            limits,
            journey: self.journey.clone(),
            disks: Arc::clone(&self.disks),
        };
        self.done.plan = self.advise(plan).await?;
        let memory = self.scenario.guest.memory();
        let subject = Subject { name: String::new(), memory: memory as u64 };
        let plan = self.strategy.plan(&subject, self.agreed);
        if self.limits.post_copy && !self.agreed.post_copy {
            let reason = "the destination can't take a guest by post-copy";
            return Ok((End::Aborted, Some(reason.to_owned())));
        }
        self.rounds(plan).await
    }

    async fn rounds(&mut self, plan: reeve_migrate::Plan) -> Result<(End, Option<String>), OfflineError> {
        let Scenario { guest, link, .. } = self.scenario;
        let mut compressed = plan.compress && self.agreed.zstd;
        let mut streams = plan.streams.clamp(1, self.agreed.streams);
        let (mut throttle, mut max_downtime) = (0, plan.max_downtime);
        let allowed = Duration::from_millis(self.limits.max_downtime_ms);
        let limit =
            (self.limits.bandwidth_mib > 0).then_some(self.limits.bandwidth_mib.saturating_mul(1 << 20));
        let zeros = (guest.memory() * f64::from(guest.zero_percent) / 100.0 / PAGE).floor() * PAGE;
        let (mut dirty, mut zeros, mut bandwidth) = (guest.memory(), zeros, 0.0);
        for number in 1..=self.limits.max_rounds {
            let (seconds, bytes) = link.time(dirty - zeros, compressed, streams, limit);
            self.now += seconds;
            let measured = bytes / seconds.max(1e-6);
            // What little goes over is slowed down by waiting for its end, as the host that sends knows.
            if bytes >= MEASURABLE || measured > bandwidth {
                bandwidth = measured;
            }
            let written = guest.written(number, seconds, throttle);
            let stats = RoundStats {
                round: number,
                elapsed: Duration::from_secs_f64(self.now),
                duration: Duration::from_secs_f64(seconds),
                pages: (dirty / PAGE) as u64,
                zero_pages: (zeros / PAGE) as u64,
                bytes: bytes as u64,
                dirty_pages: (written / PAGE) as u64,
                bandwidth: bandwidth as u64,
                expected_downtime: Duration::from_secs_f64(written / bandwidth.max(1.0)),
                max_downtime: max_downtime.min(allowed),
                throttle,
                compressed,
                streams,
                packed: reeve_migrate::Packed::default(),
            };
            (dirty, zeros) = (written, 0.0);
            self.done.sent += stats.bytes;
            if self.limits.post_copy_after.is_some_and(|after| number >= after) && self.goes_late() {
                self.note(&stats, "the operator's post-copy after so many rounds".to_owned());
                return Ok(self.late(dirty, compressed, streams));
            }
            self.told.push_back(contract_round(&stats));
            if self.told.len() > ROUNDS {
                self.told.pop_front();
            }
            let (capabilities, limits) = self.offered();
            let rounds = self.told.iter().copied().collect();
            let progress = strategy::Progress { capabilities, limits, rounds };
            let said = self
                .advise(StrategyAsk::Step {
                    migration: self.journey.id.clone(),
                    progress,
                    disks: Arc::clone(&self.disks),
                })
                .await?;
            let step = self.strategy.next_step(&stats);
            let said = if said.is_empty() { format!("round {number}: {}", own(&step)) } else { said };
            self.note(&stats, said);
            // As the host that sends takes it.
            match step {
                Step::StopAndCopy if stats.expected_downtime <= allowed => {
                    let (seconds, bytes) = link.time(dirty, compressed, streams, None);
                    self.done.sent += bytes as u64;
                    self.done.downtime_us = Some(micros(seconds));
                    self.done.whole_us = Some(micros(self.now + seconds));
                    return Ok((End::Converged, None));
                }
                Step::SwitchToPostCopy if self.goes_late() => {
                    return Ok(self.late(dirty, compressed, streams));
                }
                Step::Throttle(percent) => throttle = percent.min(self.limits.max_throttle),
                Step::SetMaxDowntime(limit) => max_downtime = limit,
                Step::Compress => compressed = self.agreed.zstd,
                Step::AddStreams(more) => streams = streams.saturating_add(more).min(self.agreed.streams),
                Step::Abort(reason) => return Ok((End::Aborted, Some(reason))),
                Step::Continue | Step::StopAndCopy | Step::SwitchToPostCopy => {}
            }
        }
        let rounds = self.limits.max_rounds;
        let reason = format!("the guest still writes faster than it is sent after {rounds} rounds");
        Ok((End::Aborted, Some(reason)))
    }

    fn goes_late(&self) -> bool {
        self.limits.post_copy && self.agreed.post_copy
    }

    /// The guest goes on at the destination; what it has not written there comes meanwhile.
    fn late(&mut self, dirty: f64, compressed: bool, streams: u16) -> (End, Option<String>) {
        let link = &self.scenario.link;
        let (nothing, _) = link.time(0.0, compressed, streams, None);
        let (seconds, bytes) = link.time(dirty, compressed, streams, None);
        self.done.sent += bytes as u64;
        self.done.downtime_us = Some(micros(2.0 * nothing));
        self.done.whole_us = Some(micros(self.now + seconds));
        (End::PostCopy, None)
    }

    /// What both hosts offer, and what the operator allows.
    fn offered(&self) -> (strategy::Capabilities, strategy::Limits) {
        (contract_offer(&self.agreed, &self.limits), contract_limits(&self.limits))
    }

    fn way(&self) -> Value {
        serde_json::from_str(&session::journey(&self.journey)).unwrap_or_default()
    }

    /// Asks, and has the host's strategy find the answer; what is said of it, or nothing when the host decides.
    async fn advise(&mut self, ask: StrategyAsk) -> Result<String, OfflineError> {
        let (accepted, said) = self.ask(ask).await?;
        let answer = match accepted {
            Some(Accepted::Advice(answer)) => Some(answer),
            _ => None,
        };
        self.prepared.put(answer);
        Ok(said)
    }

    /// Asks, unless the policy gave no answer before.
    async fn ask(&mut self, ask: StrategyAsk) -> Result<(Option<Accepted>, String), OfflineError> {
        if self.done.given_up.is_some() {
            return Ok((None, String::new()));
        }
        let question = Question::Strategy(Box::new(ask.clone()));
        let case = self.case(session::question(&question))?;
        let active = self.offline.active(&case)?;
        let mut asked = self.offline.ask(&case)?;
        // A session of one call does not name the migration that an instance is kept for.
        asked.question = question;
        let outside = Outside {
            services: Arc::new(Machine::default()),
            values: Values::InMemory(Arc::default()),
            daemon: Handle::current(),
            logs: None,
            time: Some(BEGIN + (self.now * 1000.0) as u64),
        };
        let judged = |_: &_, _: &_, answer: Result<_, _>| match answer.and_then(|answer| judge(&ask, answer))
        {
            Ok((accepted, verdict)) => (Ok(accepted), verdict),
            Err(failure) => (Err(failure.to_string()), Verdict::failed(&failure)),
        };
        self.asked = Some(Arc::clone(&active));
        let (accepted, session) = self.offline.asked(&active, asked, outside, judged).await;
        (self.keep)(&session);
        self.done.calls += 1;
        self.done.fuel += session.fuel.unwrap_or_default();
        match accepted {
            Ok(accepted) => Ok((Some(accepted), session.reason.unwrap_or_default())),
            Err(failure) => {
                self.done.given_up = Some(failure);
                Ok((None, String::new()))
            }
        }
    }

    fn case(&self, question: Value) -> Result<Session, OfflineError> {
        let time = BEGIN + (self.now * 1000.0) as u64;
        let call = format!("simulated-{}", self.done.calls);
        Ok(Session::from_json(json!({
            "session": 1,
            "hook": Hook::MigrationStrategy,
            "context": { "call-id": call, "time": time, "config": self.config },
            "question": question,
            "grants": self.grants,
        }))?)
    }

    fn note(&mut self, stats: &RoundStats, step: String) {
        let round = contract_round(stats);
        self.done.rounds.push(SimulatedRound {
            number: round.number,
            elapsed_us: round.elapsed_us,
            duration_us: round.duration_us,
            sent: round.sent,
            written: round.dirty_pages * PAGE as u64,
            bandwidth: round.bandwidth,
            expected_downtime_us: round.expected_downtime_us,
            max_downtime_us: round.max_downtime_us,
            throttle: round.throttle,
            compressed: round.compressed,
            streams: round.streams,
            step,
        });
    }
}

/// What the host's own strategy says.
fn own(step: &Step) -> String {
    let step = match step {
        Step::StopAndCopy => "stop and copy".to_owned(),
        Step::Throttle(percent) => format!("throttle {percent} %"),
        _ => "continue".to_owned(),
    };
    format!("{step}, by the host itself")
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
