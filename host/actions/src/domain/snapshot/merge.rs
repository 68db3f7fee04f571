//! Merges: what an image has goes into the one that it is put on, of a disk that a machine has or nobody.
//!
//! A merge is done in pieces, each of which a daemon notes before it begins the next one: the data, then whoever was on the upper image, then its
//! file. Until the second piece is done nobody writes to the lower image but the merge, and what it writes is hidden by the upper one. So
//! a piece can be done twice, and whoever dies in the middle leaves disks that show what they did.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use reeve_domain::{BlockJobDemand, Turn};
use reeve_image::{
    Access, BackingReference, Directories, Format, ImageError, ImageFile, ResizeOptions, open, open_alone,
};
use reeve_model::block_job::{BlockJob, BlockJobKind, BlockJobState, BlockJobWork};
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::{Actor, Bytes, Error, ErrorCode};
use reeve_sys::open::{ImageAccess, Sharing};
use uuid::Uuid;

use super::chains::{Merge, Work, chain, image, real};
use super::images::reference;
use super::remove_file;
use crate::domain::definition_change::replace;
use crate::error::explain;
use crate::{Actions, blocking};

/// How often the job of a machine is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a machine that does not answer may take until it is known that it has ended.
const ENDING: Duration = Duration::from_secs(5);

/// How often a definition is looked at again when somebody else changes it meanwhile.
const ATTEMPTS: u32 = 5;

/// What a machine has of two images that are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// Both, the upper one so deep in the chain of its disk.
    Both(usize),
    /// Only the lower one: it has merged them.
    Lower,
    /// There is none, or its disk is on others.
    Neither,
}

impl Actions {
    /// Does a piece of work on the images of a domain, of which this turn has been taken. It may have been done before.
    pub(super) async fn do_work(&self, turn: &Turn, actor: &Actor, work: &Work) -> Result<(), Error> {
        if let Work::Merge(merge) | Work::Settle(merge) = work {
            self.hear_of_job(turn, merge).await;
        }
        match work.clone() {
            Work::Merge(merge) => match self.machine_has(turn.uuid(), &merge).await? {
                Machine::Both(depth) => self.merge_by_machine(turn, &merge, depth == 0).await,
                // It ended the job when the daemon that asked for it was gone.
                Machine::Lower => Ok(()),
                Machine::Neither => blocking(move || merge_alone(&merge)).await,
            },
            Work::Settle(merge) => {
                // A machine that has the upper image, even if it began only now, is on the lower one from here on.
                if let Machine::Both(depth) = self.machine_has(turn.uuid(), &merge).await? {
                    self.merge_by_machine(turn, &merge, depth == 0).await?;
                    self.pivot(turn, &merge).await?;
                }
                self.replace_disk(turn.uuid(), actor, &merge).await?;
                self.rename_in_snapshots(turn.uuid(), &merge).await?;
                blocking(move || put_on(&merge)).await
            }
            Work::Remove(path) => {
                if let Err(error) = remove_file(Some(path)).await {
                    // It is only in the way.
                    tracing::warn!(%error, "an image that nobody needs is left");
                }
                Ok(())
            }
        }
    }

    fn has_machine(&self, uuid: Uuid) -> bool {
        self.domains.phase(uuid).is_ok_and(|phase| phase.has_machine())
    }

    /// Takes note of a job that has ended, and of the image that a disk has then, before either is looked at.
    async fn hear_of_job(&self, turn: &Turn, merge: &Merge) {
        if self.has_machine(turn.uuid()) {
            // It is heard of whether there is a job that could be limited or not.
            let _ = turn.demand_block_job(&merge.target, BlockJobDemand::Limit(Bytes(0))).await;
        }
    }

    /// What a machine has of two images that are merged.
    async fn machine_has(&self, uuid: Uuid, merge: &Merge) -> Result<Machine, Error> {
        if !self.has_machine(uuid) {
            return Ok(Machine::Neither);
        }
        let config = self.domains.snapshot(uuid).map_err(explain)?.config;
        let disk = config.devices.disks.into_iter().find(|disk| disk.target == merge.target);
        let Some((path, format)) = disk.as_ref().and_then(image) else { return Ok(Machine::Neither) };
        let images = blocking(move || chain(&real(&path), format)).await?;
        let depth = |wanted: &Path| images.iter().position(|(image, _)| image == wanted);
        Ok(match (depth(&merge.top), depth(&merge.base)) {
            (Some(upper), Some(lower)) if lower == upper + 1 => Machine::Both(upper),
            (None, Some(_)) => Machine::Lower,
            _ => Machine::Neither,
        })
    }

