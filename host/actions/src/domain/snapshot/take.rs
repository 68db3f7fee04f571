//! Making a snapshot.
//!
//! The definition gets new images before the machine does: an image that nobody has written yet has all that the one below it has, so a
//! daemon that dies in between leaves a domain that finds what its guest wrote, whichever image that is in. The change-over of the
//! machine is the last thing that can fail; from then on the snapshot is finished, whoever dies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reeve_domain::save_image::{NewImage, Purpose, SaveImage, Unfinished, remove_unfinished};
use reeve_domain::{Request, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::snapshot::{CreateSnapshot, Snapshot, SnapshotMemory, SnapshotRow, SnapshotState};
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::plan::{Overlay, check_name, plan};
use super::{DiskImage, Kept, images};
use crate::domain::Subject;
use crate::domain::save::{absolute, image_error};
use crate::error::explain;
use crate::journal::{Next, Operation, Step, Unnoted};
use crate::{Actions, blocking, document};

impl Actions {
    /// Makes a snapshot of a domain as a document and options say, or takes the document for one that is there.
    pub async fn create_snapshot(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
        how: CreateSnapshot,
    ) -> Result<SnapshotRow, Error> {
        let subject = self.subject(actor, Verb::DomainSnapshot, key)?;
        let given = document::parse_snapshot(xml, false)?;
        if how.redefine {
            return Box::pin(self.redefine_snapshot(actor, &subject, given, how.current)).await;
        }
        let refused = |message: &str| Err(Error::new(ErrorCode::Invalid, message));
        match how {
            CreateSnapshot { live: true, .. } => {
                return refused("a guest stands still while its memory is written; leave --live out");
            }
            CreateSnapshot { current: true, .. } => {
                return refused("a new snapshot is the current one; --current goes with --redefine");
            }
            CreateSnapshot { quiesce: true, disk_only: false, .. } => {
                return refused("--quiesce goes with --disk-only: memory has what file systems still hold");
            }
            CreateSnapshot { halt: true, disk_only: true, .. } => {
                return refused(
                    "--halt would lose the memory that --disk-only leaves out; destroy the domain",
                );
            }
            _ => {}
        }
        if how.quiesce {
            self.authorize(actor, Verb::DomainAgent, &subject.name)?;
        }
        let prepared = Box::new(Box::pin(self.prepare_snapshot(actor, &subject, given, how)).await?);
        match how.quiesce {
            true => Box::pin(self.take_quiesced(actor, subject, prepared)).await,
            false => Box::pin(self.take_snapshot(actor, &subject.name, prepared)).await,
        }
    }

    /// Works out what a snapshot is, with the right to make it. Nothing is touched yet.
    async fn prepare_snapshot(
        &self,
        actor: &Actor,
        subject: &Subject,
        given: Snapshot,
        how: CreateSnapshot,
    ) -> Result<Prepared, Error> {
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let taken = now();
        let name = if given.name.is_empty() { taken.to_string() } else { given.name.clone() };
        check_name(&name)?;
        let kept = self.kept(subject.uuid).await?;
        if kept.iter().any(|kept| kept.name() == name) {
            let message = format!("domain '{}' has a snapshot '{name}' already", subject.name);
            return Err(Error::new(ErrorCode::AlreadyExists, message));
        }
        let snapshot = turn.snapshot().map_err(explain)?;
        let (active, state) = (snapshot.summary.id.is_some(), snapshot.summary.state);
        if how.disk_only && !active {
            let message = format!("domain '{}' is off: all there is are its disks", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message).with_hint("leave --disk-only out"));
        }
        let mut config = snapshot.config;
        self.find_volumes(&mut config).await?;
        let definition = self.domains.definition(subject.uuid).map_err(explain)?;
        let definition = definition.map(|found| found.as_ref().clone());
        let mut plan = plan(&config, &given, &name, how, active)?;
        self.complete(subject, &mut plan.overlays, &config, definition.as_ref(), active).await?;
        let was_running = active && state != DomainState::Paused;
        let metadata = Snapshot {
            name: name.clone(),
            description: given.description,
            state: match (active, &plan.memory) {
                (false, _) => SnapshotState::Shutoff,
                (true, SnapshotMemory::None) => SnapshotState::DiskSnapshot,
                (true, _) if was_running => SnapshotState::Running,
                (true, _) => SnapshotState::Paused,
            },
            created: taken,
            parent: kept.iter().find(|kept| kept.current).map(|kept| kept.name().to_owned()),
            memory: plan.memory.clone(),
            disks: plan.disks,
            reverted: Vec::new(),
            inactive: definition.filter(|definition| *definition != config && active),
            domain: Some(config.clone()),
        };
        let token = Uuid::new_v4();
        let memory = match &plan.memory {
            SnapshotMemory::None => None,
            SnapshotMemory::Internal => {
                Some((self.saves.join(format!("{}.{token}.snapshot", subject.uuid)), true))
            }
            SnapshotMemory::External { file } => Some((absolute(file)?, false)),
        };
        if let Some((path, false)) = &memory
            && path.exists()
        {
            let message = format!("'{}' is there already", path.display());
            return Err(Error::new(ErrorCode::AlreadyExists, message));
        }
        let memory = memory.map(|(path, own)| Memory {
            path,
            own,
            token,
            document: document::format(&config),
            driver: config.domain_type.as_str().to_owned(),
        });
        let operation = TakeSnapshot {
            uuid: subject.uuid,
            instance: self.instance(subject.uuid),
            name,
            taken,
            xml: document::format_snapshot(&metadata),
            metadata: !how.no_metadata,
            internal: plan.internal,
            overlays: plan.overlays,
            memory,
            active,
            was_running,
            halt: how.halt && active,
            actor: actor.clone(),
            turn: Some(turn),
        };
        Ok(Prepared { operation, metadata })
    }

    /// Makes a snapshot that was worked out; how it is shown.
    pub(super) async fn take_snapshot(
        self: &Arc<Self>,
        actor: &Actor,
        domain: &str,
        prepared: Box<Prepared>,
    ) -> Result<SnapshotRow, Error> {
        let Prepared { operation, metadata } = *prepared;
        let (uuid, name) = (operation.uuid, metadata.name.clone());
        drop(self.perform(actor, operation).await?);
        let kept = Kept { snapshot: metadata, memory: None, current: true };
        let all = self.kept(uuid).await.unwrap_or_default();
        let row = super::rows(domain, &all).into_iter().find(|row| row.name == name);
        Ok(row.unwrap_or_else(|| super::rows(domain, &[kept]).remove(0)))
    }

    /// Fills in what is known of new images: the disks of the definition that they are for too, and how deep those of the machine are.
    async fn complete(
        &self,
        subject: &Subject,
        overlays: &mut [Overlay],
        config: &DomainConfig,
        definition: Option<&DomainConfig>,
        active: bool,
    ) -> Result<(), Error> {
        if overlays.is_empty() {
            return Ok(());
        }
        let depths = match active {
            true => self.domains.disk_depths(subject.uuid).await.map_err(explain)?,
            false => Vec::new(),
        };
        for overlay in overlays {
            let disk = config.devices.disks.iter().find(|disk| disk.target == overlay.target);
            let alias = disk.and_then(|disk| disk.common.alias.as_deref());
            overlay.depth =
                depths.iter().find(|(found, _)| Some(found.as_str()) == alias).map(|(_, depth)| *depth);
            let Some(definition) = definition else { continue };
            let mut found =
                definition.devices.disks.iter().find(|disk| disk.target == overlay.target).cloned();
            if let Some(disk) = &mut found {
                self.find_disk(&definition.name, disk).await?;
            }
            let same = |disk: &reeve_model::domain::Disk| {
                disk.source.path().map(PathBuf::from).as_ref() == Some(&overlay.base)
            };
            overlay.before = found.filter(same);
        }
        Ok(())
    }
}

