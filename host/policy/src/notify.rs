//! Notify hooks: a task follows the event bus and tells the policies. Publishers never wait for it; each policy has its own
//! bounded queue, in order per domain, and a few calls at a time.

use std::collections::HashMap;
use std::sync::Arc;

use reeve_events::{Delivery, Subscription};
use reeve_model::Actor;
use reeve_model::event::{DaemonChange, DomainChange, Event, EventKind, FilterChange};
use reeve_model::network::NetworkChange;
use reeve_model::policy::{Hook, Outcome};
use reeve_model::storage::PoolChange;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::DEPTH_LIMIT;
use crate::asked::{Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::exports::reeve::hooks::{network_events, storage_events};
use crate::bindings::reeve::events::events;
use crate::decisions::Input;
use crate::exports::Question;
use crate::host::domain_config::contract_state;
use crate::instance::{self, Ask};
use crate::queue::SubjectQueue;
use crate::shared::Shared;

const QUEUE: usize = 1024;
const AT_ONCE: usize = 4;

/// A queue a policy, and what is out of it.
struct Outbox {
    queue: SubjectQueue<Arc<Event>>,
    out: usize,
}

struct Done {
    policy: String,
    subject: String,
}

/// Follows the bus until it closes or `stop` is cancelled.
pub(crate) async fn follow(shared: Arc<Shared>, mut events: Subscription, stop: CancellationToken) {
    let mut outboxes: HashMap<String, Outbox> = HashMap::new();
    let mut calls: JoinSet<Done> = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            delivery = events.next() => match delivery {
                None => return,
                Some(Delivery::Lagged { missed }) => {
                    tracing::warn!(missed, "notify hooks were too slow: {missed} events were not told");
                }
                Some(Delivery::Event(event)) => enqueue(&shared, &mut outboxes, &event),
            },
            Some(done) = calls.join_next() => {
                if let Ok(Done { policy, subject }) = done
                    && let Some(outbox) = outboxes.get_mut(&policy)
                {
                    outbox.out -= 1;
                    outbox.queue.done(&subject);
                }
            }
        }
        for (policy, outbox) in &mut outboxes {
            let Some(binding) = shared.registry.find(policy) else { continue };
            while outbox.out < AT_ONCE
                && let Some((subject, event)) = outbox.queue.pop()
            {
                outbox.out += 1;
                let (shared, binding) = (Arc::clone(&shared), Arc::clone(&binding));
                calls.spawn(async move {
                    tell(&shared, &binding, &event).await;
                    Done { policy: binding.name().to_owned(), subject }
                });
            }
        }
        outboxes.retain(|policy, outbox| outbox.out > 0 || shared.registry.find(policy).is_some());
    }
}

/// Puts an event into the queue of every policy that listens to it.
fn enqueue(shared: &Shared, outboxes: &mut HashMap<String, Outbox>, event: &Arc<Event>) {
    let (hook, subject) = match &event.kind {
        EventKind::Domain { name, .. } => (Hook::DomainEvents, name.as_str()),
        // The stop is told by `stopping`, which waits for it.
        // The contract has no hook for secrets.
        EventKind::Daemon { change: DaemonChange::Stopping }
        | EventKind::Policy { .. }
        | EventKind::Secret { .. } => return,
        EventKind::Pool { name, .. } => (Hook::StorageEvents, name.as_str()),
        EventKind::Network { name, .. } | EventKind::Filter { name, .. } => {
            (Hook::NetworkEvents, name.as_str())
        }
        EventKind::Daemon { .. } => (Hook::DaemonEvents, "daemon"),
    };
    for (binding, _) in shared.registry.answering(hook) {
        let outbox = outboxes
            .entry(binding.name().to_owned())
            .or_insert_with(|| Outbox { queue: SubjectQueue::new(QUEUE), out: 0 });
        if !outbox.queue.push(subject, Arc::clone(event)) {
            shared.metrics.event_dropped(binding.name());
            tracing::warn!(
                policy = binding.name(),
                seq = event.seq,
                "the queue is full, an event was not told"
            );
        }
    }
}

