//! Guests that move between workers.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::domain::DomainConfig;
use reeve_model::migration::{DeviceSlot, MigrationJob, MigrationLimits};
use reeve_sys::open::{self, Sharing};
use reeve_sys::process::Process;
use reeve_vmm::config::{self as worker_config, VmConfig};
use reeve_vmm::protocol::{self as worker, Answer, Call, MigratingPhase, MigrationNews, PauseReason, Status};
use tokio::sync::watch;
use tracing::warn;

use super::client::Client;
use super::consoles;
use super::launch::Site;
use super::machine::{self, KvmMachine};
use super::plan::{Plan, Source};
use crate::driver::{Awaiting, DriverError, Started};
use crate::migration::{
    Incoming, MigrationEnd, MigrationOrder, MigrationPlace, MigrationProgress, MovedDisk,
};
use crate::names;
use crate::record::WorkerProcess;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// The device that makes userfaultfds which hear of faults in the kernel too. Only root opens it.
const FAULTS: &str = "/dev/userfaultfd";

/// A worker that was greeted and has no machine: all that its guest needs is still here.
pub(super) struct GuestAwaited {
    site: Site,
    client: Client,
    process: Arc<Process>,
    config: Arc<DomainConfig>,
    order: worker::MigrationOrder,
    fds: Vec<OwnedFd>,
}

impl GuestAwaited {
    /// Starts the worker. A failure leaves nothing behind.
    pub async fn make(
        mut site: Site,
        plan: Plan,
        config: Arc<DomainConfig>,
        incoming: Incoming,
    ) -> Result<Self, DriverError> {
        match Self::launch(&mut site, plan, &config, incoming).await {
            Ok((client, process, order, fds)) => Ok(Self { site, client, process, config, order, fds }),
            Err(error) => {
                clear(&site, &config).await;
                Err(error)
            }
        }
    }

    async fn launch(
        site: &mut Site,
        mut plan: Plan,
        config: &DomainConfig,
        incoming: Incoming,
    ) -> Result<(Client, Arc<Process>, worker::MigrationOrder, Vec<OwnedFd>), DriverError> {
        let Incoming { migration, stream, slots, paused, witness, disks, most_streams: streams } = incoming;
        let disks = arriving_disks(config, &disks)?;
        let shared = leave_unlocked(&mut plan, &disks);
        put_into_slots(&mut plan.vm, &slots);
        let (vm, mut fds, control) = site.prepare(plan).await?;
        let process = site.process()?;
        let greeted = Client::hello(control, Some(process.clone())).await;
        let (client, _) = greeted.map_err(|error| site.explain(error))?;
        fds.push(witness.into());
        // Without it all of the guest comes before it runs.
        let faults = open::character_device(Path::new(FAULTS), true).ok();
        let late = faults.is_some();
        fds.extend(faults);
        fds.push(stream);
        let order = worker::MigrationOrder::Receive {
            migration,
            config: Box::new(vm),
            shared,
            paused,
            late,
            witness: true,
            disks,
            streams,
        };
        Ok((client, process, order, fds))
    }
}

#[async_trait]
impl Awaiting for GuestAwaited {
    fn process(&self) -> Option<WorkerProcess> {
        Some(machine::recorded(&self.process))
    }

    fn socket(&self) -> Option<PathBuf> {
        Some(self.site.socket())
    }

    async fn receive(self: Box<Self>) -> Result<Started, DriverError> {
        let Self { site, client, process, config, order, fds } = *self;
        match client.call(Call::Migrate { order }, fds).await {
            Ok(_) => {}
            // It may have the stream, and so the guest, all the same.
            Err(error @ DriverError::Deadline { .. }) => {
                warn!(domain = config.name, %error, "a guest is taken by a worker that does not answer yet");
            }
            Err(error) => {
                let error = site.explain(error);
                clear(&site, &config).await;
                return Err(error);
            }
        }
        if let Err(error) = site.tune_first(&config).await {
            // By now the guest may be here and run: the worker alone knows, and refuses to throw away what runs.
            let order = worker::MigrationOrder::Settle { given_up: false };
            if client.ask(Call::Migrate { order }).await.is_ok() {
                clear(&site, &config).await;
                return Err(error);
            }
            warn!(domain = config.name, %error, "a guest runs without the tuning of its domain");
        }
        let status = Status::Incoming { whole: false };
        Ok(KvmMachine::start(client, process, site, &config, &status))
    }

