//! What a worker says, and what it means for the domain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use reeve_model::domain::{DomainConfig, Watchdog};
use reeve_vmm::config::WatchdogAction;
use reeve_vmm::protocol::{self, Call, Event, PauseReason, Status};
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::backlog::Backlog;
use crate::driver::{End, MachineEvent};
use crate::kvm::client::{Client, News};
use crate::kvm::launch::Site;
use crate::kvm::migrate;
use crate::kvm::waiting::{Removals, Saves};
use crate::migration::MigrationProgress;

/// What happened while no daemon listened, as far as the state tells.
pub(super) fn missed(status: &Status, config: &DomainConfig) -> Option<MachineEvent> {
    let dumped = |watchdog: &Watchdog| watchdog.action.as_deref() == Some("dump");
    match status {
        Status::Paused { reason: PauseReason::Watchdog }
            if config.devices.watchdog.as_ref().is_some_and(dumped) =>
        {
            Some(MachineEvent::DumpWanted)
        }
        Status::Ended { end } => ended(end.clone()).map(MachineEvent::Ended),
        Status::Paused { reason: PauseReason::Preserved { end } } => {
            ended(end.clone()).map(|after| MachineEvent::Preserved { after })
        }
        Status::Paused { reason: PauseReason::IoError } => Some(MachineEvent::IoError {
            alias: String::new(),
            error: "told before this daemon ran".to_owned(),
        }),
        _ => None,
    }
}

fn ended(end: protocol::End) -> Option<End> {
    match end {
        protocol::End::PowerOff => Some(End::PowerOff),
        protocol::End::Hibernated => Some(End::Hibernated),
        protocol::End::Reboot => Some(End::Reboot),
        protocol::End::Crash { reason } => Some(End::Crash { detail: reason }),
        protocol::End::Quit => None,
    }
}

/// Who is told what the worker says, besides the domain's owner.
pub(super) struct Told {
    pub removals: Arc<Removals>,
    pub saves: Arc<Saves>,
    pub migration: Arc<watch::Sender<MigrationProgress>>,
    pub vcpus: Arc<watch::Sender<u32>>,
    pub dialer: Dialer,
}

/// Connects programs of the guest with programs of the host.
pub(super) struct Dialer {
    pub client: Weak<Client>,
    /// Where programs of the host connect to the guest; what listens for a port of the host has `_` and the port behind it.
    pub path: Option<PathBuf>,
}

/// How often it is looked how long the log is of those who serve directories.
const LOG_LOOK: Duration = Duration::from_secs(5);

/// Keeps that log short for as long as somebody listens to the machine.
pub(super) async fn watch_share_log(machine: mpsc::WeakSender<MachineEvent>, site: Site) {
    while machine.upgrade().is_some() {
        site.shorten_share_log();
        tokio::time::sleep(LOG_LOOK).await;
    }
}