/// A snapshot, worked out.
pub(super) struct Prepared {
    /// It has the right to change the domain.
    operation: TakeSnapshot,
    /// What is kept of it.
    metadata: Snapshot,
}

impl Prepared {
    /// The right to change the domain.
    pub fn turn(&self) -> Option<&Turn> {
        self.operation.turn.as_ref()
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Where the memory of a guest goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    path: PathBuf,
    /// It is the host's own.
    own: bool,
    /// Names this save in the file.
    token: Uuid,
    document: String,
    driver: String,
}

impl Memory {
    fn is_whole(&self) -> bool {
        SaveImage::open(&self.path, Purpose::Read).is_ok_and(|image| image.token() == self.token)
    }
}

/// A snapshot is made.
#[derive(Serialize, Deserialize)]
pub(crate) struct TakeSnapshot {
    uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    instance: Option<u32>,
    name: String,
    taken: i64,
    xml: String,
    /// It is kept.
    metadata: bool,
    internal: Vec<DiskImage>,
    overlays: Vec<Overlay>,
    memory: Option<Memory>,
    active: bool,
    was_running: bool,
    halt: bool,
    actor: Actor,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for TakeSnapshot {
    const KIND: &'static str = "domain-snapshot";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&MakeFiles, &Define, &Machine, &Metadata, &GoOn]
    }
}

impl TakeSnapshot {
    /// The domain that an interrupted snapshot was ending at a step, if it was.
    pub fn ends(&self, step: &str) -> Option<Uuid> {
        (self.halt && step == GoOn.name()).then_some(self.uuid)
    }

