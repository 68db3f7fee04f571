//! The exclusive right to change one domain, and the changes.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reeve_model::api::SetDescription;
use reeve_model::block_job::BlockJobWork;
use reeve_model::domain::{Disk, DomainConfig};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::tuning::Tuning;
use reeve_model::{Actor, Bytes, StateReason};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::Request;
use crate::admission::Ticket;
use crate::driver::{BlockJobDemand, Device};
use crate::entry::{Entry, Live};
use crate::error::DomainError;
use crate::migration::Incoming;
use crate::names;
use crate::owner::{self, Ask, BeforeRun, Birth, Command, Origin};
use crate::registry::Domains;
use crate::state::{Occurrence, Phase};

/// How to start.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The effective configuration; name and UUID are the domain's.
    pub config: DomainConfig,
    /// Leave the vCPUs stopped.
    pub paused: bool,
}

/// The exclusive right to change one domain. Every method checks the state again, so a turn taken for a start may also be used to
/// undo it. What is asked goes on when the caller stops waiting.
pub struct Turn {
    domains: Domains,
    entry: Arc<Entry>,
    actor: Actor,
    ticket: Ticket,
    /// The number of the instance that it starts next; 0 while it has none yet.
    number: AtomicU32,
}

/// Commands that may wait for one owner; the admission queue lets one through at a time.
pub(crate) const COMMANDS: usize = 2;

impl Turn {
    pub(crate) fn new(domains: Domains, entry: Arc<Entry>, actor: Actor, ticket: Ticket) -> Self {
        Self { domains, entry, actor, ticket, number: AtomicU32::new(0) }
    }

    /// The domain's UUID.
    pub fn uuid(&self) -> Uuid {
        self.entry.uuid
    }

    /// The domain's name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// On whose behalf.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The row of the domain as it is now.
    pub fn summary(&self) -> DomainSummary {
        self.entry.summary(&self.entry.lock())
    }

    /// The domain as it is now; an error for a transient one that has not started.
    pub fn snapshot(&self) -> Result<DomainSnapshot, DomainError> {
        self.domains.snapshot(self.entry.uuid)
    }

    /// Whether `request` makes sense in the state of now.
    pub fn check(&self, request: Request) -> Result<(), DomainError> {
        let phase = self.entry.lock().phase;
        phase.permits(request).map_err(|sentence| self.wrong_state(sentence))
    }

    /// Whether somebody waits for this turn to end so that the domain is ended by force. What takes long and can be done again gives up then.
    pub fn is_to_be_destroyed(&self) -> bool {
        self.entry.lock().admission.waits(Request::Destroy)
    }

    /// Ends when [`Self::is_to_be_destroyed`]. It does not hold the turn.
    pub fn to_be_destroyed(&self) -> impl Future<Output = ()> + Send + use<> {
        let entry = self.entry.clone();
        async move {
            loop {
                let mut offered = std::pin::pin!(entry.offered.notified());
                // Before it is looked whether somebody waits: else one who comes in between would not be seen.
                offered.as_mut().enable();
                if entry.lock().admission.waits(Request::Destroy) {
                    return;
                }
                offered.await;
            }
        }
    }

    /// Lets those go first who wait and may go beside a job on images, which they do not change. Only for who changes nothing meanwhile, and
    /// keeps nothing of the definition that it read before: somebody who tunes the domain may have replaced it.
    pub async fn lend(&self) {
        while let Some(back) = self.entry.lend(self.ticket) {
            // It is told in any case: a turn that is lent comes back when the other one ends, however that is.
            let _ = back.await;
        }
    }

    /// The number of the instance that this turn starts next: for who has to know it before it is there.
    pub fn next_instance(&self) -> u32 {
        let number = match self.number.load(Ordering::Relaxed) {
            0 => self.domains.shared.issue_id(),
            number => number,
        };
        self.number.store(number, Ordering::Relaxed);
        number
    }

    /// Makes a machine and lets it run. A failure leaves nothing behind.
    pub async fn start(&self, options: StartOptions) -> Result<DomainSummary, DomainError> {
        self.bring_up(options, Origin::Kernel, None).await
    }

