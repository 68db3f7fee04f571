//! Going back to a snapshot.
//!
//! What can refuse is asked first: guards, also the one of the start that follows, the images, the file with the memory. Where the snapshot is in images of its own, new ones are put
//! on these, since what is put on them already would not fit any more when they were written. Then the machine is ended, snapshots within
//! images are applied, the definition becomes what it was; and a machine is made, of the kept memory where there is some. Images that nobody
//! needs any more go last. A daemon that dies before that leaves a domain that is off and has gone back, or one that has not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_image::Format;
use reeve_model::domain::DomainConfig;
use reeve_model::snapshot::{
    RevertSnapshot, Snapshot, SnapshotDisk, SnapshotMemory, SnapshotPlace, SnapshotState,
};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::startup::Occasion;
use super::chains::{Chains, image_of, real};
use super::plan::{Overlay, beside, find_disk};
use super::{DiskImage, Kept, find, images, paths, remove_file};
use crate::domain::Subject;
use crate::domain::restore::{Origin, StartImage, read};
use crate::domain::save_image::same_guest;
use crate::error::explain;
use crate::journal::{Next, Operation, Step, Unnoted, to_its_end};
use crate::{Actions, blocking};

/// How often what is kept may be changed by others while somebody goes back.
const ATTEMPTS: usize = 3;

/// What going back comes to.
#[derive(Debug, Clone, PartialEq)]
struct Plan {
    snapshot: Snapshot,
    /// Images with the snapshot within.
    disks: Vec<DiskImage>,
    /// Images that are put on those of then.
    overlays: Vec<Overlay>,
    /// Images that nobody needs then.
    left: Vec<PathBuf>,
    /// What the domain is then.
    definition: DomainConfig,
    /// What it goes on as, and the memory that it goes on with.
    goes_on: Option<DomainConfig>,
    memory: Option<(PathBuf, Uuid)>,
}