async fn tell(shared: &Shared, binding: &Arc<Binding>, event: &Event) {
    let active = binding.active();
    let (hook, subject, question) = match &event.kind {
        EventKind::Domain { name, .. } => {
            let Some(told) = contract_domain_event(event) else { return };
            (Hook::DomainEvents, name.clone(), Question::DomainEvent(told))
        }
        EventKind::Daemon { change } => {
            (Hook::DaemonEvents, "daemon".to_owned(), Question::DaemonEvent(contract_daemon_change(*change)))
        }
        EventKind::Network { name, .. } | EventKind::Filter { name, .. } => {
            let Some(told) = contract_network_event(&event.kind) else { return };
            (Hook::NetworkEvents, name.clone(), Question::NetworkEvent(told))
        }
        EventKind::Pool { name, .. } => {
            let Some(told) = contract_storage_event(&event.kind) else { return };
            (Hook::StorageEvents, name.clone(), Question::StorageEvent(told))
        }
        EventKind::Policy { .. } | EventKind::Secret { .. } => return,
    };
    if !active.answers(hook) {
        return;
    }
    let detail = serde_json::to_string(event).unwrap_or_default();
    ask(
        shared,
        binding,
        &active,
        Occasion::new(shared, hook, event.actor.clone(), subject),
        question,
        detail,
    )
    .await;
}

async fn ask(
    shared: &Shared,
    binding: &Arc<Binding>,
    active: &Arc<Active>,
    occasion: Occasion,
    question: Question,
    detail: String,
) {
    let input = Input { active: Arc::clone(active), domain: None, detail };
    if binding.is_parked() {
        return occasion.note_parked(shared, input);
    }
    let ask = Ask {
        hook: occasion.hook,
        // A policy that answers its own events could go on for ever; its calls are refused at the limit.
        depth: occasion.depth().min(DEPTH_LIMIT),
        nested: false,
        context: occasion.context(active),
        question,
    };
    let report = instance::run(shared, active, &binding.turns, ask).await;
    let verdict = match &report.answer {
        Ok(_) => Verdict::plain(Outcome::Notified),
        Err(failure) => Verdict::failed(failure),
    };
    occasion.note(shared, binding, &report, verdict, input);
}

/// Tells every policy that the daemon is about to end, and waits for all of them, each within its deadline.
pub(crate) async fn stopping(shared: &Arc<Shared>) {
    let mut calls = JoinSet::new();
    for (binding, active) in shared.registry.answering(Hook::DaemonEvents) {
        let shared = Arc::clone(shared);
        calls.spawn(async move {
            let occasion = Occasion::new(&shared, Hook::DaemonEvents, Actor::Daemon, "daemon".to_owned());
            let question = Question::DaemonEvent(contract_daemon_change(DaemonChange::Stopping));
            ask(&shared, &binding, &active, occasion, question, "stopping".to_owned()).await;
        });
    }
    while calls.join_next().await.is_some() {}
}

/// The contract's form of a domain's event; none for any other.
pub(crate) fn contract_domain_event(event: &Event) -> Option<events::DomainEvent> {
    let EventKind::Domain { uuid, name, change, state, reason } = &event.kind else { return None };
    Some(events::DomainEvent {
        seq: event.seq,
        uuid: uuid.to_string(),
        name: name.clone(),
        change: contract_change(*change),
        state: contract_state(*state),
        reason: reason.as_str().to_owned(),
    })
}