    /// Lets the machine merge two images of a disk. One that it writes to is followed from then on, and both show the same.
    async fn merge_by_machine(&self, turn: &Turn, merge: &Merge, active: bool) -> Result<(), Error> {
        let uuid = turn.uuid();
        let ours = |job: &BlockJob| {
            let kind = if active { BlockJobKind::ActiveCommit } else { BlockJobKind::Commit };
            job.state.is_active() && job.kind == kind
        };
        // A daemon that died may have begun it.
        if !self.job_on(uuid, merge).await?.as_ref().is_some_and(ours) {
            let name = |path: &Path| Some(path.display().to_string());
            let work = BlockJobWork::Commit {
                top: if active { None } else { name(&merge.top) },
                base: name(&merge.base),
                shallow: false,
                active,
                delete: false,
            };
            turn.start_block_job(&merge.target, work, Bytes(0)).await.map_err(explain)?;
        }
        let mut silent: Option<Instant> = None;
        loop {
            let job = match self.job_on(uuid, merge).await {
                Ok(job) => {
                    silent = None;
                    job
                }
                // The machine has ended, and with it the job: its image is whole, and on the other one.
                Err(_) if self.machine_has(uuid, merge).await? == Machine::Neither => {
                    let merge = merge.clone();
                    return blocking(move || merge_alone(&merge)).await;
                }
                // Its guest may have shut down just now.
                Err(_)
                    if !turn.is_to_be_destroyed()
                        && silent.get_or_insert_with(Instant::now).elapsed() < ENDING =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match job.map(|job| (job.state, job.error)) {
                Some((BlockJobState::Completed, _)) => return Ok(()),
                Some((BlockJobState::Ready, _)) if active => return Ok(()),
                Some((BlockJobState::Running | BlockJobState::Ready, _)) if turn.is_to_be_destroyed() => {
                    // One that has just ended needs no end.
                    let _ = turn.demand_block_job(&merge.target, BlockJobDemand::Cancel).await;
                    let message = format!("disk '{}': the domain is to be ended by force", merge.target);
                    let hint = "delete the snapshot again when that is done";
                    return Err(Error::new(ErrorCode::Busy, message).with_hint(hint));
                }
                Some((BlockJobState::Running | BlockJobState::Ready, _)) => {
                    // The guest may be asked to shut down meanwhile, and the job to go slower or to end.
                    turn.lend().await;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Some((state, error)) => {
                    let how = error.unwrap_or_else(|| format!("the job is {state:?}").to_lowercase());
                    return Err(failed(merge, &how));
                }
                None => return Err(failed(merge, "the machine has no such job")),
            }
        }
    }

    /// Lets a machine that writes to the upper image go on on the lower one.
    async fn pivot(&self, turn: &Turn, merge: &Merge) -> Result<(), Error> {
        if self.machine_has(turn.uuid(), merge).await? != Machine::Both(0) {
            return Ok(());
        }
        let pivoted = turn.demand_block_job(&merge.target, BlockJobDemand::Pivot).await.map_err(explain);
        // One that an earlier daemon had asked for was noted only now; and a machine that has ended is on no image.
        match self.machine_has(turn.uuid(), merge).await? {
            Machine::Both(_) => pivoted,
            Machine::Lower | Machine::Neither => Ok(()),
        }
    }

    async fn job_on(&self, uuid: Uuid, merge: &Merge) -> Result<Option<BlockJob>, Error> {
        let jobs = self.domains.block_jobs(uuid).await.map_err(explain)?;
        Ok(jobs.into_iter().find(|job| job.disk == merge.target))
    }

    /// Refuses while a disk has a job already.
    pub(super) async fn refuse_jobs(&self, uuid: Uuid, work: &[Work]) -> Result<(), Error> {
        for work in work {
            let Work::Merge(merge) = work else { continue };
            if self.machine_has(uuid, merge).await? == Machine::Neither {
                continue;
            }
            if self.job_on(uuid, merge).await?.is_some_and(|job| job.state.is_active()) {
                let message = format!("disk '{}' has a block job", merge.target);
                return Err(Error::new(ErrorCode::Busy, message).with_hint("let it end, or abort it, first"));
            }
        }
        Ok(())
    }

    /// The definition has the lower image in the place of the upper one.
    async fn replace_disk(&self, uuid: Uuid, actor: &Actor, merge: &Merge) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let Some(definition) = self.domains.definition(uuid).map_err(explain)? else { return Ok(()) };
            let mut config = definition.as_ref().clone();
            self.name_by_path(&mut config, &merge.top).await;
            if !rename(&mut config, merge) {
                return Ok(());
            }
            match replace(self, actor, &definition, config).await {
                // Somebody else has edited it meanwhile.
                Err(error) if error.code == ErrorCode::Busy && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    /// Disks that have an image as a volume say where that is.
    async fn name_by_path(&self, config: &mut DomainConfig, image: &Path) {
        for disk in &mut config.devices.disks {
            let mut found = disk.clone();
            // One that can't be found is another: this image was found before.
            let is_found = self.find_disk(&config.name, &mut found).await.is_ok();
            if is_found && found.source.path().is_some_and(|path| real(Path::new(path)) == image) {
                *disk = found;
            }
        }
    }

    /// What is kept of snapshots names the lower image in the place of the upper one.
    async fn rename_in_snapshots(&self, uuid: Uuid, merge: &Merge) -> Result<(), Error> {
        let mut kept = self.kept(uuid).await?;
        let mut changed = false;
        for kept in &mut kept {
            let snapshot = &mut kept.snapshot;
            for config in [&mut snapshot.domain, &mut snapshot.inactive].into_iter().flatten() {
                self.name_by_path(config, &merge.top).await;
                changed |= rename(config, merge);
            }
        }
        if changed { self.keep(uuid, &kept).await } else { Ok(()) }
    }
}

/// Puts the lower image in the place of the upper one; whether it was there.
fn rename(config: &mut DomainConfig, merge: &Merge) -> bool {
    let is_it = |disk: &&mut Disk| disk.source.path().is_some_and(|path| real(Path::new(path)) == merge.top);
    let is_device = std::fs::metadata(&merge.base).is_ok_and(|found| found.file_type().is_block_device());
    let mut changed = false;
    for disk in config.devices.disks.iter_mut().filter(is_it) {
        let path = Some(merge.base.display().to_string());
        disk.source = match is_device {
            true => DiskSource::Block { path },
            false => DiskSource::File { path },
        };
        disk.driver.format = Some(merge.base_format.name().to_owned());
        changed = true;
    }
    changed
}

fn failed(merge: &Merge, why: &str) -> Error {
    let (target, top, base) = (&merge.target, merge.top.display(), merge.base.display());
    let message = format!("disk '{target}': '{top}' can't be merged into '{base}': {why}");
    Error::new(ErrorCode::Internal, message)
        .with_hint("the disk is as it was; when the cause is mended, delete the snapshot again")
}

/// Opens an image for changes, which nobody else has then.
fn alone(merge: &Merge, path: &Path) -> Result<File, Error> {
    let how = ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: true };
    reeve_sys::open::image(path, how).map(File::from).map_err(|error| match error {
        reeve_sys::open::ImageError::InUse => {
            let message = format!("disk '{}': '{}' is in use", merge.target, path.display());
            Error::new(ErrorCode::Busy, message)
        }
        other => failed(merge, &format!("'{}': {other}", path.display())),
    })
}

fn directories(path: &Path) -> std::io::Result<Directories> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    Directories::new().allow_path(directory, directory)
}

/// Merges images that no machine has.
fn merge_alone(merge: &Merge) -> Result<(), Error> {
    let wrong = |error: ImageError| failed(merge, &error.to_string());
    let Merge { top, base, base_format, .. } = merge;
    // A machine that pivoted and ended before that was noted has left it done, or nothing to do.
    let below = chain(top, Format::Qcow2)?;
    if below.get(1).map(|(below, _)| below) != Some(base) {
        return Err(failed(merge, "it is on another image by now"));
    }
    // Both stay locked until it is done.
    let (upper, lower) = (alone(merge, top)?, alone(merge, base)?);
    let resolver = directories(top).map_err(|error| failed(merge, &error.to_string()))?;
    let upper = ImageFile::new(upper, top.display().to_string()).map_err(wrong)?;
    let mut upper = open_alone(upper, Format::Qcow2, Access::Write).map_err(wrong)?;
    upper.commit(&resolver, false, &|_, _| ()).map_err(wrong)?;
    let lower = ImageFile::new(lower, base.display().to_string()).map_err(wrong)?;
    let mut lower = open(lower, *base_format, Access::Write, &resolver).map_err(wrong)?;
    if lower.size() > upper.size() {
        // The disk ended before, and must not show what is behind its end.
        lower.zero(upper.size(), lower.size() - upper.size()).map_err(wrong)?;
        if merge.above.is_empty() {
            let shrink = ResizeOptions { shrink: true, ..ResizeOptions::default() };
            lower.resize(upper.size(), shrink).map_err(wrong)?;
        }
        lower.sync().map_err(wrong)?;
    }
    Ok(())
}

/// Puts the images that were on the upper one on the lower one. A machine has done that with its own.
fn put_on(merge: &Merge) -> Result<(), Error> {
    let wrong = |error: ImageError| failed(merge, &error.to_string());
    for path in merge.above.iter().filter(|path| path.exists()) {
        let below = chain(path, Format::Qcow2)?;
        if below.get(1).map(|(below, _)| below) != Some(&merge.top) {
            continue;
        }
        let file = ImageFile::new(alone(merge, path)?, path.display().to_string()).map_err(wrong)?;
        let mut image = open_alone(file, Format::Qcow2, Access::Write).map_err(wrong)?;
        let name = reference(path, &merge.base).display().to_string();
        image.set_backing(Some(BackingReference::new(name, merge.base_format))).map_err(wrong)?;
    }
    Ok(())
}