impl Actions {
    /// Takes a domain back to what it was at a snapshot. All that it went through since is lost.
    pub async fn revert_snapshot(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        how: RevertSnapshot,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSnapshot, key)?;
        if how.running && how.paused {
            return Err(Error::new(ErrorCode::Invalid, "a domain can't both run and be paused"));
        }
        for _ in 0..ATTEMPTS {
            let plan = Box::new(Box::pin(self.plan_revert(&subject, name, how)).await?);
            let mut prepared = match plan.goes_on.clone() {
                Some(config) => Some(Box::new(Box::pin(self.prepare(actor, config, Occasion::GoOn)).await?)),
                None => None,
            };
            let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
            if let Some(config) = &mut prepared {
                **config = Box::pin(self.ask_start(actor, (**config).clone())).await?;
            }
            // Others may have had their turn while guards were asked.
            if Box::pin(self.plan_revert(&subject, name, how)).await? != *plan {
                continue;
            }
            // A domain that was to go on does so also when nobody waits for it.
            let (actions, actor) = (Arc::clone(self), actor.clone());
            let go_back = async move { Box::pin(actions.go_back(&actor, how, plan, prepared, turn)).await };
            return to_its_end(go_back).await;
        }
        let message = format!("the snapshots of domain '{}' are being changed all the time", subject.name);
        Err(Error::new(ErrorCode::Busy, message).with_hint("go back when they have settled"))
    }

    async fn go_back(
        self: &Arc<Self>,
        actor: &Actor,
        how: RevertSnapshot,
        plan: Box<Plan>,
        prepared: Option<Box<DomainConfig>>,
        turn: Turn,
    ) -> Result<DomainSummary, Error> {
        let Plan { snapshot, disks, overlays, left, definition, memory, .. } = *plan;
        let uuid = turn.uuid();
        let keeps_definition = snapshot.definition().is_none();
        let revert = Revert {
            uuid,
            instance: self.instance(uuid),
            name: snapshot.name,
            taken: snapshot.created,
            disks,
            overlays,
            left,
            definition,
            keeps_definition,
            actor: actor.clone(),
            turn: Some(turn),
        };
        let mut reverted = self.perform(actor, revert).await?;
        let turn = reverted.turn.take().expect("an operation that was not interrupted has its turn");
        let Some(config) = prepared else { return self.row(uuid) };
        let paused = how.paused || (snapshot.state == SnapshotState::Paused && !how.running);
        let origin = memory.map_or(Origin::Boot, |(path, token)| {
            Origin::Image(StartImage { path, token, bypass_cache: false, managed: false })
        });
        self.bring_up_asked(actor, turn, *config, paused, origin).await
    }

    /// Works out what going back means, and refuses what can't be.
    async fn plan_revert(&self, subject: &Subject, name: &str, how: RevertSnapshot) -> Result<Plan, Error> {
        let kept = self.kept(subject.uuid).await?;
        let Kept { snapshot, memory, .. } = find(subject, &kept, name)?.clone();
        if snapshot.is_deleting() {
            let message = format!(
                "snapshot '{name}' of domain '{}' was begun to be deleted: its images are not what they were",
                subject.name
            );
            let hint = format!("delete it again: 'reeve domain snapshot-delete {} {name}'", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        }
        let mut definition = self.definition_of(subject, &snapshot, how.force)?;
        let mut then = snapshot.domain.clone().unwrap_or_else(|| definition.clone());
        self.find_volumes(&mut then).await?;
        let disks = paths(&then, snapshot.internal_disks())?;
        let overlays = self.overlays_of(&snapshot, &then, &definition).await?;
        self.refuse_risk(subject, &snapshot, how)?;
        let mut memory_of = None;
        let mut goes_on = (how.running || how.paused).then(|| definition.clone());
        if snapshot.state.has_memory() {
            let named = match &snapshot.memory {
                SnapshotMemory::External { file } => Some(PathBuf::from(file)),
                _ => None,
            };
            let path = memory.or(named).ok_or_else(|| {
                let message =
                    format!("the memory of snapshot '{name}' of domain '{}' is not here", subject.name);
                Error::new(ErrorCode::WrongState, message)
            })?;
            let saved = read(&path, None).await?;
            if saved.config.uuid != subject.uuid {
                let message = format!("'{}' has the memory of another domain", path.display());
                return Err(Error::new(ErrorCode::WrongState, message));
            }
            memory_of = Some((path, saved.token));
            let mut config = saved.config;
            same_images(&mut config, &then);
            goes_on = Some(config);
        }
        let before: Vec<PathBuf> = overlays.iter().map(|overlay| overlay.base.clone()).collect();
        put_on(&mut definition, &overlays, true);
        if let Some(config) = &mut goes_on {
            put_on(config, &overlays, false);
        }
        let (images, of, taken) = (disks.clone(), name.to_owned(), snapshot.created);
        blocking(move || images::check(&images, &of, taken)).await?;
        // What a definition has that can't be read nobody knows: then all images stay.
        let unread = self.definitions.unread();
        if let (Some(unread), false) = (unread.first(), before.is_empty()) {
            let (domain, name) = (&subject.name, &unread.row.name);
            tracing::warn!(domain, "no image is removed: the definition of domain '{name}' can't be read");
        }
        let left = match before.is_empty() || !unread.is_empty() {
            true => Vec::new(),
            false => {
                let (now, others) =
                    (self.images_now(subject.uuid).await?, self.images_of_others(subject.uuid).await?);
                let kept = self.find_images(&subject.name, &kept).await?;
                let domain = subject.name.clone();
                blocking(move || match Chains::find(&now, &others, &kept) {
                    Ok(chains) => Ok(chains.left_by(&before)),
                    Err(error) => {
                        // One of its disks may be broken, and that is why it goes back.
                        tracing::warn!(domain, %error, "no image is removed");
                        Ok(Vec::new())
                    }
                })
                .await?
            }
        };
        Ok(Plan { snapshot, disks, overlays, left, definition, goes_on, memory: memory_of })
    }

    /// The images that are put on those of an external snapshot.
    async fn overlays_of(
        &self,
        snapshot: &Snapshot,
        then: &DomainConfig,
        definition: &DomainConfig,
    ) -> Result<Vec<Overlay>, Error> {
        let mut overlays = Vec::new();
        // What is not known of then is not what it is now.
        let known = snapshot.domain.is_some().then_some(then);
        for target in snapshot.external_disks() {
            let base = image_of(&snapshot.name, known, target)?;
            if !base.exists() {
                let message = format!("'{}' of snapshot '{}' is not there", base.display(), snapshot.name);
                return Err(Error::new(ErrorCode::WrongState, message).with_hint(
                    "what is kept of the snapshot goes with 'reeve domain snapshot-delete --metadata'",
                ));
            }
            let disk = find_disk(then, target).and_then(|disk| Some((disk, disk.driver.format.clone()?)));
            let format = disk.as_ref().map_or(Ok(Format::Raw), |(_, format)| format.parse::<Format>());
            let format = format.map_err(|unknown| Error::caused(ErrorCode::Unsupported, &unknown))?;
            let mut before = find_disk(definition, target).cloned();
            if let Some(disk) = &mut before {
                self.find_disk(&definition.name, disk).await?;
            }
            let is_same = |path: &str| real(Path::new(path)) == real(&base);
            let before = before.filter(|disk| disk.source.path().is_some_and(is_same));
            overlays.push(Overlay {
                target: find_disk(then, target).map_or(target, |disk| &disk.target).to_owned(),
                path: free(&base, snapshot.created),
                base,
                format,
                reuse: false,
                before,
                depth: None,
                fresh: None,
            });
        }
        Ok(overlays)
    }

    /// The definition that the domain has afterwards.
    fn definition_of(
        &self,
        subject: &Subject,
        snapshot: &Snapshot,
        force: bool,
    ) -> Result<DomainConfig, Error> {
        let now = self.domains.definition(subject.uuid).map_err(explain)?;
        let Some(now) = now else {
            let message =
                format!("domain '{}' is transient: it would be gone when it goes back", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(format!(
                "define it first: 'reeve domain xml {0}' shows its document",
                subject.name
            )));
        };
        match snapshot.definition() {
            Some(then) if then.uuid != subject.uuid || then.name != subject.name => {
                let message = format!("the snapshot is of domain '{}' ({})", then.name, then.uuid);
                Err(Error::new(ErrorCode::WrongState, message))
            }
            Some(then) => Ok(then.clone()),
            None if force => Ok(now.as_ref().clone()),
            None => {
                let message = format!(
                    "snapshot '{}' does not say what domain '{}' was then, so its definition of now may not fit",
                    snapshot.name, subject.name
                );
                Err(Error::new(ErrorCode::WrongState, message)
                    .with_hint("--force takes the definition of now"))
            }
        }
    }

    /// Refuses what breaks more than a user may think of (guide 14.15.2.9).
    fn refuse_risk(&self, subject: &Subject, snapshot: &Snapshot, how: RevertSnapshot) -> Result<(), Error> {
        let now = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if how.force || now.summary.id.is_none() {
            return Ok(());
        }
        let refused = |why: String| {
            Err(Error::new(ErrorCode::WrongState, why).with_hint("--force goes back nevertheless"))
        };
        match (&snapshot.domain, snapshot.state.has_memory()) {
            (Some(then), true) => match same_guest(then, &now.config) {
                Ok(()) => Ok(()),
                Err(error) => refused(format!(
                    "domain '{}' runs with another configuration than then: {}",
                    subject.name, error.message
                )),
            },
            (_, false) if how.running || how.paused => {
                refused(format!("domain '{}' runs, and would be ended and started anew", subject.name))
            }
            _ => Ok(()),
        }
    }
}