    /// Makes a machine that goes on from what [`save`](Self::save) wrote. A failure leaves nothing behind, and the image as it is.
    pub async fn restore(&self, options: StartOptions, image: File) -> Result<DomainSummary, DomainError> {
        self.bring_up(options, Origin::Image(image), None).await
    }

    /// As [`Self::start`], or as [`Self::restore`] where there is an image. `before` is done when the machine is there and recorded, and its guest
    /// has not run yet.
    pub async fn start_after(
        &self,
        options: StartOptions,
        image: Option<File>,
        before: BeforeRun,
    ) -> Result<DomainSummary, DomainError> {
        self.bring_up(options, image.map_or(Origin::Kernel, Origin::Image), Some(before)).await
    }

    /// Makes a machine that waits for its guest, and answers once it does. It is paused until [`Self::arrive`].
    pub async fn receive(
        &self,
        config: DomainConfig,
        incoming: Incoming,
    ) -> Result<DomainSummary, DomainError> {
        self.bring_up(StartOptions { config, paused: true }, Origin::Host(incoming), None).await
    }

    /// Notes that the guest runs here, after it has come or was to leave and stays.
    pub async fn arrive(&self) -> Result<(), DomainError> {
        self.ask(Request::Migrate, Ask::Arrive).await
    }

    /// Notes that the guest goes on at another host, which fetches the rest of its memory from here.
    pub async fn leave(&self) -> Result<(), DomainError> {
        self.ask(Request::Migrate, Ask::Leave).await
    }

    /// Notes that the connection broke before all of the guest's memory was here.
    pub async fn sever(&self) -> Result<(), DomainError> {
        self.ask(Request::Migrate, Ask::Sever).await
    }

    /// Ends the machine of a guest that was lost on its way to another host.
    pub async fn lose(&self) -> Result<(), DomainError> {
        self.ask(Request::Destroy, Ask::Lose).await
    }

    /// Ends the machine of a guest that has gone to another host.
    pub async fn depart(&self) -> Result<(), DomainError> {
        self.ask(Request::Destroy, Ask::Depart).await
    }

    async fn bring_up(
        &self,
        options: StartOptions,
        origin: Origin,
        before: Option<BeforeRun>,
    ) -> Result<DomainSummary, DomainError> {
        let StartOptions { mut config, paused } = options;
        if config.uuid != self.entry.uuid || config.name != self.entry.name {
            return Err(DomainError::Identity { name: self.entry.name.clone(), other: config.name });
        }
        let shared = &self.domains.shared;
        let driver = shared.driver(&config)?.clone();
        let refusals = driver.check(&config);
        if !refusals.is_empty() {
            let (name, driver) = (self.entry.name.clone(), driver.kind().to_owned());
            return Err(DomainError::Refused { name, driver, refusals });
        }
        names::assign(&mut config);
        driver.settle(&mut config);
        let config = Arc::new(config);
        let (owner, commands) = mpsc::channel(COMMANDS);
        let id = {
            let mut inner = self.entry.lock();
            inner.phase.permits(Request::Start).map_err(|sentence| self.wrong_state(sentence))?;
            inner.advance(Occurrence::StartBegan);
            let id = self.next_instance();
            self.number.store(0, Ordering::Relaxed);
            let config = config.clone();
            inner.live = Some(Live { id, config, machine: None, process: None, socket: None, owner });
            id
        };
        let (started, done) = oneshot::channel();
        tokio::spawn(owner::start(Birth {
            shared: shared.clone(),
            entry: self.entry.clone(),
            actor: self.actor.clone(),
            driver,
            id,
            config,
            origin,
            before,
            paused,
            commands,
            started,
        }));
        done.await.unwrap_or_else(|_| Err(self.wrong_state("was not started: the daemon is ending")))?;
        Ok(self.summary())
    }

    /// Asks the guest to shut down by the power button.
    pub async fn shutdown(&self) -> Result<(), DomainError> {
        self.ask(Request::Shutdown, Ask::Shutdown).await
    }