    async fn end(self: Box<Self>) {
        clear(&self.site, &self.config).await;
    }
}

async fn clear(site: &Site, config: &DomainConfig) {
    site.clear().await;
    consoles::remove_sockets(config);
}

/// What the worker calls the disks that come with a guest.
fn arriving_disks(config: &DomainConfig, disks: &[MovedDisk]) -> Result<Vec<worker::MovedDisk>, DriverError> {
    let mut named = config.clone();
    names::assign(&mut named);
    let targets = named.devices.disks.into_iter().map(|disk| (disk.common.alias, disk.target));
    let targets = targets.filter_map(|(alias, target)| Some((alias?, target))).collect();
    moved_disks(disks, &targets)
}

fn moved_disks(
    disks: &[MovedDisk],
    targets: &HashMap<String, String>,
) -> Result<Vec<worker::MovedDisk>, DriverError> {
    let moved = |disk: &MovedDisk| {
        let found = targets.iter().find(|(_, target)| **target == disk.target);
        let none = || DriverError::Rejected(format!("it has no disk '{}'", disk.target));
        let alias = found.map(|(alias, _)| alias.clone()).ok_or_else(none)?;
        Ok(worker::MovedDisk { alias, shallow: disk.shallow })
    };
    disks.iter().map(moved).collect()
}

/// The source has the disks locked until it gives its guest up: they are opened here without, and locked by the worker before the
/// guest runs. Those that come along are this side's alone from the beginning. Aliases of those that others may write too.
fn leave_unlocked(plan: &mut Plan, coming: &[worker::MovedDisk]) -> Vec<String> {
    let mut shared = Vec::new();
    for (number, source) in (0..).zip(&mut plan.sources.0) {
        let Source::Image { access, .. } = source else { continue };
        if access.readonly {
            continue;
        }
        let is_it = |device: &&worker_config::DeviceConfig| match &device.kind {
            worker_config::DeviceKind::Block(block) => block.fd.0 == number,
            _ => false,
        };
        let device = plan.vm.devices.iter().find(is_it);
        if device.is_some_and(|device| coming.iter().any(|disk| disk.alias == device.alias)) {
            continue;
        }
        if access.sharing == Sharing::Shared
            && let Some(device) = device
        {
            shared.push(device.alias.clone());
        }
        access.sharing = Sharing::Later;
    }
    shared
}

fn put_into_slots(config: &mut VmConfig, slots: &[DeviceSlot]) {
    for device in &mut config.devices {
        if let Some(at) = slots.iter().find(|slot| slot.alias == device.alias) {
            device.slot = Some(at.slot);
        }
    }
}

