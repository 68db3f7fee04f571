//! Cores that nobody asked for: of a guest that crashed, and of one whose watchdog expired (guide 20.12, 20.18).
//!
//! The machine stands still until its core is written, also while no daemon runs; the next one writes it.

use std::fs::File;
use std::path::PathBuf;

use reeve_model::domain::LifecycleAction;
use reeve_model::event::DomainChange;
use reeve_model::{Actor, StateReason};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{Owner, Then};
use crate::core_file::{self, CoreFile, CoreFileError};
use crate::driver::DriverError;
use crate::error::DomainError;
use crate::state::{Occurrence, Phase};

/// Why there is no core.
#[derive(Debug, thiserror::Error)]
enum NoCore {
    #[error(transparent)]
    File(#[from] CoreFileError),
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error("the daemon is ending")]
    Ending,
}

impl Owner {
    /// Dumps it where somebody wants it, the guest running on or not.
    pub(super) async fn dump_to(&self, actor: &Actor, core: File, live: bool) -> Result<(), DomainError> {
        let dumped = self.machine.dump(core, live).await;
        self.drop_late(&dumped).await;
        dumped.map_err(|source| self.entry.driver_error("dumped", source))?;
        let stands = |phase: Phase| phase.stands_still() || phase == Phase::PmSuspended;
        if !live && !stands(self.entry.lock().phase) {
            self.note(actor, Some(Occurrence::Paused), DomainChange::Suspended);
        }
        Ok(())
    }

    /// What the machine writes after its time is over counts for nobody: the guest goes on as before, also where it only then comes to it.
    pub(super) async fn drop_late(&self, written: &Result<(), DriverError>) {
        if written.as_ref().is_err_and(DriverError::is_open) {
            let phase = self.entry.lock().phase;
            self.machine.drop_save(!phase.stands_still() && phase != Phase::PmSuspended).await;
        }
    }

    /// A guest has crashed and its machine is kept: dumps it and does what is to follow.
    pub(super) async fn after_crash(&mut self, detail: &str) -> Then {
        warn!(domain = self.entry.name, detail, "the guest crashed and is dumped");
        self.entry.lock().advance(Occurrence::KeptCrashed);
        self.dump().await;
        if self.config().on_crash == LifecycleAction::CoredumpRestart {
            match self.machine.reset().await {
                Ok(()) => {
                    (self.rebooting, self.shutting_down) = (None, None);
                    self.note(&Actor::Daemon, Some(Occurrence::Reset), DomainChange::Rebooted);
                    return Then::GoOn;
                }
                Err(error) => {
                    warn!(domain = self.entry.name, %error, "the crashed guest can't be started again");
                }
            }
        }
        let last = Phase::Crashed(StateReason::GuestCrash);
        self.end(&Actor::Daemon, last, DomainChange::Crashed).await;
        Then::End
    }

    /// The watchdog stopped the guest to have it dumped; it runs again afterwards.
    pub(super) async fn dump_and_go_on(&mut self) {
        if !self.entry.lock().phase.stands_still() {
            self.note(&Actor::Daemon, Some(Occurrence::Paused), DomainChange::Suspended);
        }
        self.dump().await;
        match self.machine.resume().await {
            Ok(()) => self.note(&Actor::Daemon, Some(Occurrence::Resumed), DomainChange::Resumed),
            Err(error) => warn!(domain = self.entry.name, %error, "the dumped guest can't be resumed"),
        }
    }

    /// Writes a core where cores go. The guest is not held up by one that can't be written.
    async fn dump(&self) {
        let path = core_file::automatic(&self.shared.dumps, &self.entry.name);
        let core = path.display().to_string();
        match self.write(path).await {
            Ok(()) => info!(domain = self.entry.name, core, "the guest is dumped"),
            Err(error) => error!(domain = self.entry.name, core, %error, "the guest can't be dumped"),
        }
    }

    async fn write(&self, path: PathBuf) -> Result<(), NoCore> {
        let begun = blocking(move || {
            let core = CoreFile::begin(&path, Uuid::new_v4())?;
            match core.data(false) {
                Ok(data) => Ok((core, data)),
                Err(error) => {
                    core.discard();
                    Err(error.into())
                }
            }
        });
        let (core, data) = begun.await?;
        let dumped = self.machine.dump(data, false).await;
        self.drop_late(&dumped).await;
        blocking(move || match dumped {
            Ok(()) => Ok(core.finish()?),
            Err(error) => {
                core.discard();
                Err(error.into())
            }
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NoCore> + Send + 'static,
) -> Result<T, NoCore> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(NoCore::Ending))
}