/// Puts the disks of what was saved on the images that the snapshot names: since then they may have been merged into others.
fn same_images(saved: &mut DomainConfig, then: &DomainConfig) {
    for disk in &mut saved.devices.disks {
        if let Some(named) = then.devices.disks.iter().find(|named| named.target == disk.target) {
            disk.source.clone_from(&named.source);
            disk.driver.format.clone_from(&named.driver.format);
        }
    }
}

/// Puts the disks of a configuration on new images. A definition may have had others than the machine.
fn put_on(config: &mut DomainConfig, overlays: &[Overlay], is_definition: bool) {
    for overlay in overlays.iter().filter(|overlay| !is_definition || overlay.before.is_some()) {
        let disk = config.devices.disks.iter_mut().find(|disk| disk.target == overlay.target);
        if let Some(disk) = disk {
            *disk = overlay.on(disk);
        }
    }
}

/// A name beside an image that no file has. It is the same as long as the files are, and begins where the snapshot was made.
fn free(base: &Path, since: i64) -> PathBuf {
    let mut names = (1..).map(|number| beside(base, &(since + number).to_string()));
    let free = names.find(|path| std::fs::symlink_metadata(path).is_err());
    free.expect("there are more numbers than files")
}

/// A domain goes back to a snapshot, and is off then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Revert {
    uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    instance: Option<u32>,
    name: String,
    taken: i64,
    disks: Vec<DiskImage>,
    #[serde(default)]
    overlays: Vec<Overlay>,
    #[serde(default)]
    left: Vec<PathBuf>,
    definition: DomainConfig,
    /// The snapshot does not say what it was: the definition of now stays, but for its disks.
    #[serde(default)]
    keeps_definition: bool,
    actor: Actor,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Revert {
    /// The domain that it was ending at a step when it was interrupted, if it was.
    pub fn ends(&self, step: &str) -> Option<Uuid> {
        let was_asked = !step.is_empty() && step != Files.name();
        was_asked.then_some(self.uuid)
    }
}