/// What an order is to a worker, with the streams that go with it.
fn translate(
    order: MigrationOrder,
    targets: &HashMap<String, String>,
) -> Result<(worker::MigrationOrder, Vec<OwnedFd>), DriverError> {
    let order = match order {
        MigrationOrder::Send {
            migration,
            stream,
            limits,
            steered,
            disks,
            beside: mut fds,
            most_streams: streams,
        } => {
            let (limits, disks) = (limits_for_worker(&limits), moved_disks(&disks, targets)?);
            fds.push(stream);
            return Ok((worker::MigrationOrder::Send { migration, limits, steered, disks, streams }, fds));
        }
        MigrationOrder::Advise(number, answer, fds) => {
            return Ok((worker::MigrationOrder::Advise { number, answer }, fds));
        }
        MigrationOrder::AddStreams(fds) => return Ok((worker::MigrationOrder::AddStreams, fds)),
        MigrationOrder::Limit(limits) => worker::MigrationOrder::Limit { limits: limits_for_worker(&limits) },
        MigrationOrder::StopNow => worker::MigrationOrder::StopNow,
        MigrationOrder::SwitchNow => worker::MigrationOrder::SwitchNow,
        MigrationOrder::Interrupt => worker::MigrationOrder::Interrupt,
        MigrationOrder::Resume { migration, stream } => {
            return Ok((worker::MigrationOrder::Resume { migration }, vec![stream]));
        }
        MigrationOrder::Abort(reason) => worker::MigrationOrder::Abort { reason },
        MigrationOrder::Decide(given_up) => worker::MigrationOrder::Decide { given_up },
        MigrationOrder::TakeBack { shared } => {
            let found = targets.iter().filter(|(_, target)| shared.contains(target));
            let shared = found.map(|(alias, _)| alias.clone()).collect();
            worker::MigrationOrder::TakeBack { shared }
        }
        MigrationOrder::Settle(given_up) => worker::MigrationOrder::Settle { given_up },
    };
    Ok((order, Vec::new()))
}

fn limits_for_worker(limits: &MigrationLimits) -> worker::MigrationLimits {
    worker::MigrationLimits {
        max_downtime_us: limits.max_downtime_ms.saturating_mul(1000),
        bandwidth: (limits.bandwidth_mib > 0).then_some(limits.bandwidth_mib.saturating_mul(MIB)),
        max_throttle: limits.max_throttle,
        max_rounds: limits.max_rounds,
        compress: limits.compress,
        post_copy: limits.post_copy,
        post_copy_after: limits.post_copy_after,
        post_copy_bandwidth: (limits.post_copy_bandwidth_mib > 0)
            .then_some(limits.post_copy_bandwidth_mib.saturating_mul(MIB)),
    }
}

/// Takes news of the worker into what is known.
pub(super) fn note(progress: &watch::Sender<MigrationProgress>, news: MigrationNews) {
    progress.send_modify(|progress| match news {
        MigrationNews::Disks { processed, remaining, elapsed_us } => {
            let job = &mut progress.job;
            job.elapsed_ms = elapsed_us / 1000;
            (job.active, job.disk_processed, job.disk_remaining) = (true, processed, remaining);
        }
        MigrationNews::Within { elapsed_us, pages, zero_pages, bytes, left, streams } => {
            let (job, over) = (&mut progress.job, progress.over);
            (job.active, job.elapsed_ms, job.streams) = (true, elapsed_us / 1000, streams);
            (job.pages, job.zero_pages, job.bytes) = (over.0 + pages, over.1 + zero_pages, over.2 + bytes);
            job.dirty_pages = left;
        }
        MigrationNews::Round { round } => {
            let over = &mut progress.over;
            *over = (over.0 + round.pages, over.1 + round.zero_pages, over.2 + round.bytes);
            let job = &mut progress.job;
            job.active = true;
            job.elapsed_ms = round.elapsed_us / 1000;
            job.round = round.number;
            (job.pages, job.zero_pages, job.bytes) = *over;
            job.compressed_pages += round.packed.pages;
            job.compressed_bytes += round.packed.bytes;
            job.compression_overflows += round.packed.missed;
            job.dirty_pages = round.dirty_pages;
            job.bandwidth = round.bandwidth;
            job.expected_downtime_ms = round.expected_downtime_us / 1000;
            job.throttle = round.throttle;
            job.streams = round.streams;
        }
        MigrationNews::Asks { number, question } => progress.question = Some((number, question)),
        MigrationNews::Ready { strategy_us, post_copy, .. } => {
            (progress.ready, progress.post_copy) = (true, post_copy);
            progress.strategy_us = strategy_us;
            progress.job.post_copy = post_copy;
        }
        MigrationNews::Late { missing, .. } => {
            let job = &mut progress.job;
            (job.active, job.post_copy, job.interrupted) = (true, true, None);
            job.pages += job.dirty_pages.saturating_sub(missing);
            job.bytes += job.dirty_pages.saturating_sub(missing) * PAGE;
            job.dirty_pages = missing;
        }
        MigrationNews::Interrupted { reason } => progress.job.interrupted = Some(reason),
        MigrationNews::Moved { downtime_us } => progress.end = Some(MigrationEnd::Moved(downtime_us)),
        MigrationNews::Unconfirmed { reason } => progress.end = Some(MigrationEnd::Unconfirmed(reason)),
        MigrationNews::Kept { reason } => {
            progress.job.post_copy = false;
            progress.end = Some(MigrationEnd::Kept(reason));
        }
        MigrationNews::Arrived => progress.job.interrupted = None,
        // Where the guest is tells the rest.
        MigrationNews::Stopped | MigrationNews::Undecided { .. } | MigrationNews::Discarded { .. } => {}
    });
    if progress.borrow().end.is_some() {
        progress.send_modify(|progress| progress.job.active = false);
    }
}

