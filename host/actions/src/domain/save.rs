//! Saving a domain to a file and stopping it (guide 14.5.21, 14.8.7).
//!
//! ```text
//!   authorize ─▶ guard domain-stop ─▶ turn on the domain
//!     ─▶ journal [ image: file beside its place, machine stopped and written, file complete and in its place │ machine: ended ]
//! ```
//! The file that is complete is the point of no return: before it the domain runs on, after it the domain is saved, whoever dies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::save_image::{NewImage, Purpose, SaveImage, SaveImageError, Unfinished, remove_unfinished};
use reeve_domain::{Request, Turn};
use reeve_model::domain_save::{SaveOptions, SaveStatus};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, StateReason, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::save_image::read_given;
use super::shares::refuse_shares;
use super::{Question, Subject};
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::{Actions, blocking, document};

impl Actions {
    /// Saves a running or paused domain to a file and stops it. `xml` is the document to restore it with, in place of its own.
    pub async fn save(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        path: &str,
        xml: Option<&str>,
        options: SaveOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSave, key)?;
        let path = absolute(path)?;
        self.save_domain(actor, subject, path, xml, options).await
    }

    /// Saves a domain to a file of the host's own and stops it; its next start goes on from there.
    pub async fn managed_save(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        options: SaveOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSave, key)?;
        if self.domains.definition(subject.uuid).map_err(explain)?.is_none() {
            let message = format!("domain '{}' is transient: it is not started again", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message)
                .with_hint(format!("name a file with 'reeve domain save {} FILE'", subject.name)));
        }
        let path = self.managed_image(subject.uuid);
        self.save_domain(actor, subject, path, None, options).await
    }

    /// Forgets the managed save of a domain: its next start boots.
    pub async fn remove_managed_save(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSave, key)?;
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let removed = self.discard_managed(subject.uuid).await?;
        drop(turn);
        if removed {
            return self.row(subject.uuid);
        }
        let message = format!("domain '{}' has no managed save", subject.name);
        Err(Error::new(ErrorCode::NotFound, message))
    }

    /// How far the save or dump of a domain is.
    pub async fn save_status(&self, actor: &Actor, key: &str) -> Result<SaveStatus, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let progress = self.domains.save_progress(subject.uuid).await.map_err(explain)?;
        let progress = progress.ok_or_else(|| not_saved(&subject.name))?;
        Ok(SaveStatus { done: progress.done, total: progress.total, dump: progress.dump })
    }

    /// Gives the save or dump of a domain up; the domain runs on, and whoever saves it is told.
    pub async fn cancel_save(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainSave, key)?;
        self.domains
            .save_progress(subject.uuid)
            .await
            .map_err(explain)?
            .ok_or_else(|| not_saved(&subject.name))?;
        self.domains.cancel_save(subject.uuid).await.map_err(explain)
    }

    /// Where the managed save of a domain is, or would be.
    pub(crate) fn managed_image(&self, uuid: Uuid) -> PathBuf {
        self.saves.join(format!("{uuid}.save"))
    }

    /// Where the managed save of a domain is while nobody knows whether its guest has run since.
    pub(super) fn used_image(&self, uuid: Uuid) -> PathBuf {
        self.saves.join(format!("{uuid}.used"))
    }

    /// Removes the managed save of a domain; false when there is none.
    pub(crate) async fn discard_managed(&self, uuid: Uuid) -> Result<bool, Error> {
        let (path, used) = (self.managed_image(uuid), self.used_image(uuid));
        blocking(move || {
            remove(&used)?;
            remove(&path)
        })
        .await
    }

    /// Takes the managed save of a domain out of the way of its next start, on disk when it returns: its guest is about to change what it
    /// knows of. No error when there is none; after an error it is where it was.
    pub(super) fn set_aside_managed(&self, uuid: Uuid) -> impl Future<Output = Result<(), Error>> + use<> {
        let (path, used) = (self.managed_image(uuid), self.used_image(uuid));
        blocking(move || {
            let failed = |error: std::io::Error| {
                let message = format!("save image '{}' can't be put out of use: {error}", path.display());
                Error::new(ErrorCode::Internal, message)
            };
            match std::fs::rename(&path, &used) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                renamed => renamed.map_err(failed)?,
            }
            let directory = path.parent().unwrap_or(Path::new("/"));
            std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| {
                // The guest does not run.
                match std::fs::rename(&used, &path) {
                    Ok(()) => failed(error),
                    Err(_) => failed(error).with_hint(format!("it is '{}' now", used.display())),
                }
            })
        })
    }

    /// Removes what [`Self::set_aside_managed`] left: the guest runs. It is only in the way.
    pub(super) async fn remove_used(&self, uuid: Uuid) {
        let used = self.used_image(uuid);
        if let Err(error) = blocking(move || remove(&used)).await {
            tracing::warn!(domain = %uuid, %error, "what a domain went on from is left");
        }
    }

    async fn save_domain(
        self: &Arc<Self>,
        actor: &Actor,
        subject: Subject,
        path: PathBuf,
        xml: Option<&str>,
        options: SaveOptions,
    ) -> Result<DomainSummary, Error> {
        self.permits(&subject, Request::Save)?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let (state, config) = (snapshot.summary.state, snapshot.config);
        refuse_shares(&config, "saved")?;
        let question = Question { hook: Hook::DomainStop, actor, state, config, device: None, forced: false };
        self.ask(question).await?;
        let turn = self.turn(actor, subject.uuid, Request::Save).await?;
        let mut last = turn.summary();
        let config = turn.snapshot().map_err(explain)?.config;
        let document = match xml {
            Some(xml) => document::format(&read_given(&config, xml)?),
            None => document::format(&config),
        };
        let was_running = last.state != DomainState::Paused;
        let operation = Save {
            uuid: subject.uuid,
            instance: self.instance(subject.uuid),
            path,
            document,
            driver: config.domain_type.as_str().to_owned(),
            running: options.state.map_or(was_running, |state| state.runs()),
            was_running,
            bypass_cache: options.bypass_cache,
            token: Uuid::new_v4(),
            turn: Some(turn),
        };
        self.perform(actor, operation).await?;
        // A transient domain is gone by now.
        (last.id, last.state, last.reason) = (None, DomainState::ShutOff, StateReason::Saved);
        Ok(self.row(subject.uuid).unwrap_or(last))
    }
}

