//! Strategies of live migrations: one policy steers a migration from its plan to its last round, others are asked beside it and only
//! logged. A policy that gives no answer that counts is not asked again in this migration, and the host goes on by itself: a
//! migration never fails, and a guest never waits, because of a broken strategy.

mod bounds;
mod contract;
mod seat;

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_actions::policy_port::{Steering, StrategyRequest};
use reeve_migrate::{Capabilities, StrategyAnswer, StrategyQuestion};
use reeve_model::migration::MigrationLimits;
use reeve_model::policy::{Hook, Outcome};
use reeve_model::{Actor, Error, ErrorCode};
use tokio::sync::Mutex;

use crate::asked::{Occasion, Verdict};
use crate::bindings::reeve::migration::disks::MigratedDisk;
use crate::bindings::reeve::migration::journey::Journey;
use crate::bindings::reeve::migration::strategy;
use crate::exports::Answer;
use crate::failure::{Failure, shorten};
use crate::host::domain_config::DomainView;
use crate::shared::Shared;
use bounds::{bounded_plan, bounded_step};
pub(crate) use contract::{
    contract_disks, contract_journey, contract_limits, contract_offer, contract_round,
};
use seat::Seat;

/// Rounds that a strategy is told of at most.
pub(crate) const ROUNDS: usize = 16;
const REASON_LIMIT: usize = 1024;

/// The disks of a guest that moves, as a policy is told of them.
pub(crate) type Disks = Arc<[MigratedDisk]>;

/// What a strategy is asked.
#[derive(Clone)]
pub(crate) enum StrategyAsk {
    /// Whether it may begin.
    Precheck { domain: DomainView, journey: Journey, disks: Disks },
    /// How to begin.
    Plan { offered: strategy::Capabilities, limits: strategy::Limits, journey: Journey, disks: Disks },
    /// How to go on.
    Step { migration: String, progress: strategy::Progress, disks: Disks },
}

impl StrategyAsk {
    /// The migration that an instance is kept for.
    pub(crate) fn migration(&self) -> &str {
        match self {
            Self::Precheck { journey, .. } | Self::Plan { journey, .. } => &journey.id,
            Self::Step { migration, .. } => migration,
        }
    }

    /// The disks of the guest.
    pub(crate) fn disks(&self) -> Disks {
        match self {
            Self::Precheck { disks, .. } | Self::Plan { disks, .. } | Self::Step { disks, .. } => {
                Arc::clone(disks)
            }
        }
    }

    /// The document it is about, where there is one.
    pub(crate) fn domain(&self) -> Option<&DomainView> {
        match self {
            Self::Precheck { domain, .. } => Some(domain),
            Self::Plan { .. } | Self::Step { .. } => None,
        }
    }
}

/// An answer as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It may begin, or why not.
    Precheck(Option<String>),
    /// For the source's machine.
    Advice(StrategyAnswer),
}

/// Judges an answer: what goes beyond the operator's limits or what both hosts offer is cut, and said.
pub(crate) fn judge(ask: &StrategyAsk, answer: Answer) -> Result<(Accepted, Verdict), Failure> {
    let proposed = |reason: String| Verdict { reason, ..Verdict::plain(Outcome::Proposed) };
    match (ask, answer) {
        (StrategyAsk::Precheck { .. }, Answer::Objection(None)) => {
            Ok((Accepted::Precheck(None), Verdict::plain(Outcome::Allow)))
        }
        (StrategyAsk::Precheck { .. }, Answer::Objection(Some(why))) => {
            let why = if why.trim().is_empty() { "the policy gave no reason" } else { &why };
            let reason = shorten(why, REASON_LIMIT);
            let verdict = Verdict { reason: reason.clone(), ..Verdict::plain(Outcome::Deny) };
            Ok((Accepted::Precheck(Some(reason)), verdict))
        }
        (StrategyAsk::Plan { offered, limits, .. }, Answer::Plan(plan)) => {
            let (plan, said) = bounded_plan(plan, offered, limits);
            Ok((Accepted::Advice(StrategyAnswer::Plan(plan)), proposed(said)))
        }
        (StrategyAsk::Step { progress, .. }, Answer::Step(step)) => {
            let (step, said) = bounded_step(step, progress);
            Ok((Accepted::Advice(StrategyAnswer::Step(step)), proposed(said)))
        }
        _ => Err(Failure::Refused("it must answer with what a strategy is asked".to_owned())),
    }
}