/// Orders something of the worker.
pub(super) async fn order(
    client: &Client,
    progress: &watch::Sender<MigrationProgress>,
    order: MigrationOrder,
    memory: u64,
    targets: &HashMap<String, String>,
) -> Result<(), DriverError> {
    let begins = matches!(order, MigrationOrder::Send { .. });
    let resumes = matches!(order, MigrationOrder::Resume { .. });
    let takes_back = matches!(order, MigrationOrder::TakeBack { .. });
    let (order, fds) = translate(order, targets)?;
    if begins {
        let job =
            MigrationJob { active: true, memory, dirty_pages: memory / PAGE, ..MigrationJob::default() };
        progress.send_replace(MigrationProgress { job, ..MigrationProgress::default() });
    }
    if resumes {
        progress.send_modify(|progress| progress.job.interrupted = None);
    }
    let carried_out = client.call(Call::Migrate { order }, fds).await.map(drop);
    if begins && carried_out.is_err() {
        // Limits that are set next are not a worker's that moves nothing.
        progress.send_modify(|progress| progress.job.active = false);
    }
    if takes_back && carried_out.is_ok() {
        // One in post-copy that broke at once has had no other end.
        progress.send_modify(|progress| {
            let job = &mut progress.job;
            (job.active, job.post_copy, job.interrupted) = (false, false, None);
        });
    }
    carried_out
}

/// Where the guest of a worker is.
pub(super) async fn place(client: &Client) -> Result<MigrationPlace, DriverError> {
    let status = match client.call(Call::Status, Vec::new()).await? {
        (Answer::Status(status), _) => status,
        (other, _) => return Err(DriverError::Worker(format!("its worker answers Status with {other:?}"))),
    };
    Ok(match status {
        Status::Empty | Status::Ended { .. } => MigrationPlace::Ended,
        Status::Incoming { whole: false } => MigrationPlace::Coming,
        Status::Incoming { whole: true } => MigrationPlace::Waiting,
        Status::Running => MigrationPlace::Here,
        Status::Late { interrupted } => MigrationPlace::Late { interrupted },
        Status::Paused { reason: PauseReason::Migrating { phase } } => match phase {
            MigratingPhase::Sending => MigrationPlace::Leaving,
            MigratingPhase::Deciding => MigrationPlace::Undecided,
            MigratingPhase::GivenUp => MigrationPlace::Gone,
        },
        Status::Paused { .. } => MigrationPlace::Here,
    })
}

/// Where the devices of a worker's machine are.
pub(super) async fn slots(client: &Client) -> Result<Vec<DeviceSlot>, DriverError> {
    let config = match client.call(Call::Config, Vec::new()).await? {
        (Answer::Config(config), _) => config,
        (other, _) => return Err(DriverError::Worker(format!("its worker answers Config with {other:?}"))),
    };
    let slot =
        |device: worker_config::DeviceConfig| Some(DeviceSlot { alias: device.alias, slot: device.slot? });
    Ok(config.devices.into_iter().filter_map(slot).collect())
}