    /// Whether the machine writes to the new images, or did: then nothing goes back to those of before.
    async fn is_switched(&self, actions: &Actions) -> Result<bool, Error> {
        if !self.active || self.overlays.is_empty() {
            return Ok(false);
        }
        if !actions.domains.phase(self.uuid).is_ok_and(|phase| phase.has_machine()) {
            // It ended. An image that nobody wrote is as good as none.
            let is_written = |overlay: &Overlay| {
                let length = std::fs::metadata(&overlay.path).map(|found| found.len()).ok();
                overlay.fresh.is_some() && length.is_some() && length != overlay.fresh
            };
            return Ok(self.overlays.iter().any(is_written));
        }
        let depths = actions.domains.disk_depths(self.uuid).await.map_err(explain)?;
        let config = actions.domains.snapshot(self.uuid).map_err(explain)?.config;
        let is_deeper = |overlay: &Overlay| {
            let disk = config.devices.disks.iter().find(|disk| disk.target == overlay.target)?;
            let (_, depth) = depths.iter().find(|(alias, _)| disk.common.alias.as_ref() == Some(alias))?;
            Some(Some(*depth) > overlay.depth)
        };
        Ok(self.overlays.iter().filter_map(is_deeper).any(|deeper| deeper))
    }

    /// Whether all that the machine had to do was done when the daemon died.
    async fn is_done(&self, actions: &Actions) -> Result<bool, Error> {
        match (&self.memory, self.active) {
            _ if self.active && !self.overlays.is_empty() => self.is_switched(actions).await,
            (Some(memory), _) => Ok(memory.is_whole()),
            (None, true) => Ok(false),
            (None, false) => {
                let (images, name, taken) = (self.internal.clone(), self.name.clone(), self.taken);
                Ok(blocking(move || images::check(&images, &name, taken)).await.is_ok())
            }
        }
    }

    /// Puts the disks of a definition on the new images, or back. Whatever else somebody has written into it meanwhile stays.
    async fn define(&self, actions: &Actions, on: bool) -> Result<(), Error> {
        let (actor, uuid, overlays) = (self.actor.clone(), self.uuid, self.overlays.clone());
        let change = move |config: &mut DomainConfig| {
            for overlay in &overlays {
                overlay.put(config, on);
            }
        };
        actions.definitions(move |definitions| definitions.amend(&actor, uuid, change)).await
    }
}

/// The new images are there.
struct MakeFiles;

#[async_trait]
impl Step<TakeSnapshot> for MakeFiles {
    fn name(&self) -> &'static str {
        "files"
    }

