//! Another domain is made of one, with its disks (guide 3.2). What is copied and where to is worked out here; nothing is touched yet.
//!
//! ```text
//!   authorize ─▶ does it stand still? ─▶ plan ─▶ MAC addresses ─▶ guard domain-define
//!     ─▶ journal [ disks: a copy at a time, each noted │ definition ]
//! ```
//! A guest that is shut off is kept from starting by the lock that its images are read with; one that is paused stays so, since the right
//! to change it is held.

use std::path::Path;
use std::sync::Arc;

use reeve_domain::{Request, Turn};
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::domain_disk::{CloneDomain, ClonedDisk, ClonedDomain, DiskFate, DomainDisk};
use reeve_model::policy::Hook;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use uuid::Uuid;

use super::clone_operation::{Cloning, DiskCopy, Place};
use super::disk::image_source;
use super::{Question, Subject, define};
use crate::clone_name::free;
use crate::error::explain;
use crate::{Actions, storing};

/// What becomes of the disks of a clone.
struct DiskPlan {
    copies: Vec<DiskCopy>,
    disks: Vec<ClonedDisk>,
    warnings: Vec<String>,
}

/// Names of both domains.
#[derive(Clone, Copy)]
struct Names<'a> {
    original: &'a str,
    clone: &'a str,
}