/// A path of the host: the daemon has another directory than its clients.
pub(super) fn absolute(path: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(path);
    if path.is_absolute() && path.file_name().is_some() {
        return Ok(path);
    }
    Err(Error::new(ErrorCode::Invalid, format!("'{}' is no absolute path of a file", path.display())))
}

/// What is wrong with a save image, as clients see it.
pub(super) fn image_error(error: SaveImageError) -> Error {
    let code = match &error {
        SaveImageError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            ErrorCode::NotFound
        }
        SaveImageError::Io { .. } => ErrorCode::Internal,
        SaveImageError::InUse(_) => ErrorCode::Busy,
        SaveImageError::Version { .. } => ErrorCode::Unsupported,
        SaveImageError::Foreign(_)
        | SaveImageError::Partial(_)
        | SaveImageError::Damaged { .. }
        | SaveImageError::Room { .. } => ErrorCode::Invalid,
    };
    Error::caused(code, &error)
}

/// Removes a save image; false when there is none.
fn remove(path: &Path) -> Result<bool, Error> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let message = format!("save image '{}' can't be removed: {error}", path.display());
            Err(Error::new(ErrorCode::Internal, message))
        }
    }
}

fn not_saved(name: &str) -> Error {
    Error::new(ErrorCode::WrongState, format!("domain '{name}' is not being saved"))
}

/// Whether a file is what the save with this token wrote, in full.
fn is_written(path: &Path, token: Uuid) -> bool {
    SaveImage::open(path, Purpose::Read).is_ok_and(|image| image.token() == token)
}