    async fn run(&self, _actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        let Some(next) = take.overlays.iter_mut().find(|overlay| overlay.fresh.is_none()) else {
            return Ok(());
        };
        let overlay = next.clone();
        next.fresh = Some(blocking(move || overlay.make()).await?);
        Ok(())
    }

    fn goes_on(&self, take: &TakeSnapshot) -> bool {
        take.overlays.iter().any(|overlay| overlay.fresh.is_none())
    }

    async fn undo(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        if take.is_switched(actions).await? {
            return Ok(());
        }
        // The next one may have been made when the daemon died; when that only failed, what is there is another's.
        let made = take.overlays.iter().filter(|overlay| overlay.fresh.is_some()).count();
        let made = if take.turn.is_none() { made + 1 } else { made };
        for overlay in take.overlays.iter().take(made).filter(|overlay| !overlay.reuse) {
            super::remove_file(Some(overlay.path.clone())).await?;
        }
        Ok(())
    }
}

/// The next start of the domain has the new images.
struct Define;

#[async_trait]
impl Step<TakeSnapshot> for Define {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        take.define(actions, true).await
    }

    async fn undo(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        match take.is_switched(actions).await? {
            true => Ok(()),
            false => take.define(actions, false).await,
        }
    }
}

/// Memory is written, images have their snapshots, the machine has changed over to its new images.
struct Machine;

#[async_trait]
impl Step<TakeSnapshot> for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        let Some(turn) = &take.turn else {
            // The daemon before has died in the middle of this.
            return match take.is_done(actions).await? {
                true => actions.note_switched(take).await,
                false => Err(Error::new(ErrorCode::WrongState, "the snapshot was interrupted")),
            };
        };
        if !take.active {
            let (images, name, taken) = (take.internal.clone(), take.name.clone(), take.taken);
            let made = blocking(move || images::take(&images, &name, taken)).await;
            if made.is_err() {
                // None was made; one of that name is another's.
                take.internal.clear();
            }
            return made;
        }
        let memory = match take.memory.clone() {
            Some(memory) => {
                let (uuid, running) = (take.uuid, take.was_running);
                let (unfinished, data) = blocking(move || begin(&memory, uuid, running)).await?;
                actions.unless_destroyed(turn, turn.save(data)).await.map_err(explain)?;
                Some(unfinished)
            }
            None => None,
        };
        if !take.internal.is_empty() {
            let targets = take.internal.iter().map(|disk| disk.target.clone()).collect();
            let made = turn.snapshot_disks(targets, &take.name, take.taken).await;
            if made.as_ref().is_err_and(|error| !error.is_lost()) {
                // The worker makes all or none, where it lives to say so.
                take.internal.clear();
            }
            made.map_err(explain)?;
        }
        if let Some(unfinished) = memory {
            blocking(move || unfinished.finish().map_err(image_error)).await?;
        }
        if take.overlays.is_empty() {
            return Ok(());
        }
        let config = turn.snapshot().map_err(explain)?.config;
        let new = |overlay: &Overlay| {
            let disk = config.devices.disks.iter().find(|disk| disk.target == overlay.target);
            disk.map(|disk| overlay.on(disk))
        };
        turn.switch_disks(take.overlays.iter().filter_map(new).collect()).await.map_err(explain)
    }

    async fn undo(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        if !take.is_switched(actions).await? {
            if let Some(memory) = take.memory.clone() {
                actions.give_up_save(take.uuid).await;
                blocking(move || {
                    if memory.is_whole() {
                        std::fs::remove_file(&memory.path).map_err(|error| {
                            let message = format!("'{}' can't be removed: {error}", memory.path.display());
                            Error::new(ErrorCode::Internal, message)
                        })?;
                    }
                    remove_unfinished(&memory.path, memory.token).map_err(image_error)
                })
                .await?;
            }
            actions
                .drop_from_images(take.turn.as_ref(), take.uuid, &take.internal, &take.name, take.taken)
                .await?;
        }
        actions.run_on_from(take).await
    }

    fn after_crash(&self, _actions: &Actions, _take: &TakeSnapshot) -> Next {
        Next::Again
    }
}

