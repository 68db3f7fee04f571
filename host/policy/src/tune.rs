//! Tuners: kernel samepage merging. A task asks the tuner on an interval and when domains started or stopped, checks what it
//! wants, applies it as the policy, and puts back what it found when no tuner is left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reeve_events::{Delivery, Subscription};
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::node::{KsmChange, KsmState};
use reeve_model::policy::{Hook, Outcome, PathChange};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::asked::{Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::exports::reeve::tune::ksm_tune::{Adjustment, Snapshot, Wake};
use crate::decisions::Input;
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::host::ksm::contract_ksm;
use crate::host::node::contract_memory;
use crate::instance::{self, Ask};
use crate::services::Services;
use crate::shared::Shared;

/// Where the settings are kept that the first tuner found, so that a killed daemon's successor can put them back.
const FOUND: &str = "ksm-found";

/// Domains that start together wake the tuner once.
const SETTLE: Duration = Duration::from_millis(200);

/// How long who takes the last tuner away waits for the settings. The round in which a tuner is asked ends with its call's deadline.
const PATIENCE: Duration = Duration::from_secs(10);

const ADJUSTMENTS_LIMIT: usize = 16;
const PAGES_TO_SCAN: std::ops::RangeInclusive<u64> = 1..=1_000_000;
const SLEEP_MILLISECS: std::ops::RangeInclusive<u64> = 1..=10_000;

/// What the KSM tuner needs between ticks.
#[derive(Default)]
pub(crate) struct KsmTuner {
    found: Mutex<Option<KsmChange>>,
    /// A round, or settings that are put back: one at a time, so no tuner adjusts what has just been put back.
    round: tokio::sync::Mutex<()>,
    /// Wakes the task when policies were loaded, unloaded or switched.
    pub(crate) changed: Notify,
}

/// Asks the tuner until `stop` is cancelled.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut events: Subscription,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let wake = tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => Wake::Interval,
            () = shared.ksm.changed.notified() => Wake::Interval,
            delivery = events.next() => match delivery {
                None => return,
                Some(Delivery::Event(event)) if changes_domains(&event.kind) => {
                    tokio::time::sleep(SETTLE).await;
                    while events.try_next().is_some() {}
                    Wake::DomainsChanged
                }
                Some(_) => continue,
            },
        };
        if let Err(error) = tick(&shared, wake).await {
            tracing::warn!(%error, "kernel samepage merging cannot be tuned");
        }
    }
}

fn changes_domains(kind: &EventKind) -> bool {
    use DomainChange::{Crashed, Reconnected, Started, Stopped};
    matches!(kind, EventKind::Domain { change: Started | Stopped | Crashed | Reconnected, .. })
}

/// Whether one of them may adjust.
fn tunes(tuners: &[(Arc<Binding>, Arc<Active>)]) -> bool {
    tuners.iter().any(|(binding, active)| active.enforces() && !binding.is_parked())
}

/// A policy that may have tuned, before it is changed or goes.
pub(crate) struct Tuner<'a>(Option<&'a str>);

impl<'a> Tuner<'a> {
    /// What is bound under this name now.
    pub(crate) fn of(shared: &Shared, policy: &'a str) -> Self {
        let tunes = |binding: Arc<Binding>| binding.active().answers(Hook::KsmTune);
        Self(shared.registry.find(policy).is_some_and(tunes).then_some(policy))
    }

    /// Returns when the settings are as they were found, where no tuner is left.
    pub(crate) async fn let_go(self, shared: &Shared) -> Result<(), Error> {
        let Some(policy) = self.0 else { return Ok(()) };
        let put_back = async {
            let _round = shared.ksm.round.lock().await;
            match tunes(&shared.registry.answering(Hook::KsmTune)) {
                true => Ok(()),
                false => restore(shared).await,
            }
        };
        let left = match tokio::time::timeout(PATIENCE, put_back).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let reason = format!("a round of the tuners has not ended within {seconds} s");
                Error::new(ErrorCode::Deadline, reason)
            }
        };
        let message = format!(
            "policy '{policy}' tunes no more, but kernel samepage merging is not set yet as it was found: {}",
            left.message
        );
        let hint = "every round of the tuners tries again; 'reeve node ksm' shows what is set";
        Err(Error::new(left.code, message).with_hint(hint))
    }
}

/// One round: the first enforcing tuner's answer is applied, the others are only logged.
async fn tick(shared: &Arc<Shared>, wake: Wake) -> Result<(), Error> {
    let _round = shared.ksm.round.lock().await;
    let tuners = shared.registry.answering(Hook::KsmTune);
    if !tunes(&tuners) {
        restore(shared).await?;
    }
    let mut decided = false;
    for (binding, active) in tuners {
        let occasion = Occasion::new(shared, Hook::KsmTune, Actor::Daemon, "node".to_owned());
        let counts = active.enforces() && !decided;
        decided |= counts;
        ask(shared, &occasion, &binding, &active, wake, counts).await?;
    }
    Ok(())
}