/// A domain is saved to a file and ended.
#[derive(Serialize, Deserialize)]
pub(crate) struct Save {
    uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    instance: Option<u32>,
    path: PathBuf,
    document: String,
    driver: String,
    /// Whether it runs once it is restored.
    running: bool,
    /// Whether it runs on when it is not saved.
    was_running: bool,
    bypass_cache: bool,
    /// Names this save in the file.
    token: Uuid,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Save {
    /// The domain is saved, whatever is still to be done.
    fn is_whole(&self) -> bool {
        is_written(&self.path, self.token)
    }

    /// The domain that an interrupted save has to end, if it has.
    pub fn ends(&self) -> Option<Uuid> {
        self.is_whole().then_some(self.uuid)
    }
}

impl Operation for Save {
    const KIND: &'static str = "domain-save";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&WriteImage, &EndMachine]
    }
}

/// The machine stands still and its image is in its place.
struct WriteImage;

#[async_trait]
impl Step<Save> for WriteImage {
    fn name(&self) -> &'static str {
        "image"
    }

    async fn run(&self, actions: &Arc<Actions>, save: &mut Save) -> Result<(), Error> {
        let turn = save.turn.as_ref().expect("a save that was interrupted is not run again");
        let (path, bypass_cache) = (save.path.clone(), save.bypass_cache);
        let (uuid, driver, running) = (save.uuid, save.driver.clone(), save.running);
        let (token, document) = (save.token, save.document.clone());
        let (unfinished, data) = blocking(move || {
            let new = NewImage { uuid, driver: &driver, running, token, document: &document };
            let unfinished = Unfinished::begin(&path, &new).map_err(image_error)?;
            match unfinished.data(bypass_cache) {
                Ok(data) => Ok((unfinished, data)),
                Err(error) => {
                    unfinished.discard();
                    Err(image_error(error))
                }
            }
        })
        .await?;
        actions.unless_destroyed(turn, turn.save(data)).await.map_err(explain)?;
        blocking(move || unfinished.finish().map_err(image_error)).await
    }

    async fn undo(&self, actions: &Arc<Actions>, save: &mut Save) -> Result<(), Error> {
        let (path, token) = (save.path.clone(), save.token);
        actions.give_up_save(save.uuid).await;
        blocking(move || {
            if is_written(&path, token) {
                // It was complete, but what came after it failed: the domain runs on, so this must not be restored.
                std::fs::remove_file(&path).map_err(|error| {
                    Error::new(ErrorCode::Internal, format!("'{}' can't be removed: {error}", path.display()))
                })?;
            }
            remove_unfinished(&path, token).map_err(image_error)
        })
        .await?;
        actions.run_on(save).await
    }

    fn after_crash(&self, _actions: &Actions, save: &Save) -> Next {
        if save.is_whole() { Next::Forward } else { Next::Back }
    }
}

/// The machine is ended and gives back what it holds.
struct EndMachine;

#[async_trait]
impl Step<Save> for EndMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, save: &mut Save) -> Result<(), Error> {
        if let Some(turn) = save.turn.take() {
            return turn.end_saved().await.map_err(explain);
        }
        if !actions.has_instance(save.uuid, save.instance) {
            return Ok(());
        }
        let turn = actions.turn(&Actor::Daemon, save.uuid, Request::Save).await?;
        turn.end_saved().await.map_err(explain)
    }

    async fn undo(&self, _actions: &Arc<Actions>, _save: &mut Save) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _save: &Save) -> Next {
        Next::Again
    }
}

impl Actions {
    /// A domain that was not saved after all goes on as before.
    async fn run_on(&self, save: &Save) -> Result<(), Error> {
        let stands = self.domains.phase(save.uuid).is_ok_and(|phase| phase.permits(Request::Resume).is_ok());
        if !save.was_running || !stands || self.is_another(save.uuid, save.instance) {
            return Ok(());
        }
        match &save.turn {
            Some(turn) => turn.resume().await.map_err(explain),
            None => {
                let turn = self.turn(&Actor::Daemon, save.uuid, Request::Resume).await?;
                turn.resume().await.map_err(explain)
            }
        }
    }
}