fn begin(memory: &Memory, uuid: Uuid, running: bool) -> Result<(Unfinished, std::fs::File), Error> {
    let Memory { path, token, document, driver, .. } = memory;
    let new = NewImage { uuid, driver, running, token: *token, document };
    let unfinished = Unfinished::begin(path, &new).map_err(image_error)?;
    match unfinished.data(false) {
        Ok(data) => Ok((unfinished, data)),
        Err(error) => {
            unfinished.discard();
            Err(image_error(error))
        }
    }
}

/// The snapshot is known, and the current one.
struct Metadata;

#[async_trait]
impl Step<TakeSnapshot> for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    async fn run(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        if !take.metadata {
            return Ok(());
        }
        let mut kept = actions.kept(take.uuid).await?;
        kept.retain(|kept| kept.name() != take.name);
        kept.iter_mut().for_each(|kept| kept.current = false);
        let snapshot = document::parse_snapshot(&take.xml, false)?;
        // A file that somebody named is theirs.
        let own = take.memory.as_ref().filter(|memory| memory.own);
        let memory = own.map(|memory| memory.path.clone());
        kept.push(Kept { snapshot, memory, current: true });
        actions.keep(take.uuid, &kept).await
    }

    async fn undo(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        let mut kept = actions.kept(take.uuid).await?;
        let Some(at) = kept.iter().position(|kept| kept.name() == take.name) else { return Ok(()) };
        let parent = kept.remove(at).snapshot.parent;
        if let Some(kept) = kept.iter_mut().find(|kept| Some(kept.name()) == parent.as_deref()) {
            kept.current = true;
        }
        actions.keep(take.uuid, &kept).await
    }

    fn after_crash(&self, _actions: &Actions, _take: &TakeSnapshot) -> Next {
        Next::Again
    }
}

/// The guest goes on, or is ended where that was asked for.
struct GoOn;

#[async_trait]
impl Step<TakeSnapshot> for GoOn {
    fn name(&self) -> &'static str {
        "go-on"
    }

    async fn run(&self, actions: &Arc<Actions>, take: &mut TakeSnapshot) -> Result<(), Error> {
        match take.halt {
            true => actions.end_machine(take.uuid, take.instance, take.turn.as_ref()).await,
            false => actions.run_on_from(take).await,
        }
    }

    fn unnoted(&self) -> Unnoted {
        // The snapshot is taken and known.
        Unnoted::OnAnyway
    }

    async fn undo(&self, _actions: &Arc<Actions>, _take: &mut TakeSnapshot) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _take: &TakeSnapshot) -> Next {
        Next::Again
    }
}

impl Actions {
    /// A machine that has changed over to new images may not have told that to the daemon that died.
    async fn note_switched(&self, take: &TakeSnapshot) -> Result<(), Error> {
        if !self.domains.phase(take.uuid).is_ok_and(|phase| phase.has_machine()) {
            return Ok(());
        }
        let turn = self.turn(&Actor::Daemon, take.uuid, Request::UpdateDevice).await?;
        let config = turn.snapshot().map_err(explain)?.config;
        let unknown = |overlay: &Overlay| {
            let disk = config.devices.disks.iter().find(|disk| disk.target == overlay.target)?;
            let new = overlay.on(disk);
            (new != *disk).then_some(new)
        };
        let new: Vec<_> = take.overlays.iter().filter_map(unknown).collect();
        if new.is_empty() { Ok(()) } else { turn.note_disks(new).await.map_err(explain) }
    }

    /// Lets a guest go on that stands still for its memory to be kept.
    async fn run_on_from(&self, take: &TakeSnapshot) -> Result<(), Error> {
        let stands = self.domains.phase(take.uuid).is_ok_and(|phase| phase.permits(Request::Resume).is_ok());
        if !take.was_running || !stands || self.is_another(take.uuid, take.instance) {
            return Ok(());
        }
        match &take.turn {
            Some(turn) => turn.resume().await.map_err(explain),
            None => {
                let turn = self.turn(&Actor::Daemon, take.uuid, Request::Resume).await?;
                turn.resume().await.map_err(explain)
            }
        }
    }
}