/// Finds who steers a migration and asks whether it may begin; none leaves it to the host.
pub(crate) async fn steer(
    shared: &Arc<Shared>,
    request: StrategyRequest,
) -> Result<Option<Box<dyn Steering>>, Error> {
    let StrategyRequest { actor, state, config, journey, disks, policy } = request;
    let hook = Hook::MigrationStrategy;
    let bindings = shared.registry.answering(hook);
    let named = policy.as_deref();
    if let Some(name) = named {
        let active = shared.registry.get(name)?.active();
        if !active.answers(hook) || !active.enforces() {
            let message = format!("policy '{name}' steers no migrations: it does not enforce '{hook}'");
            return Err(Error::new(ErrorCode::Invalid, message).with_hint(
                "'reeve policy show' tells its hooks and mode; '--strategy host' takes the host's own",
            ));
        }
    }
    let (mut deciding, mut watching) = (None, Vec::new());
    let id = journey.id.to_string();
    for (binding, active) in bindings {
        let is_it = deciding.is_none() && active.enforces() && named.is_none_or(|name| name == active.name);
        let seat = Seat::new(binding, active, &id);
        if is_it {
            deciding = Some(seat);
        } else {
            watching.push(seat);
        }
    }
    let name = config.name.clone();
    let (watched, watching) = (!watching.is_empty(), Arc::new(Mutex::new(watching)));
    let journey = contract_journey(&journey);
    let disks = contract_disks(&config, &disks);
    let mut steered = Steered {
        shared: Arc::clone(shared),
        actor,
        domain: name.clone(),
        journey: journey.clone(),
        disks: Arc::clone(&disks),
        agreed: Capabilities::OURS,
        rounds: VecDeque::new(),
        deciding,
        watched,
        watching,
    };
    let precheck = StrategyAsk::Precheck { domain: DomainView { config, state }, journey, disks };
    let accepted = steered.ask(precheck).await;
    if let (Some(Accepted::Precheck(Some(reason))), Some(seat)) = (&accepted, &steered.deciding) {
        let policy = seat.policy();
        let message = format!("policy '{policy}' objects to the migration of domain '{name}': {reason}");
        return Err(Error::new(ErrorCode::Denied, message));
    }
    // Where nobody decides, or not any more, the host goes on by itself, and is watched where somebody does.
    let is_asked = accepted.is_some() || watched;
    Ok(is_asked.then(|| Box::new(steered) as Box<dyn Steering>))
}

/// A migration with its policies.
struct Steered {
    shared: Arc<Shared>,
    actor: Actor,
    domain: String,
    journey: Journey,
    disks: Disks,
    agreed: Capabilities,
    rounds: VecDeque<strategy::Round>,
    deciding: Option<Seat>,
    /// Somebody is asked beside it.
    watched: bool,
    watching: Arc<Mutex<Vec<Seat>>>,
}

impl Steered {
    /// Asks everybody; the answer of the one that decides, when it counts.
    async fn ask(&mut self, ask: StrategyAsk) -> Option<Accepted> {
        let occasion =
            Occasion::new(&self.shared, Hook::MigrationStrategy, self.actor.clone(), self.domain.clone());
        let decided = match &mut self.deciding {
            Some(seat) => seat.ask(&self.shared, &occasion, &ask).await,
            None => None,
        };
        // The others cost the migration nothing: one that still thinks about the last round misses this one.
        if let Ok(mut watching) = Arc::clone(&self.watching).try_lock_owned()
            && !watching.is_empty()
        {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                for seat in watching.iter_mut() {
                    seat.ask(&shared, &occasion, &ask).await;
                }
            });
        }
        decided
    }
}

#[async_trait]
impl Steering for Steered {
    async fn answer(&mut self, question: StrategyQuestion, limits: MigrationLimits) -> StrategyAnswer {
        if let StrategyQuestion::Plan(agreed) = question {
            self.agreed = agreed;
        }
        let (offered, limits) = (contract_offer(&self.agreed, &limits), contract_limits(&limits));
        let disks = Arc::clone(&self.disks);
        let ask = match question {
            StrategyQuestion::Plan(_) => {
                StrategyAsk::Plan { offered, limits, journey: self.journey.clone(), disks }
            }
            StrategyQuestion::Step(stats) => {
                self.rounds.push_back(contract_round(&stats));
                if self.rounds.len() > ROUNDS {
                    self.rounds.pop_front();
                }
                let rounds = self.rounds.iter().copied().collect();
                let progress = strategy::Progress { capabilities: offered, limits, rounds };
                StrategyAsk::Step { migration: self.journey.id.clone(), progress, disks }
            }
        };
        match self.ask(ask).await {
            Some(Accepted::Advice(answer)) => answer,
            _ if self.watched => StrategyAnswer::Own,
            _ => StrategyAnswer::Nothing,
        }
    }
}
