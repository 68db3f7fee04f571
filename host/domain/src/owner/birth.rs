//! How an owner comes to its machine: by a start, or from a daemon that was there before.

use std::collections::BTreeSet;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;

use reeve_model::domain::DomainConfig;
use reeve_model::event::DomainChange;
use reeve_model::{Actor, Error, StateReason};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::{Command, Owner};
use crate::driver::{Driver, DriverError, StartSpec, Started};
use crate::entry::Entry;
use crate::error::DomainError;
use crate::migration::Incoming;
use crate::record::RuntimeRecord;
use crate::registry::Shared;
use crate::state::{Occurrence, Phase};
use crate::{devices, ending};

/// What has to be done once a machine is made and recorded, before its guest can run. Where it fails there is no machine, and its guest has
/// not run.
pub type BeforeRun = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What a machine begins with.
pub(crate) enum Origin {
    /// The first instruction of its kernel.
    Kernel,
    /// What was saved.
    Image(File),
    /// A guest that comes from another host.
    Host(Incoming),
}

/// All a start needs.
pub(crate) struct Birth {
    pub shared: Arc<Shared>,
    pub entry: Arc<Entry>,
    pub actor: Actor,
    pub driver: Arc<dyn Driver>,
    pub id: u32,
    pub config: Arc<DomainConfig>,
    pub origin: Origin,
    pub before: Option<BeforeRun>,
    pub paused: bool,
    pub commands: mpsc::Receiver<Command>,
    pub started: oneshot::Sender<Result<(), DomainError>>,
}

/// Makes a machine, lets it run, and stays with it until it ends.
pub(crate) async fn start(birth: Birth) {
    let Birth { shared, entry, actor, driver, id, config, origin, before, paused, commands, started } = birth;
    let spec = StartSpec { id, config };
    match bring_up_after(&shared, &entry, driver.as_ref(), spec, origin, before, paused).await {
        Ok(Started { machine, events, .. }) => {
            entry.emit(&entry.lock(), shared.sink.as_ref(), &actor, DomainChange::Started);
            // A caller that stopped waiting does not undo the start.
            let _ = started.send(Ok(()));
            let owner = Owner {
                shared,
                entry,
                driver,
                id,
                machine,
                events,
                commands,
                rebooting: None,
                shutting_down: None,
                ready: BTreeSet::new(),
            };
            Box::pin(owner.run()).await;
        }
        Err(error) => {
            entry.end(Phase::Off(StateReason::Failed));
            shared.remove_if_transient(&entry);
            let _ = started.send(Err(error));
        }
    }
}

/// Takes a machine over that an earlier daemon made. Answers the error when it is gone.
pub(crate) async fn adopt(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    driver: &Arc<dyn Driver>,
    mut record: RuntimeRecord,
) -> Result<(), DriverError> {
    let Started { machine, events, vcpus, process, socket, missing, present, clock } =
        driver.adopt(&record).await?;
    let mut changed = false;
    for alias in &missing {
        changed |= devices::remove_named(&mut record.config, alias);
    }
    changed |= present.is_some_and(|count| devices::count_vcpus(&mut record.config, count));
    // The definition may have another adjustment by now: it gives way only to one that was set since.
    let clock_set = clock.is_some_and(|seconds| record.config.clock.keep(seconds));
    changed |= clock_set;
    if changed && let Err(error) = shared.keeper.keep(&record).await {
        let cause = error.0;
        warn!(domain = entry.name, %cause, "what came or went while no daemon ran is not recorded");
    }
    let (sender, commands) = mpsc::channel(crate::turn::COMMANDS);
    {
        let mut inner = entry.lock();
        inner.phase = crate::turn::adopted_phase(vcpus);
        inner.clock_set = clock_set.then(|| record.config.clock.clone());
        inner.live = Some(crate::entry::Live {
            id: record.id,
            config: Arc::new(record.config),
            machine: Some(machine.clone()),
            process,
            socket,
            owner: sender,
        });
        entry.emit(&inner, shared.sink.as_ref(), &Actor::Daemon, DomainChange::Reconnected);
    }
    let mut owner = Owner {
        shared: shared.clone(),
        entry: entry.clone(),
        driver: driver.clone(),
        id: record.id,
        machine,
        events,
        commands,
        rebooting: None,
        shutting_down: None,
        ready: BTreeSet::new(),
    };
    // Jobs may have ended while no daemon ran; what an interrupted operation does next depends on it.
    owner.note_block_jobs().await;
    tokio::spawn(owner.run());
    Ok(())
}

