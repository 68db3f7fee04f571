//! Going back to a snapshot.
//!
//! What can refuse is asked first: guards, the images, the file with the memory. Then the machine is ended, the images become what they were,
//! the definition too; and a machine is made, of the kept memory where there is some. A daemon that dies before that leaves a domain that is
//! off and has gone back.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::snapshot::{RevertSnapshot, Snapshot, SnapshotState};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DiskImage, Kept, find, images, paths};
use crate::domain::Subject;
use crate::domain::restore::{Origin, StartImage, read};
use crate::domain::save_image::same_guest;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::{Actions, blocking};

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
        let kept = self.kept(subject.uuid).await?;
        let Kept { snapshot, memory, .. } = find(&subject, &kept, name)?.clone();
        refuse_external(&subject, &snapshot)?;
        let definition = self.definition_of(&subject, &snapshot, how.force)?;
        let mut then = snapshot.domain.clone().unwrap_or_else(|| definition.clone());
        self.find_volumes(&mut then).await?;
        let disks = paths(&then, snapshot.internal_disks())?;
        let mut goes_on = definition.clone();
        let runs = snapshot.state.has_memory() || how.running || how.paused;
        self.refuse_risk(&subject, &snapshot, how)?;
        let origin = match (snapshot.state.has_memory(), memory) {
            (false, _) => Origin::Boot,
            (true, Some(path)) => {
                let saved = read(&path, None).await?;
                let image = StartImage { path, token: saved.token, bypass_cache: false, managed: false };
                goes_on = saved.config;
                Origin::Image(image)
            }
            (true, None) => {
                let message =
                    format!("the memory of snapshot '{name}' of domain '{}' is not here", subject.name);
                return Err(Error::new(ErrorCode::WrongState, message));
            }
        };
        let (images, of, taken) = (disks.clone(), name.to_owned(), snapshot.created);
        blocking(move || images::check(&images, &of, taken)).await?;
        let prepared = if runs { Some(self.prepare(actor, goes_on).await?) } else { None };

        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let revert = Revert {
            uuid: subject.uuid,
            name: name.to_owned(),
            taken: snapshot.created,
            disks,
            definition,
            actor: actor.clone(),
            turn: Some(turn),
        };
        let mut reverted = self.perform(actor, revert).await?;
        let turn = reverted.turn.take().expect("an operation that was not interrupted has its turn");
        let Some(config) = prepared else { return self.row(subject.uuid) };
        let paused = how.paused || (snapshot.state == SnapshotState::Paused && !how.running);
        self.bring_up(actor, turn, config, paused, origin).await
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

/// What is in files of its own is not gone back to.
fn refuse_external(subject: &Subject, snapshot: &Snapshot) -> Result<(), Error> {
    if !snapshot.is_external() {
        return Ok(());
    }
    let message = format!(
        "snapshot '{}' of domain '{}' is external: going back would mean to write to images that later ones are put on",
        snapshot.name, subject.name
    );
    let hint = format!(
        "shut the domain down, put a new image on the one of then ('reeve image create -b IMAGE -F FORMAT NEW'), and name it in the definition; 'reeve domain snapshot-dumpxml {} {}' shows the images of then",
        subject.name, snapshot.name
    );
    Err(Error::new(ErrorCode::Unsupported, message).with_hint(hint))
}

/// A domain goes back to a snapshot, and is off then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Revert {
    uuid: Uuid,
    name: String,
    taken: i64,
    disks: Vec<DiskImage>,
    definition: DomainConfig,
    actor: Actor,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for Revert {
    const KIND: &'static str = "domain-revert";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&EndMachine, &Disks, &Definition]
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
        actions.end_machine(revert.uuid, revert.turn.as_ref()).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _revert: &Revert) -> Next {
        Next::Again
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
        let (actor, config) = (revert.actor.clone(), revert.definition.clone());
        actions.definitions(move |definitions| definitions.keep(&actor, config, None)).await?;
        actions.discard_managed(revert.uuid).await?;
        let mut kept = actions.kept(revert.uuid).await?;
        kept.iter_mut().for_each(|kept| kept.current = kept.name() == revert.name);
        actions.keep(revert.uuid, &kept).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _revert: &mut Revert) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _revert: &Revert) -> Next {
        Next::Again
    }
}