    /// Says that the guest is about to be asked to shut down by other means, so that its end is not nobody's; or that it was not asked.
    pub async fn expect_shutdown(&self, expected: bool) -> Result<(), DomainError> {
        self.ask(Request::Shutdown, Ask::ExpectShutdown(expected)).await
    }

    /// Says that the guest was asked to shut down by other means than the power button.
    pub async fn shutdown_asked(&self) -> Result<(), DomainError> {
        self.ask(Request::Shutdown, Ask::ShutdownAsked).await
    }

    /// Asks the guest to reboot.
    pub async fn reboot(&self) -> Result<(), DomainError> {
        self.ask(Request::Reboot, Ask::Reboot).await
    }

    /// Presses the reset button.
    pub async fn reset(&self) -> Result<(), DomainError> {
        self.ask(Request::Reset, Ask::Reset).await
    }

    /// Ends the machine by force; nothing of it is left when this returns.
    pub async fn destroy(&self) -> Result<(), DomainError> {
        self.ask(Request::Destroy, Ask::Destroy { graceful: false }).await
    }

    /// As [`Self::destroy`], but an error where its process does not end when it is asked: nothing is killed.
    pub async fn quit(&self) -> Result<(), DomainError> {
        self.ask(Request::Destroy, Ask::Destroy { graceful: true }).await
    }

    /// Stops the machine and writes all of it to `image`, from where that stands. It then stands still until it is ended with
    /// [`end_saved`](Self::end_saved), or resumed; after a failure it goes on as before.
    pub async fn save(&self, image: File) -> Result<(), DomainError> {
        self.ask(Request::Save, Ask::Save(image)).await
    }

    /// Ends a machine whose saved state counts from now on; nothing of it is left when this returns.
    pub async fn end_saved(&self) -> Result<(), DomainError> {
        self.ask(Request::Save, Ask::EndSaved).await
    }

    /// Writes memory and vCPUs to `core`, an empty file. It is paused afterwards, unless it is dumped while it runs.
    pub async fn dump(&self, core: File, live: bool) -> Result<(), DomainError> {
        self.ask(Request::Dump, Ask::Dump(core, live)).await
    }

    /// Ends a machine whose guest counts as crashed from now on; nothing of it is left when this returns.
    pub async fn end_crashed(&self) -> Result<(), DomainError> {
        self.ask(Request::Destroy, Ask::EndCrashed).await
    }

    /// Stops the vCPUs.
    pub async fn suspend(&self) -> Result<(), DomainError> {
        self.ask(Request::Suspend, Ask::Suspend).await
    }

    /// Lets the vCPUs run again.
    pub async fn resume(&self) -> Result<(), DomainError> {
        self.ask(Request::Resume, Ask::Resume).await
    }

    /// Wakes a guest that suspended itself; nothing to do when it runs (guide 14.8.4).
    pub async fn wake(&self) -> Result<(), DomainError> {
        self.check(Request::Wake)?;
        if self.entry.lock().phase != Phase::PmSuspended {
            return Ok(());
        }
        self.ask(Request::Wake, Ask::Wake).await
    }

    /// Asks the balloon for `target` bytes.
    pub async fn set_memory(&self, target: Bytes) -> Result<(), DomainError> {
        self.ask(Request::SetMemory, Ask::SetMemory(target)).await
    }

    /// Changes CPU, memory and block I/O tuning of the machine.
    pub async fn tune(&self, change: Tuning) -> Result<(), DomainError> {
        self.ask(Request::Tune, Ask::Tune(Box::new(change))).await
    }

    /// Sets how many vCPUs are there.
    pub async fn set_vcpus(&self, count: u32) -> Result<(), DomainError> {
        self.ask(Request::Tune, Ask::SetVcpus(count)).await
    }

    /// Has the guest tell statistics of its memory every so many seconds.
    pub async fn set_stats_period(&self, seconds: u32) -> Result<(), DomainError> {
        self.ask(Request::SetMemory, Ask::SetStatsPeriod(seconds)).await
    }

    /// Changes title and description of the live configuration.
    pub async fn describe(&self, change: SetDescription) -> Result<(), DomainError> {
        self.ask(Request::Configure, Ask::Describe(change)).await
    }