async fn ask(
    shared: &Arc<Shared>,
    occasion: &Occasion,
    binding: &Arc<Binding>,
    active: &Arc<Active>,
    wake: Wake,
    counts: bool,
) -> Result<(), Error> {
    let services = shared.services();
    let before = services.ksm()?;
    let snapshot = snapshot(&*services, &before, wake).await?;
    let input = Input { active: Arc::clone(active), domain: None, detail: format!("{snapshot:?}") };
    if binding.is_parked() {
        occasion.note_parked(shared, input);
        return Ok(());
    }
    let ask = Ask {
        hook: occasion.hook,
        depth: 0,
        nested: false,
        context: occasion.context(active),
        question: Question::Ksm(snapshot),
    };
    let mut report = instance::run(shared, active, &binding.turns, ask).await;
    let wanted = match std::mem::replace(&mut report.answer, Ok(Answer::Told)) {
        Ok(Answer::Ksm(adjustments)) => change(active, &before, &adjustments),
        Ok(_) => Err(Failure::Refused("a tuner must answer with adjustments".to_owned())),
        Err(failure) => Err(failure),
    };
    let applied = match wanted {
        Ok(change) if counts && change != KsmChange::default() => {
            apply(shared, active, &before, change).await.map(|()| change)
        }
        wanted => wanted,
    };
    let verdict = match applied {
        Ok(change) => Verdict { changes: changes(&before, change), ..Verdict::plain(Outcome::Adjusted) },
        Err(failure) => Verdict::failed(&failure),
    };
    occasion.note(shared, binding, &report, verdict, input);
    Ok(())
}

async fn snapshot(services: &dyn Services, ksm: &KsmState, wake: Wake) -> Result<Snapshot, Error> {
    let committed = services.committed(None).await;
    Ok(Snapshot {
        memory: contract_memory(&services.node_memory()?),
        ksm: contract_ksm(ksm),
        committed: committed.mergeable.0,
        active_domains: committed.active,
        wake,
    })
}

/// What differs from the present state after the adjustments, each clamped; refused without the grant.
pub(crate) fn change(
    active: &Active,
    before: &KsmState,
    adjustments: &[Adjustment],
) -> Result<KsmChange, Failure> {
    if adjustments.len() > ADJUSTMENTS_LIMIT {
        let count = adjustments.len();
        return Err(Failure::Refused(format!(
            "it wants {count} adjustments, {ADJUSTMENTS_LIMIT} are the most"
        )));
    }
    let mut change = KsmChange::default();
    for adjustment in adjustments {
        match *adjustment {
            Adjustment::Run(run @ 0..=2) => change.run = Some(run),
            Adjustment::Run(run) => {
                return Err(Failure::Refused(format!("it wants ksm to run '{run}', only 0, 1 and 2 exist")));
            }
            Adjustment::PagesToScan(pages) => {
                change.pages_to_scan = Some(pages.clamp(*PAGES_TO_SCAN.start(), *PAGES_TO_SCAN.end()));
            }
            Adjustment::SleepMillisecs(sleep) => {
                change.sleep_millisecs = Some(sleep.clamp(*SLEEP_MILLISECS.start(), *SLEEP_MILLISECS.end()));
            }
        }
    }
    change.run = change.run.filter(|run| *run != before.run);
    change.pages_to_scan = change.pages_to_scan.filter(|pages| *pages != before.pages_to_scan);
    change.sleep_millisecs = change.sleep_millisecs.filter(|sleep| *sleep != before.sleep_millisecs);
    if change != KsmChange::default() && !active.grants.permits(Verb::KsmWrite, "") {
        return Err(Failure::Refused(format!("it has not been granted '{}'", Verb::KsmWrite)));
    }
    Ok(change)
}

async fn apply(
    shared: &Shared,
    active: &Active,
    before: &KsmState,
    change: KsmChange,
) -> Result<(), Failure> {
    remember(shared, before).map_err(|error| Failure::Refused(error.to_string()))?;
    let actor = Actor::Policy { name: active.name.clone(), depth: 1 };
    match shared.services().set_ksm(actor, change).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Refused(format!("its adjustment was refused: {error}"))),
    }
}

/// Keeps the settings as they were before the first adjustment.
fn remember(shared: &Shared, before: &KsmState) -> Result<(), Error> {
    let mut found = shared.ksm.found.lock().unwrap_or_else(PoisonError::into_inner);
    if found.is_some() {
        return Ok(());
    }
    // A daemon that was killed left them behind; what is set now is a tuner's work.
    let kept = shared.store.setting(FOUND)?.and_then(|text| serde_json::from_str(&text).ok());
    let settings = kept.unwrap_or(KsmChange {
        run: Some(before.run),
        pages_to_scan: Some(before.pages_to_scan),
        sleep_millisecs: Some(before.sleep_millisecs),
        merge_across_nodes: None,
    });
    shared.store.put_setting(FOUND, &serde_json::to_string(&settings).unwrap_or_default())?;
    *found = Some(settings);
    Ok(())
}

/// Puts back what the first tuner found, once.
pub(crate) async fn restore(shared: &Shared) -> Result<(), Error> {
    let found = shared.ksm.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    let found = match found {
        Some(found) => Some(found),
        None => shared.store.setting(FOUND)?.and_then(|text| serde_json::from_str(&text).ok()),
    };
    let Some(found) = found else { return Ok(()) };
    shared.services().set_ksm(Actor::Daemon, found).await?;
    shared.store.put_setting(FOUND, "")?;
    tracing::info!(?found, "kernel samepage merging is as it was before it was tuned");
    Ok(())
}

pub(crate) fn changes(before: &KsmState, change: KsmChange) -> Vec<PathChange> {
    let row = |path: &str, before: u64, after: Option<u64>| {
        after.map(|after| PathChange {
            path: format!("node.ksm.{path}"),
            before: Some(before.to_string()),
            after: Some(after.to_string()),
        })
    };
    [
        row("run", before.run.into(), change.run.map(u64::from)),
        row("pages_to_scan", before.pages_to_scan, change.pages_to_scan),
        row("sleep_millisecs", before.sleep_millisecs, change.sleep_millisecs),
    ]
    .into_iter()
    .flatten()
    .collect()
}