impl Actions {
    /// Makes another domain of one that does not run, or is paused: with a name, UUID and MAC addresses of its own, and copies of its disks.
    pub async fn clone_domain(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        request: CloneDomain,
    ) -> Result<ClonedDomain, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let name = self.domain_clone_name(actor, &subject, &request).await?;
        self.authorize(actor, Verb::DomainDefine, &name)?;
        let turn = self.standing(actor, &subject).await?;
        let definition = self.domains.definition(subject.uuid).map_err(explain)?;
        let Some(definition) = definition else {
            let message = format!("domain '{}' is transient: it has no definition to clone", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message));
        };
        let mut config = identity(&definition, name, &request.macs)?;
        self.definitions.check_identity(&config)?;
        let plan = self.plan_disks(actor, &definition, &mut config, &request, turn.is_some()).await?;
        let reserved = self.allocate_macs(actor, &mut config).await?;
        define::check(&config)?;
        let (hook, state) = (Hook::DomainDefine, DomainState::ShutOff);
        let question = Question { hook, actor, state, config, device: None, forced: false };
        let config = self.ask(question).await?;
        define::check(&config)?;
        let uuid = config.uuid;
        let DiskPlan { copies, mut disks, mut warnings } = plan;
        let operation = Cloning::new(actor, config, copies, turn, reserved);
        let operation = self.perform(actor, operation).await?;
        for disk in &mut disks {
            let made = operation.config().devices.disks.iter().find(|made| made.target == disk.target);
            disk.source = made.and_then(|made| DomainDisk::from(made).source);
        }
        let (present, missing) = self.present_volumes(operation.config()).await;
        let refusals = self.domains.check(&present).into_iter().map(|refusal| refusal.to_string());
        warnings.extend(
            missing.into_iter().chain(refusals).map(|why| format!("it can't be started as it is: {why}")),
        );
        warnings.extend(self.domains.notes(&present));
        Ok(ClonedDomain { domain: self.row(uuid)?, disks, warnings })
    }

    /// The name that was asked for, or one that is free, by policy where one names clones.
    async fn domain_clone_name(
        &self,
        actor: &Actor,
        subject: &Subject,
        request: &CloneDomain,
    ) -> Result<String, Error> {
        match &request.name {
            Some(name) => Ok(name.clone()),
            None if request.auto => {
                let unread = self.definitions.unread().into_iter().map(|unread| unread.row.name);
                let taken = self.domains.list().into_iter().map(|domain| domain.name).chain(unread).collect();
                self.clone_name(actor, &subject.name, None, taken).await
            }
            None => {
                let message = format!("the clone of domain '{}' is not named", subject.name);
                Err(Error::new(ErrorCode::Invalid, message)
                    .with_hint("give it a name with --name, or have one made with --auto-clone"))
            }
        }
    }

    /// The right to keep a paused domain as it is; none is needed of one without a machine. Refused while its guest may write.
    async fn standing(&self, actor: &Actor, subject: &Subject) -> Result<Option<Turn>, Error> {
        let phase = || self.domains.phase(subject.uuid).map_err(explain);
        let refused = || {
            let message =
                format!("domain '{}' is active, and its disks may change under a copy", subject.name);
            Error::new(ErrorCode::WrongState, message).with_hint("shut it down, or suspend it, and try again")
        };
        if !phase()?.has_machine() {
            return Ok(None);
        }
        if !phase()?.stands_still() {
            return Err(refused());
        }
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        match phase()? {
            phase if !phase.has_machine() => Ok(None),
            phase if phase.stands_still() => Ok(Some(turn)),
            _ => Err(refused()),
        }
    }

    /// Says of every disk whether it is copied and where to, and puts that into the clone.
    async fn plan_disks(
        &self,
        actor: &Actor,
        original: &DomainConfig,
        clone: &mut DomainConfig,
        request: &CloneDomain,
        is_paused: bool,
    ) -> Result<DiskPlan, Error> {
        refuse_unknown(original, request)?;
        let mut files = request.files.iter();
        let mut taken = Vec::new();
        let mut plan = DiskPlan { copies: Vec::new(), disks: Vec::new(), warnings: Vec::new() };
        for number in 0..clone.devices.disks.len() {
            let disk = &clone.devices.disks[number];
            let target = disk.target.clone();
            if !is_copied(disk, request)? {
                if !disk.source.is_empty() && !disk.readonly && !disk.shareable {
                    plan.warnings.push(format!(
                        "disk '{target}' is the same for '{}' and '{}': only one of them can run at a time",
                        original.name, clone.name
                    ));
                }
                plan.disks.push(ClonedDisk { target, source: None, fate: DiskFate::Shared });
                continue;
            }
            let names = Names { original: &original.name, clone: &clone.name };
            let mut copy = self.plan_copy(names, disk.clone(), files.next(), request.auto, &taken).await?;
            copy.is_paused = is_paused;
            let path = self.expect_place(names, &copy, request.preserve_data).await?;
            if let (Some((pool, _)), true) = (&copy.volume, is_paused) {
                self.pool(actor, Verb::VolumeDownload, &pool.to_string())?;
            }
            let place = &mut clone.devices.disks[number];
            if matches!(place.source, DiskSource::Volume { .. }) {
                // A file elsewhere does not tell it.
                place.driver.format = Some(copy.format.clone());
            }
            copy.put(place, path);
            taken.push(copy.to.clone());
            let fate = if request.preserve_data { DiskFate::Kept } else { DiskFate::Copied };
            plan.disks.push(ClonedDisk { target, source: None, fate });
            if !request.preserve_data {
                plan.copies.push(copy);
            }
        }
        match files.next() {
            None => Ok(plan),
            Some(file) => {
                let message = format!("there is no disk left that would be copied to '{file}'");
                let hint = "read-only, shareable and empty ones are not, unless --force-copy says so";
                Err(Error::new(ErrorCode::Invalid, message).with_hint(hint))
            }
        }
    }

    /// A disk of the original and the place of its copy, which no other copy has.
    async fn plan_copy(
        &self,
        names: Names<'_>,
        mut disk: Disk,
        file: Option<&String>,
        auto: bool,
        taken: &[Place],
    ) -> Result<DiskCopy, Error> {
        let Names { original, .. } = names;
        self.find_disk(original, &mut disk).await?;
        let source = image_source(&disk).ok_or_else(|| cannot_copy(original, &disk))?;
        let volume = self.volume_behind(&disk);
        let to = match file {
            Some(file) => self.named_place(original, &disk, file, volume.as_ref())?,
            None if auto => self.free_place(names, &disk, volume.as_ref(), taken).await?,
            None => {
                let message = format!(
                    "it is not said where the copy of disk '{}' of domain '{original}' goes",
                    disk.target
                );
                let hint = "name a --file for each disk that is copied, or have names made with --auto-clone";
                return Err(Error::new(ErrorCode::Invalid, message).with_hint(hint));
            }
        };
        if taken.contains(&to) {
            let message = format!("two disks of the clone would both be {to}");
            return Err(
                Error::new(ErrorCode::Invalid, message).with_hint("give each disk a --file of its own")
            );
        }
        let (target, from, format, encrypted) = (disk.target, source.path, source.format, source.encrypted);
        Ok(DiskCopy { target, from, volume, format, encrypted, to, is_paused: false })
    }

    /// Refuses a place where something is in the way, or nothing where it is to be taken as it is; the path that it has, or will have.
    async fn expect_place(&self, names: Names<'_>, copy: &DiskCopy, kept: bool) -> Result<String, Error> {
        let (code, sentence, hint) = match (self.is_there(&copy.to).await?, kept) {
            (false, false) => return Ok(copy.to.path(&copy.from)),
            (true, true) => {
                return match &copy.to {
                    Place::File { path } => Ok(path.display().to_string()),
                    Place::Volume { pool, name } => {
                        let (pool, name) = (*pool, name.clone());
                        Ok(self.on_storage(move |storage| storage.volume(pool, &name)).await?.path)
                    }
                };
            }
            (true, false) => (
                ErrorCode::AlreadyExists,
                "is there already, and nothing is copied over it",
                "choose another place, or give --preserve-data to take it as it is",
            ),
            (false, true) => {
                (ErrorCode::NotFound, "is not there to be taken", "leave --preserve-data out to have it made")
            }
        };
        let message =
            format!("{} for disk '{}' of domain '{}' {sentence}", copy.to, copy.target, names.clone);
        Err(Error::new(code, message).with_hint(hint))
    }

    /// The place that a `--file` names: a path, or a volume of the pool that the disk is in.
    fn named_place(
        &self,
        original: &str,
        disk: &Disk,
        file: &str,
        volume: Option<&(Uuid, String)>,
    ) -> Result<Place, Error> {
        let path = Path::new(file);
        if path.is_absolute() {
            let pool = volume.and_then(|(pool, _)| storing::find(&self.storing.pools(), &pool.to_string()));
            let home = pool.and_then(|(uuid, pool)| {
                let target =
                    pool.config().target.path.clone().filter(|_| pool.config().kind.holds_files())?;
                Some((uuid, std::fs::canonicalize(target).ok()?))
            });
            let parent = path.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
            let name = path.file_name().and_then(|name| name.to_str());
            return Ok(match (home, parent, name) {
                (Some((pool, home)), Some(parent), Some(name)) if home == parent => {
                    Place::Volume { pool, name: name.to_owned() }
                }
                _ => Place::File { path: path.to_owned() },
            });
        }
        match volume {
            Some((pool, _)) if !file.contains('/') => {
                Ok(Place::Volume { pool: *pool, name: file.to_owned() })
            }
            _ => {
                let message = format!(
                    "'{file}' is no place for the copy of disk '{}' of domain '{original}'",
                    disk.target
                );
                let hint = "write an absolute path; a volume of the same pool goes by its name alone";
                Err(Error::new(ErrorCode::Invalid, message).with_hint(hint))
            }
        }
    }

    /// A place beside the original that is free.
    async fn free_place(
        &self,
        Names { original, clone }: Names<'_>,
        disk: &Disk,
        volume: Option<&(Uuid, String)>,
        taken: &[Place],
    ) -> Result<Place, Error> {
        let place = match (volume, disk.source.path()) {
            (Some((pool, name)), _) => {
                let pool = *pool;
                let volumes = self.on_storage(move |storage| storage.volumes(pool)).await?;
                let place = |name: &str| Place::Volume { pool, name: name.to_owned() };
                let is_taken = |name: &str| {
                    volumes.iter().any(|volume| volume.name == name) || taken.contains(&place(name))
                };
                free::image(name, Some((original, clone)), is_taken).map(|name| place(&name))
            }
            (None, Some(path)) if matches!(disk.source, DiskSource::File { .. }) => {
                let path = Path::new(path);
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let place = |name: &str| Place::File { path: path.with_file_name(name) };
                let is_taken = |name: &str| {
                    std::fs::symlink_metadata(path.with_file_name(name)).is_ok()
                        || taken.contains(&place(name))
                };
                free::image(name, Some((original, clone)), is_taken).map(|name| place(&name))
            }
            _ => None,
        };
        place.ok_or_else(|| {
            let message =
                format!("no place was found for a copy of disk '{}' of domain '{original}'", disk.target);
            Error::new(ErrorCode::Invalid, message)
                .with_hint("name one with --file, or share it with --skip-copy")
        })
    }

    /// Whether something is in a place.
    pub(super) async fn is_there(&self, place: &Place) -> Result<bool, Error> {
        match place {
            Place::File { path } => Ok(std::fs::symlink_metadata(path).is_ok()),
            Place::Volume { pool, name } => {
                let (pool, name) = (*pool, name.clone());
                match self.on_storage(move |storage| storage.volume(pool, &name)).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.code == ErrorCode::NotFound => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// The clone as far as it is not about disks: what no two domains may have is new or left out.
fn identity(original: &DomainConfig, name: String, macs: &[String]) -> Result<DomainConfig, Error> {
    let mut clone = DomainConfig { name, uuid: Uuid::new_v4(), ..original.clone() };
    if macs.len() > clone.devices.interfaces.len() {
        let message = format!(
            "{} MAC addresses are given, and domain '{}' has {} interfaces",
            macs.len(),
            original.name,
            clone.devices.interfaces.len()
        );
        return Err(Error::new(ErrorCode::Invalid, message).with_hint("give one for each interface at most"));
    }
    let mut macs = macs.iter();
    for interface in &mut clone.devices.interfaces {
        interface.mac = macs.next().cloned();
        interface.target = None;
    }
    for channel in clone.devices.channels.iter_mut().filter(|channel| channel.kind == "unix") {
        channel.path = None;
    }
    Ok(clone)
}

fn refuse_unknown(original: &DomainConfig, request: &CloneDomain) -> Result<(), Error> {
    let known = |target: &&String| original.devices.disks.iter().any(|disk| disk.target == **target);
    let named = request.skip_copy.iter().chain(&request.force_copy);
    if let Some(unknown) = named.clone().find(|target| !known(target)) {
        let message = format!("domain '{}' has no disk '{unknown}'", original.name);
        let hint = format!("'reeve domain domblklist {} --inactive' shows what it has", original.name);
        return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
    }
    if let Some(both) = request.skip_copy.iter().find(|target| request.force_copy.contains(target)) {
        let message = format!("disk '{both}' can't be both shared and copied");
        return Err(
            Error::new(ErrorCode::Invalid, message).with_hint("give one of --skip-copy and --force-copy")
        );
    }
    Ok(())
}

/// Whether the clone has a disk of its own: not of what nobody writes, and not of what is meant to be shared.
fn is_copied(disk: &Disk, request: &CloneDomain) -> Result<bool, Error> {
    let is_forced = request.force_copy.contains(&disk.target);
    if is_forced && disk.source.is_empty() {
        let message = format!("disk '{}' is an empty drive: there is nothing to copy", disk.target);
        return Err(Error::new(ErrorCode::Invalid, message).with_hint("leave it out of --force-copy"));
    }
    let is_own = disk.readonly || disk.shareable || matches!(disk.device.as_str(), "cdrom" | "floppy");
    Ok(is_forced || !(disk.source.is_empty() || is_own || request.skip_copy.contains(&disk.target)))
}

fn cannot_copy(original: &str, disk: &Disk) -> Error {
    let message = format!(
        "disk '{}' of domain '{original}' is of type '{}' and can't be copied",
        disk.target,
        disk.source.kind()
    );
    Error::new(ErrorCode::Unsupported, message)
        .with_hint(format!("share it with --skip-copy {}", disk.target))
}