    /// Plugs a device.
    pub async fn attach_device(&self, device: Device) -> Result<(), DomainError> {
        self.ask(Request::AttachDevice, Ask::Attach(device)).await
    }

    /// Unplugs a device: asks the guest to let go of it and waits until it has.
    pub async fn detach_device(&self, device: Device) -> Result<(), DomainError> {
        self.ask(Request::DetachDevice, Ask::Detach(device)).await
    }

    /// Takes a device from the guest without asking it.
    pub async fn remove_device(&self, device: Device) -> Result<(), DomainError> {
        self.ask(Request::DetachDevice, Ask::Remove(device)).await
    }

    /// Changes a device that is there to what is given; what it does not say stays as it is.
    pub async fn update_device(&self, device: Device) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::Update(device)).await
    }

    /// Gives the disk with a target another capacity; it becomes smaller only where `shrink` allows it.
    pub async fn resize_disk(&self, target: &str, size: Bytes, shrink: bool) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::ResizeDisk(target.to_owned(), size, shrink)).await
    }

    /// Puts other images in the place of those that disks have, all at one moment or none. `disks` are those of the live configuration as they
    /// are to be.
    pub async fn switch_disks(&self, disks: Vec<Disk>) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::SwitchDisks(disks)).await
    }

    /// Takes note of other images that the machine has got: an earlier daemon died before it could. `disks` as for [`Self::switch_disks`].
    pub async fn note_disks(&self, disks: Vec<Disk>) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::NoteDisks(disks)).await
    }

    /// Makes a snapshot within the images of the disks with these targets, all at one moment or none.
    pub async fn snapshot_disks(
        &self,
        targets: Vec<String>,
        name: &str,
        taken: i64,
    ) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::SnapshotDisks(targets, name.to_owned(), taken)).await
    }

    /// Deletes the snapshot of a name and time within the images of the disks with these targets, where there is one.
    pub async fn drop_disk_snapshots(
        &self,
        targets: Vec<String>,
        name: &str,
        taken: i64,
    ) -> Result<(), DomainError> {
        self.ask(Request::UpdateDevice, Ask::DropDiskSnapshots(targets, name.to_owned(), taken)).await
    }

    /// Begins a job on the images of the disk with a target.
    pub async fn start_block_job(
        &self,
        target: &str,
        work: BlockJobWork,
        bandwidth: Bytes,
    ) -> Result<(), DomainError> {
        // Also while the guest shuts down, which one that goes on with a merge may have let it be asked for.
        self.ask(Request::SteerJob, Ask::StartBlockJob(target.to_owned(), work, bandwidth)).await
    }

    /// Does something about the job of the disk with a target.
    pub async fn demand_block_job(&self, target: &str, demand: BlockJobDemand) -> Result<(), DomainError> {
        self.ask(Request::SteerJob, Ask::BlockJob(target.to_owned(), demand)).await
    }

    async fn ask(&self, request: Request, ask: Ask) -> Result<(), DomainError> {
        let owner = {
            let inner = self.entry.lock();
            inner.phase.permits(request).map_err(|sentence| self.wrong_state(sentence))?;
            inner.live.as_ref().map(|live| live.owner.clone())
        };
        let gone = || self.wrong_state("is not running");
        let owner = owner.ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        owner.send(Command { actor: self.actor.clone(), ask, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn wrong_state(&self, sentence: &str) -> DomainError {
        DomainError::WrongState { name: self.entry.name.clone(), sentence: sentence.to_owned() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.entry.leave(self.ticket);
        self.domains.shared.remove_if_transient(&self.entry);
    }
}

/// The phase of a machine that an earlier daemon left.
pub(crate) fn adopted_phase(vcpus: crate::Vcpus) -> Phase {
    match vcpus {
        crate::Vcpus::Running => Phase::Running(StateReason::Adopted),
        crate::Vcpus::Stopped => Phase::Paused(StateReason::Adopted),
        crate::Vcpus::Suspended => Phase::PmSuspended,
    }
}