/// The machine is made, recorded and runs, or there is nothing of it. One whose guest comes from another host lets it run by itself.
pub(super) async fn bring_up(
    shared: &Shared,
    entry: &Entry,
    driver: &dyn Driver,
    spec: StartSpec,
    origin: Origin,
    paused: bool,
) -> Result<Started, DomainError> {
    bring_up_after(shared, entry, driver, spec, origin, None, paused).await
}

/// The same, with something that comes first.
async fn bring_up_after(
    shared: &Shared,
    entry: &Entry,
    driver: &dyn Driver,
    spec: StartSpec,
    origin: Origin,
    before: Option<BeforeRun>,
    paused: bool,
) -> Result<Started, DomainError> {
    let (doing, made) = match &origin {
        Origin::Image(_) => ("restored", Occurrence::Restored),
        Origin::Kernel => ("started", Occurrence::Made),
        Origin::Host(_) => ("started", Occurrence::Came),
    };
    let failed = |source| entry.driver_error(doing, source);
    let (id, config, comes) = (spec.id, spec.config.clone(), matches!(origin, Origin::Host(_)));
    let record = |process, socket| RuntimeRecord {
        uuid: entry.uuid,
        id,
        driver: driver.kind().to_owned(),
        boot_id: shared.boot_id.clone(),
        process,
        socket,
        config: config.as_ref().clone(),
    };
    let not_kept = |source| DomainError::Keeper { name: entry.name.clone(), doing, source };
    let started = match origin {
        Origin::Kernel => driver.start(spec).await.map_err(failed)?,
        Origin::Image(image) => driver.restore(spec, image).await.map_err(failed)?,
        Origin::Host(incoming) => {
            let awaiting = driver.await_guest(spec, incoming).await.map_err(failed)?;
            // From the moment it has the stream it takes the guest and runs it, whatever becomes of this daemon: the next one has to
            // know of it by then.
            if let Err(source) = shared.keeper.keep(&record(awaiting.process(), awaiting.socket())).await {
                awaiting.end().await;
                return Err(not_kept(source));
            }
            let received = awaiting.receive().await;
            if received.is_err() {
                ending::forget(shared, entry).await;
            }
            received.map_err(failed)?
        }
    };
    if !comes {
        let record = record(started.process, started.socket.clone());
        let begun = async {
            // A guest that was saved must not run before this: the next daemon would end a machine that it does not know, and make another one of
            // what was saved, on disks that have changed since.
            shared.keeper.keep(&record).await.map_err(not_kept)?;
            if let Some(before) = before {
                let not_ready = |source| DomainError::NotReady { name: entry.name.clone(), doing, source };
                before.await.map_err(not_ready)?;
            }
            match paused {
                true => Ok(()),
                false => started.machine.resume().await.map_err(failed),
            }
        };
        if let Err(error) = begun.await {
            // In this order: a daemon that dies in between leaves a machine without a record, which the next one ends.
            ending::forget(shared, entry).await;
            started.machine.destroy().await;
            return Err(error);
        }
    }
    let mut inner = entry.lock();
    if let Some(live) = &mut inner.live {
        live.machine = Some(started.machine.clone());
        live.process = started.process;
        live.socket = started.socket.clone();
    }
    inner.advance(made);
    if !paused {
        inner.advance(Occurrence::Resumed);
    }
    drop(inner);
    Ok(started)
}
