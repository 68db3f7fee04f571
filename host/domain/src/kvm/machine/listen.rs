//! What a worker says, and what it means for the domain.

use std::sync::Arc;

use reeve_model::domain::{DomainConfig, Watchdog};
use reeve_vmm::config::WatchdogAction;
use reeve_vmm::protocol::{self, Event, PauseReason, Status};
use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::driver::{End, MachineEvent};
use crate::kvm::client::News;
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

/// Turns what the worker says into what it means for the domain.
pub(super) async fn listen(
    mut news: mpsc::Receiver<News>,
    events: mpsc::Sender<MachineEvent>,
    site: Site,
    removals: Arc<Removals>,
    saves: Arc<Saves>,
    migration: Arc<watch::Sender<MigrationProgress>>,
    vcpus: Arc<watch::Sender<u32>>,
) {
    // How the guest ended, until it is known what followed.
    let mut end: Option<End> = None;
    // The watchdog's action, until it is known to be done.
    let mut expired: Option<WatchdogAction> = None;
    while let Some(item) = news.recv().await {
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
                Event::DiskError { alias, error } => Some(MachineEvent::IoError { alias, error }),
                Event::BlockJob { .. } => Some(MachineEvent::BlockJob),
                Event::FirstOutput { after_us } => {
                    debug!(after_us, "the guest wrote its first byte");
                    None
                }
                Event::Resumed | Event::BalloonChanged { .. } => None,
            },
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
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
