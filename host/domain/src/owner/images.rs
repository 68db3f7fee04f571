//! The images of a domain's disks: changed, switched, snapshotted and worked on.

use reeve_model::Actor;
use reeve_model::block_job::BlockJobState;
use reeve_model::domain::Disk;
use reeve_model::event::DomainChange;
use tracing::warn;

use super::{Ask, Owner};
use crate::devices;
use crate::driver::{BlockJobDemand, BlockJobReport};
use crate::error::DomainError;

impl Owner {
    /// Does what a turn asks about images.
    pub(super) async fn change_images(&mut self, actor: &Actor, ask: Ask) -> Result<(), DomainError> {
        let machine = self.machine.clone();
        let entry = self.entry.clone();
        let named = |doing| {
            let entry = entry.clone();
            move |source| entry.driver_error(doing, source)
        };
        match ask {
            Ask::ResizeDisk(target, size, shrink) => {
                let config = self.config();
                let disk = config.devices.disks.iter().find(|disk| disk.target == target);
                let disk = disk.ok_or_else(|| self.device(format!("has no disk '{target}'")))?;
                let resized = machine.resize_disk(disk, size, shrink).await;
                resized.map_err(named("given a disk of another size"))?;
                self.note(actor, None, DomainChange::Changed);
            }
            Ask::SwitchDisks(new) => {
                let mut config = self.config();
                let old = devices::switch(&mut config, &new).map_err(|sentence| self.device(sentence))?;
                machine.switch_disks(&old, &new).await.map_err(named("given other images"))?;
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::NoteDisks(new) => {
                let mut config = self.config();
                devices::switch(&mut config, &new).map_err(|sentence| self.device(sentence))?;
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::SnapshotDisks(targets, name, taken) => {
                let disks =
                    devices::disks(&self.config(), &targets).map_err(|sentence| self.device(sentence))?;
                let made = machine.snapshot_disks(&disks, &name, taken).await;
                made.map_err(named("snapshotted"))?;
            }
            Ask::DropDiskSnapshots(targets, name, taken) => {
                let disks =
                    devices::disks(&self.config(), &targets).map_err(|sentence| self.device(sentence))?;
                let dropped = machine.drop_disk_snapshots(&disks, &name, taken).await;
                dropped.map_err(named("relieved of a snapshot"))?;
            }
            Ask::StartBlockJob(target, work, bandwidth) => {
                let disk = self.disk(&target)?;
                let begun = machine.start_block_job(&disk, &work, bandwidth).await;
                begun.map_err(named("given a block job"))?;
            }
            Ask::BlockJob(target, demand) => {
                let disk = self.disk(&target)?;
                let done =
                    machine.demand_block_job(&disk, demand).await.map_err(named("changed in its block job"));
                self.note_block_jobs().await;
                done?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A disk of the live configuration.
    fn disk(&self, target: &str) -> Result<Disk, DomainError> {
        let disks = self.config().devices.disks.into_iter();
        let found = disks.into_iter().find(|disk| disk.target == target);
        found.ok_or_else(|| self.device(format!("has no disk '{target}'")))
    }

    /// Takes note of jobs on images that are ready or have ended: of another image that a disk has, and of files that are needed no more.
    pub(super) async fn note_block_jobs(&mut self) {
        let reports = match self.machine.block_jobs().await {
            Ok(reports) => reports,
            Err(error) => {
                warn!(domain = self.entry.name, %error, "its block jobs can't be looked at");
                return;
            }
        };
        for report in reports {
            let (disk, state) = (report.job.disk.clone(), report.job.state);
            match state {
                BlockJobState::Ready if self.ready.insert(disk) => {
                    self.note(&Actor::Daemon, None, DomainChange::BlockJobReady);
                }
                BlockJobState::Running | BlockJobState::Ready => {}
                BlockJobState::Completed | BlockJobState::Failed | BlockJobState::Cancelled => {
                    if !report.settled {
                        self.settle_block_job(report).await;
                    }
                }
            }
        }
    }

    async fn settle_block_job(&mut self, report: BlockJobReport) {
        let BlockJobReport { job, alias, successor, .. } = report;
        let mut config = self.config();
        self.ready.remove(&job.disk);
        let change = match job.state {
            BlockJobState::Failed => DomainChange::BlockJobFailed,
            BlockJobState::Cancelled => DomainChange::BlockJobCanceled,
            _ => DomainChange::BlockJobCompleted,
        };
        if let Some(error) = &job.error {
            warn!(domain = self.entry.name, disk = job.disk, error, "a block job failed");
        }
        let place = config.devices.disks.iter_mut().find(|disk| disk.common.alias.as_ref() == Some(&alias));
        let Some(place) = place else { return };
        let moved = successor.is_some();
        if let Some((source, format)) = successor {
            (place.source, place.driver.format) = (source, format);
        }
        let disk = place.clone();
        if moved {
            if let Err(error) = self.reconfigure(&Actor::Daemon, config, change).await {
                // It is told again to the next daemon.
                warn!(domain = self.entry.name, %error, "a disk has another image, which is not recorded");
                return;
            }
        } else {
            self.note(&Actor::Daemon, None, change);
        }
        if let Err(error) = self.machine.demand_block_job(&disk, BlockJobDemand::Settle).await {
            warn!(domain = self.entry.name, %error, "the end of a block job could not be settled");
        }
    }
}