impl Operation for Revert {
    const KIND: &'static str = "domain-revert";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&Files, &EndMachine, &Disks, &Definition, &Leftovers]
    }
}

/// New images are on those of then. Nobody has them yet.
struct Files;

#[async_trait]
impl Step<Revert> for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    async fn run(&self, _actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        let Some(next) = revert.overlays.iter_mut().find(|overlay| overlay.fresh.is_none()) else {
            return Ok(());
        };
        let overlay = next.clone();
        next.fresh = Some(blocking(move || overlay.make()).await?);
        Ok(())
    }

    fn goes_on(&self, revert: &Revert) -> bool {
        revert.overlays.iter().any(|overlay| overlay.fresh.is_none())
    }

    async fn undo(&self, _actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        // The next one may have been made when the daemon died; when that only failed, what is there is another's.
        let made = revert.overlays.iter().filter(|overlay| overlay.fresh.is_some()).count();
        let made = if revert.turn.is_none() { made + 1 } else { made };
        for overlay in revert.overlays.iter().take(made) {
            remove_file(Some(overlay.path.clone())).await?;
        }
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, revert: &Revert) -> Next {
        if revert.overlays.is_empty() { Next::Forward } else { Next::Back }
    }
}

/// The machine is ended.
struct EndMachine;

#[async_trait]
impl Step<Revert> for EndMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        actions.end_machine(revert.uuid, revert.instance, revert.turn.as_ref()).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, actions: &Actions, revert: &Revert) -> Next {
        // Another machine has the images that were to be changed.
        if actions.is_another(revert.uuid, revert.instance) { Next::Back } else { Next::Again }
    }
}

/// The images are what they were.
struct Disks;

#[async_trait]
impl Step<Revert> for Disks {
    fn name(&self) -> &'static str {
        "disks"
    }

    async fn run(&self, _actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        let (disks, name, taken) = (revert.disks.clone(), revert.name.clone(), revert.taken);
        blocking(move || images::apply(&disks, &name, taken)).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _revert: &Revert) -> Next {
        Next::Again
    }
}

/// The definition is what it was, and the snapshot is the current one. A managed save is of a guest that is no more.
struct Definition;

#[async_trait]
impl Step<Revert> for Definition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        // What the images are for is known before somebody writes to them.
        let mut kept = actions.kept(revert.uuid).await?;
        for kept in &mut kept {
            kept.current = kept.name() == revert.name;
            if kept.current && !revert.overlays.is_empty() {
                kept.snapshot.reverted = revert.overlays.iter().map(shown).collect();
            }
        }
        actions.keep(revert.uuid, &kept).await?;
        actions.discard_managed(revert.uuid).await?;
        // The last that can fail: whoever takes this back removes the new images.
        let (actor, config) = (revert.actor.clone(), revert.definition.clone());
        if revert.keeps_definition {
            let (uuid, overlays) = (revert.uuid, revert.overlays.clone());
            let change =
                move |now: &mut DomainConfig| overlays.iter().for_each(|overlay| overlay.put(now, true));
            return actions.definitions(move |definitions| definitions.amend(&actor, uuid, change)).await;
        }
        // What somebody wrote into it while this went on is as much of the past as what they wrote before.
        actions.definitions(move |definitions| definitions.keep(&actor, config, None)).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _revert: &Revert) -> Next {
        Next::Again
    }
}

fn shown(overlay: &Overlay) -> SnapshotDisk {
    let file = Some(overlay.path.display().to_string());
    let place = SnapshotPlace::External { file, format: Some(Format::Qcow2.name().to_owned()) };
    SnapshotDisk { name: overlay.target.clone(), place, deleting: false }
}

/// Images that nobody needs any more are gone.
struct Leftovers;

#[async_trait]
impl Step<Revert> for Leftovers {
    fn name(&self) -> &'static str {
        "leftovers"
    }

    async fn run(&self, _actions: &Arc<Actions>, revert: &mut Revert) -> Result<(), Error> {
        for path in &revert.left {
            if let Err(error) = remove_file(Some(path.clone())).await {
                // It is only in the way.
                tracing::warn!(%error, "an image that nobody needs is left");
            }
        }
        Ok(())
    }

    fn unnoted(&self) -> Unnoted {
        // The definition has the new images.
        Unnoted::OnAnyway
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _revert: &Revert) -> Next {
        Next::Again
    }
}