/// The contract's form of an event of a network or filter; none for any other.
fn contract_network_event(kind: &EventKind) -> Option<network_events::NetworkEvent> {
    use network_events::Change;
    let (uuid, name, change, detail) = match kind {
        EventKind::Network { uuid, name, change, detail } => {
            let change = match change {
                NetworkChange::Defined => Change::Defined,
                NetworkChange::Undefined => Change::Undefined,
                NetworkChange::Started => Change::Started,
                NetworkChange::Stopped => Change::Stopped,
                NetworkChange::Updated => Change::Updated,
                NetworkChange::PortPlugged => Change::PortPlugged,
                NetworkChange::PortUnplugged => Change::PortUnplugged,
                NetworkChange::LeaseAcquired => Change::LeaseAcquired,
                NetworkChange::LeaseExpired => Change::LeaseExpired,
                NetworkChange::ServiceRestarted => Change::ServiceRestarted,
            };
            (uuid, name, change, detail.clone())
        }
        EventKind::Filter { uuid, name, change } => {
            let detail = match change {
                FilterChange::Defined => "defined",
                FilterChange::Undefined => "undefined",
                FilterChange::Failed => "failed",
            };
            (uuid, name, Change::FilterChanged, detail.to_owned())
        }
        _ => return None,
    };
    Some(network_events::NetworkEvent { uuid: uuid.to_string(), name: name.clone(), change, detail })
}

/// The contract's form of an event of a pool; none for any other.
fn contract_storage_event(kind: &EventKind) -> Option<storage_events::StorageEvent> {
    use storage_events::StorageChange as Change;
    let EventKind::Pool { uuid, name, change, detail } = kind else { return None };
    let change = match change {
        PoolChange::Defined => Change::Defined,
        PoolChange::Undefined => Change::Undefined,
        PoolChange::Built => Change::Built,
        PoolChange::Updated => Change::Updated,
        PoolChange::Started => Change::Started,
        PoolChange::Stopped => Change::Stopped,
        PoolChange::Deleted => Change::Deleted,
        PoolChange::Refreshed => Change::Refreshed,
        PoolChange::LowSpace => Change::LowSpace,
        PoolChange::VolumeCreated => Change::VolumeCreated,
        PoolChange::VolumeDeleted => Change::VolumeDeleted,
        PoolChange::VolumeResized => Change::VolumeResized,
        PoolChange::VolumeWiped => Change::VolumeWiped,
        PoolChange::VolumeUploaded => Change::VolumeWritten,
    };
    let (name, detail) = (name.clone(), detail.clone());
    Some(storage_events::StorageEvent { uuid: uuid.to_string(), name, change, detail })
}

/// The contract's form of what happened to the daemon.
pub(crate) fn contract_daemon_change(change: DaemonChange) -> events::DaemonChange {
    match change {
        DaemonChange::Started => events::DaemonChange::Started,
        DaemonChange::Stopping => events::DaemonChange::Stopping,
        DaemonChange::Reloaded => events::DaemonChange::Reloaded,
    }
}

fn contract_change(change: DomainChange) -> events::DomainChange {
    match change {
        DomainChange::Defined => events::DomainChange::Defined,
        DomainChange::Undefined => events::DomainChange::Undefined,
        DomainChange::Started => events::DomainChange::Started,
        // The contract tells apart neither who suspends nor who resumes.
        DomainChange::Suspended | DomainChange::PmSuspended => events::DomainChange::Suspended,
        DomainChange::Resumed | DomainChange::PmWoken => events::DomainChange::Resumed,
        DomainChange::ShutdownRequested => events::DomainChange::ShutdownRequested,
        DomainChange::Rebooted => events::DomainChange::Rebooted,
        DomainChange::Stopped => events::DomainChange::Stopped,
        DomainChange::Released => events::DomainChange::Released,
        DomainChange::Crashed => events::DomainChange::Crashed,
        DomainChange::Reconnected => events::DomainChange::Reconnected,
        DomainChange::DeviceAttached => events::DomainChange::DeviceAttached,
        DomainChange::DeviceDetached => events::DomainChange::DeviceDetached,
        // The contract knows neither block jobs nor clocks.
        DomainChange::BlockJobReady
        | DomainChange::ClockChanged
        | DomainChange::BlockJobCompleted
        | DomainChange::BlockJobFailed
        | DomainChange::BlockJobCanceled
        | DomainChange::Changed => events::DomainChange::Changed,
    }
}
