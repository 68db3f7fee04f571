//! Jobs on the images of disks: begun and put away while the machine stands still, which takes moments.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use reeve_image::{Access, BackingReference, ImageError, ImageFile};

use super::{Life, machine_failure, sentence};
use crate::config::{BackingConfig, DeviceKind, FdIndex};
use crate::machine::{DeviceError, FdError, FdTable};
use crate::protocol::{
    BlockJobBase, BlockJobOrder, BlockJobState, BlockJobStatus, BlockJobWork, ErrorCode, Event, Failure,
};
use crate::virtio::block::{BlockJob, JobError, Progress, Task};

/// Jobs by the alias of their disk; the last one of each disk is remembered.
pub(super) type Jobs = BTreeMap<String, Job>;

pub(super) struct Job {
    /// Until it is put away.
    running: Option<BlockJob>,
    /// How far it was when it was last looked at.
    last: Progress,
    /// What the daemon was told last.
    told: BlockJobState,
    settled: bool,
    tag: String,
}

impl Job {
    fn state(&self) -> BlockJobState {
        self.running.as_ref().map_or(self.last.state, |job| job.progress().state)
    }

    fn status(&self, alias: &str) -> BlockJobStatus {
        let Progress { state, error, done, total, bandwidth, pivoted } =
            self.running.as_ref().map_or_else(|| self.last.clone(), BlockJob::progress);
        let (alias, tag, settled) = (alias.to_owned(), self.tag.clone(), self.settled);
        BlockJobStatus { alias, state, error, done, total, bandwidth, pivoted, settled, tag }
    }
}

impl Life {
    /// The jobs of all disks.
    pub(in crate::worker) fn block_jobs(&self) -> Vec<BlockJobStatus> {
        self.jobs.iter().map(|(alias, job)| job.status(alias)).collect()
    }

    /// A disk whose images are being worked on.
    pub(in crate::worker) fn busy_disk(&self) -> Option<&str> {
        let busy = self.jobs.iter().find(|(_, job)| job.running.is_some());
        busy.map(|(alias, _)| alias.as_str())
    }

    /// Refuses what a job of that disk does not allow.
    pub(in crate::worker) fn refuse_busy(&self, alias: &str) -> Result<(), Failure> {
        match self.jobs.get(alias) {
            Some(Job { running: Some(_), .. }) => Err(busy(alias)),
            _ => Ok(()),
        }
    }

    /// Does something about the job of a disk.
    pub(in crate::worker) fn block_job(
        &mut self,
        alias: &str,
        order: BlockJobOrder,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        self.attend();
        self.machine()?;
        match order {
            BlockJobOrder::Start { work, bandwidth, tag } => {
                self.refuse_busy(alias)?;
                self.begin_job(alias, work, bandwidth, tag, &FdTable::new(fds))
            }
            BlockJobOrder::Settle => {
                if let Some(job) = self.jobs.get_mut(alias) {
                    job.settled = job.running.is_none();
                }
                Ok(())
            }
            BlockJobOrder::Limit { bandwidth } => {
                self.running_job(alias)?.limit(bandwidth);
                Ok(())
            }
            BlockJobOrder::Cancel => {
                self.running_job(alias)?.cancel();
                self.put_away_job(alias);
                Ok(())
            }
            BlockJobOrder::Pivot => self.pivot_job(alias),
        }
    }

    /// Jobs that came to another state by themselves.
    pub(in crate::worker) fn look_at_jobs(&mut self) {
        if !std::mem::take(&mut self.jobs_moved) {
            return;
        }
        let aliases: Vec<String> = self.jobs.keys().cloned().collect();
        for alias in aliases {
            let Some(job) = self.jobs.get_mut(&alias) else { continue };
            let Some(running) = &job.running else { continue };
            running.look();
            match running.progress().state {
                BlockJobState::Running => {}
                BlockJobState::Ready => self.tell_job(&alias),
                BlockJobState::Completed | BlockJobState::Failed | BlockJobState::Cancelled => {
                    self.put_away_job(&alias);
                }
            }
        }
    }

    fn begin_job(
        &mut self,
        alias: &str,
        work: BlockJobWork,
        bandwidth: u64,
        tag: String,
        fds: &FdTable,
    ) -> Result<(), Failure> {
        let machine = self.machine()?;
        let files = machine.disk_files(alias).map_err(machine_failure)?;
        let borrowed = match &work {
            BlockJobWork::Commit { fds: written, .. } => written.as_slice(),
            BlockJobWork::Pull { .. } | BlockJobWork::Copy { .. } => &[],
        };
        let task = task(alias, work.clone(), fds)
            .map_err(|error| Failure::new(ErrorCode::Config, sentence(&error)))?;
        let borrowed = borrowed.iter().map(|fd| fds.get(*fd)).collect::<Result<Vec<_>, _>>();
        let borrowed = borrowed.map_err(|error| machine_failure(error.into()))?;
        self.locks.borrow(alias, &files, borrowed).map_err(|reason| Failure::new(ErrorCode::Host, reason))?;
        let begun = self.standing(|life| {
            let signals = Arc::clone(&life.signals);
            let told = Arc::new(move || signals.job_moved());
            life.machine()?.begin_job(alias, task, bandwidth, told).map_err(machine_failure)
        });
        match begun {
            Ok(job) => {
                let last = job.progress();
                let job = Job { running: Some(job), last, told: BlockJobState::Running, settled: false, tag };
                self.jobs.insert(alias.to_owned(), job);
                Ok(())
            }
            Err(failure) => {
                self.locks.give_back(alias);
                Err(failure)
            }
        }
    }