/// Turns what the worker says into what it means for the domain. Whatever the owner does, and however long, what the worker says is heard:
/// the owner may wait for it.
pub(super) async fn listen(
    mut news: mpsc::Receiver<News>,
    events: mpsc::Sender<MachineEvent>,
    site: Site,
    told: Told,
) {
    let Told { removals, saves, migration, vcpus, dialer } = told;
    // How the guest ended, until it is known what followed.
    let mut end: Option<End> = None;
    // The watchdog's action, until it is known to be done.
    let mut expired: Option<WatchdogAction> = None;
    let mut backlog = Backlog::default();
    loop {
        let item = tokio::select! {
            item = news.recv() => item,
            room = events.reserve(), if !backlog.is_empty() => match room {
                Ok(room) => {
                    if let Some(event) = backlog.pop() {
                        room.send(event);
                    }
                    continue;
                }
                // The owner has ended.
                Err(_) => return,
            },
        };
        let Some(item) = item else { break };
        let event = match item {
            News::Gone(sentence) => {
                removals.end();
                saves.end();
                Some(MachineEvent::Lost { detail: site.with_log(sentence) })
            }
            News::Event(event) => match event {
                Event::GuestSuspended => Some(MachineEvent::Suspended),
                Event::GuestWoken => Some(MachineEvent::Woke),
                Event::GuestPowerOff => {
                    end = Some(End::PowerOff);
                    None
                }
                Event::GuestReboot => {
                    end = Some(End::Reboot);
                    None
                }
                Event::GuestCrash { reason } => {
                    end = Some(End::Crash { detail: reason });
                    None
                }
                Event::WatchdogExpired { action } => {
                    expired = Some(action);
                    Some(MachineEvent::WatchdogExpired { action: word(action) })
                }
                Event::GuestPanicHandled => Some(MachineEvent::PanicHandled),
                Event::Reset if expired.take_if(|action| *action == WatchdogAction::Reset).is_some() => {
                    Some(MachineEvent::Restarted { after: End::Reboot })
                }
                Event::Paused if expired.take_if(|action| *action == WatchdogAction::Pause).is_some() => {
                    Some(MachineEvent::Paused)
                }
                Event::Paused if expired.take_if(|action| *action == WatchdogAction::Dump).is_some() => {
                    Some(MachineEvent::DumpWanted)
                }
                Event::Reset => end.take().map(|after| MachineEvent::Restarted { after }),
                Event::Paused => end.take().map(|after| MachineEvent::Preserved { after }),
                Event::Ended { end } => {
                    removals.end();
                    saves.end();
                    ended(end).map(MachineEvent::Ended)
                }
                Event::SaveEnded { failure, .. } => {
                    saves.done(failure);
                    None
                }
                Event::VcpusChanged { count } => {
                    vcpus.send_replace(count);
                    Some(MachineEvent::VcpusChanged { count })
                }
                Event::ClockSet { adjustment } => Some(MachineEvent::ClockSet { adjustment }),
                Event::DeviceRemoved { alias } if removals.done(&alias) => None,
                Event::DeviceRemoved { alias } => Some(MachineEvent::DeviceRemoved { alias }),
                Event::Migration { news } => {
                    migrate::note(&migration, news);
                    None
                }
                Event::SocketDialed { alias, number, port } => {
                    dialer.dial(alias, number, port);
                    None
                }
                Event::FilesystemLost { alias } => {
                    site.kill_share(&alias);
                    Some(MachineEvent::FilesystemLost { alias })
                }
                Event::DiskError { alias, error } => Some(MachineEvent::IoError { alias, error }),
                Event::BlockJob { .. } => Some(MachineEvent::BlockJob),
                Event::FirstOutput { after_us } => {
                    debug!(after_us, "the guest wrote its first byte");
                    None
                }
                Event::Resumed | Event::BalloonChanged { .. } => None,
            },
        };
        event.into_iter().for_each(|event| backlog.push(event));
    }
    while let Some(event) = backlog.pop() {
        if events.send(event).await.is_err() {
            return;
        }
    }
}

impl Dialer {
    /// Connects a program of the guest with what listens for its port, or tells it that nobody does.
    fn dial(&self, alias: String, number: u64, port: u32) {
        let (client, path) = (self.client.clone(), self.path.clone());
        tokio::spawn(async move {
            let connected = tokio::task::spawn_blocking(move || {
                let mut path = path?.into_os_string();
                path.push(format!("_{port}"));
                // A guest names the port: it must not reach by a link what its host's programs did not offer it.
                reeve_sys::socket::connect_here(Path::new(&path)).ok()
            });
            let connection = connected.await.ok().flatten();
            if connection.is_none() {
                debug!(port, "nobody listens for the guest");
            }
            // The worker has ended, or the daemon does.
            let Some(client) = client.upgrade() else { return };
            let fds = connection.into_iter().collect();
            if let Err(error) = client.call(Call::AnswerDial { alias, number }, fds).await {
                debug!(port, %error, "the guest could not be connected");
            }
        });
    }
}

fn word(action: WatchdogAction) -> &'static str {
    match action {
        WatchdogAction::Reset => "reset",
        WatchdogAction::Shutdown => "shutdown",
        WatchdogAction::Poweroff => "poweroff",
        WatchdogAction::Pause => "pause",
        WatchdogAction::Dump => "dump",
        WatchdogAction::None => "none",
        WatchdogAction::InjectNmi => "inject-nmi",
    }
}