    fn running_job(&mut self, alias: &str) -> Result<&mut BlockJob, Failure> {
        let none = || Failure::new(ErrorCode::NotFound, format!("disk '{alias}' has no job"));
        self.jobs.get_mut(alias).and_then(|job| job.running.as_mut()).ok_or_else(none)
    }

    fn pivot_job(&mut self, alias: &str) -> Result<(), Failure> {
        let mut job = self
            .jobs
            .get_mut(alias)
            .and_then(|job| job.running.take())
            .ok_or_else(|| Failure::new(ErrorCode::NotFound, format!("disk '{alias}' has no job")))?;
        let pivoted = self.standing(|_| job.pivot().map_err(|cause| job_failure(alias, cause)));
        if let Some(place) = self.jobs.get_mut(alias) {
            place.running = Some(job);
        }
        match pivoted {
            Ok(()) => self.put_away_job(alias),
            Err(failure) => {
                self.jobs_moved = true;
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Closes what only a job needed that has ended, and tells of its end.
    fn put_away_job(&mut self, alias: &str) {
        let Some(mut running) = self.jobs.get_mut(alias).and_then(|job| job.running.take()) else { return };
        let put_away = self.standing(|life| {
            let closed = running.put_away().map_err(|cause| job_failure(alias, cause));
            life.machine()?.end_job(alias).map_err(machine_failure)?;
            closed
        });
        self.note_files(alias);
        if let Some(job) = self.jobs.get_mut(alias) {
            job.last = running.progress();
            if let (None, Err(failure)) = (&job.last.error, put_away) {
                job.last.error = Some(failure.message);
            }
        }
        self.tell_job(alias);
    }

    fn tell_job(&mut self, alias: &str) {
        let Some(job) = self.jobs.get_mut(alias) else { return };
        let state = job.state();
        if job.told != state {
            job.told = state;
            let status = job.status(alias);
            self.push(Event::BlockJob { status });
        }
    }

    /// Ends all jobs, with the machine.
    pub(super) fn drop_jobs(&mut self) {
        self.jobs.values_mut().for_each(|job| job.running = None);
    }

    /// Takes note of the files that a disk has now: their locks, and their formats.
    fn note_files(&mut self, alias: &str) {
        let Ok(machine) = self.machine() else { return };
        let Ok(files) = machine.disk_files(alias) else { return };
        let mut formats = files.iter().map(|(_, format)| *format);
        let top = formats.next();
        // Descriptors mean nothing any more.
        let below: Vec<_> = formats.map(|format| BackingConfig { fd: FdIndex(0), format }).collect();
        self.locks.replace(alias, files.into_iter().map(|(fd, _)| fd).collect());
        for device in self.config.iter_mut().flat_map(|config| &mut config.devices) {
            if let (DeviceKind::Block(block), true) = (&mut device.kind, device.alias == alias) {
                block.format = top.unwrap_or(block.format);
                block.backing.clone_from(&below);
            }
        }
    }
}

fn job_failure(alias: &str, cause: JobError) -> Failure {
    machine_failure(DeviceError::Job { alias: alias.to_owned(), cause }.into())
}

fn busy(alias: &str) -> Failure {
    let reason = format!("the images of disk '{alias}' are being worked on; end its block job first");
    Failure::new(ErrorCode::State, reason)
}

fn reference(base: &BlockJobBase) -> Option<BackingReference> {
    Some(BackingReference::new(base.name.clone(), base.format))
}

/// What a job does, with its files. The worker knows no paths: errors call them by the disk's alias.
fn task(alias: &str, work: BlockJobWork, fds: &FdTable) -> Result<Task, JobFiles> {
    let file = |fd, name| Ok::<_, JobFiles>(ImageFile::new(fds.file(fd)?, name)?);
    Ok(match work {
        BlockJobWork::Pull { base } => Task::Pull {
            base: base.as_ref().map(|base| base.depth as usize),
            reference: base.as_ref().and_then(reference),
        },
        BlockJobWork::Commit { top, base, fds } => {
            let files = fds.into_iter().map(|fd| file(fd, format!("an image of {alias}")));
            Task::Commit {
                top: top as usize,
                base: base.depth as usize,
                reference: reference(&base),
                writable: files.collect::<Result<_, _>>()?,
            }
        }
        BlockJobWork::Copy { fd, format, backing, shallow, blank } => {
            let mut chain = vec![(file(fd, format!("the copy of {alias}"))?, format)];
            for (number, below) in (1..).zip(&backing) {
                let name = format!("backing file {number} of the copy of {alias}");
                chain.push((file(below.fd, name)?, below.format));
            }
            let target = Box::new(reeve_image::open_chain(chain, Access::Write)?);
            Task::Copy { target, shallow, blank }
        }
    })
}

/// Why the files of a job can't be had.
#[derive(Debug, thiserror::Error)]
enum JobFiles {
    #[error(transparent)]
    Fd(#[from] FdError),
    #[error(transparent)]
    Image(#[from] ImageError),
}
