//! Dumping the memory of a domain to a file (guide 14.5.22).
//!
//! ```text
//!   authorize ─▶ guard domain-stop, where it is ended or reset ─▶ turn on the domain
//!     ─▶ journal [ core: file beside its place, written by the machine, in its place │ machine: ended, reset, or nothing ]
//! ```
//! A dump that fails leaves no file, and a domain that goes on as before.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{CoreFile, CoreFileError, Request, Turn, remove_unfinished_core};
use reeve_model::domain_dump::{DumpFile, DumpFormat, DumpMode};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, StateReason, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Question;
use super::save::absolute;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::{Actions, blocking};

impl Actions {
    /// Writes the memory and the vCPUs of a domain to a file as an ELF core. It is paused for that and stays so, unless the mode says something
    /// else.
    pub async fn dump(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        file: &DumpFile,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainSave, key)?;
        let path = absolute(&file.path)?;
        offered(file)?;
        let ends = matches!(file.mode, Some(DumpMode::Crash | DumpMode::Reset));
        if ends {
            self.subject(actor, Verb::DomainDestroy, key)?;
        }
        self.permits(&subject, Request::Dump)?;
        if file.mode == Some(DumpMode::Reset) {
            self.permits(&subject, Request::Reset)?;
        }
        if ends {
            let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
            let (state, config) = (snapshot.summary.state, snapshot.config);
            let hook = Hook::DomainStop;
            self.ask(Question { hook, actor, state, config, device: None, forced: true }).await?;
        }
        let turn = self.turn(actor, subject.uuid, Request::Dump).await?;
        let mut last = turn.summary();
        let operation = Dump {
            uuid: subject.uuid,
            instance: self.instance(subject.uuid),
            path,
            mode: file.mode,
            was_running: last.state != DomainState::Paused,
            bypass_cache: file.bypass_cache,
            token: Uuid::new_v4(),
            turn: Some(turn),
        };
        self.perform(actor, operation).await?;
        // A transient domain that crashed is gone by now.
        (last.id, last.state, last.reason) = (None, DomainState::Crashed, StateReason::Dumped);
        Ok(self.row(subject.uuid).unwrap_or(last))
    }
}

/// Whether such a core is written at all.
fn offered(file: &DumpFile) -> Result<(), Error> {
    if file.format != DumpFormat::Elf {
        let format = file.format.as_str();
        let message = format!("a core can't be written as '{format}': the only format is 'elf'");
        return Err(Error::new(ErrorCode::Unsupported, message)
            .with_hint("an ELF core has holes where memory is zero; 'makedumpfile' makes the others of it"));
    }
    if !file.memory_only {
        let message = "a core has the memory and the vCPUs of a domain, and nothing of its devices";
        return Err(Error::new(ErrorCode::Unsupported, message).with_hint(
            "say '--memory-only'; the whole machine, to go on with, is what 'reeve domain save' writes",
        ));
    }
    Ok(())
}

/// What is wrong with a core's file, as clients see it.
fn core_error(error: CoreFileError) -> Error {
    let code = match &error {
        CoreFileError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            ErrorCode::NotFound
        }
        CoreFileError::Io { .. } => ErrorCode::Internal,
        CoreFileError::NoFile(_) => ErrorCode::Invalid,
    };
    Error::caused(code, &error)
}

/// A domain is dumped to a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Dump {
    uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    instance: Option<u32>,
    path: PathBuf,
    mode: Option<DumpMode>,
    /// Whether it runs on when it is not dumped, and after it was reset.
    was_running: bool,
    bypass_cache: bool,
    /// Names this dump in the directory.
    token: Uuid,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Dump {
    /// The domain that an interrupted dump was ending at a step, if it was.
    pub fn ends(&self, step: &str) -> Option<Uuid> {
        (self.mode == Some(DumpMode::Crash) && step == After.name()).then_some(self.uuid)
    }
}

impl Operation for Dump {
    const KIND: &'static str = "domain-dump";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&WriteCore, &After]
    }
}

/// The core is written and in its place.
struct WriteCore;

#[async_trait]
impl Step<Dump> for WriteCore {
    fn name(&self) -> &'static str {
        "core"
    }

    async fn run(&self, actions: &Arc<Actions>, dump: &mut Dump) -> Result<(), Error> {
        let turn = dump.turn.as_ref().expect("a dump that was interrupted is not run again");
        let (path, token, bypass_cache) = (dump.path.clone(), dump.token, dump.bypass_cache);
        let (core, data) = blocking(move || {
            let core = CoreFile::begin(&path, token).map_err(core_error)?;
            match core.data(bypass_cache) {
                Ok(data) => Ok((core, data)),
                Err(error) => {
                    core.discard();
                    Err(core_error(error))
                }
            }
        })
        .await?;
        let writing = turn.dump(data, dump.mode == Some(DumpMode::Live));
        actions.unless_destroyed(turn, writing).await.map_err(explain)?;
        blocking(move || core.finish().map_err(core_error)).await
    }

    async fn undo(&self, actions: &Arc<Actions>, dump: &mut Dump) -> Result<(), Error> {
        let (path, token) = (dump.path.clone(), dump.token);
        actions.give_up_save(dump.uuid).await;
        blocking(move || remove_unfinished_core(&path, token).map_err(core_error)).await?;
        actions.run_on_undumped(dump).await
    }

    fn after_crash(&self, _actions: &Actions, _dump: &Dump) -> Next {
        Next::Back
    }
}

/// What becomes of the domain then.
struct After;

#[async_trait]
impl Step<Dump> for After {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, dump: &mut Dump) -> Result<(), Error> {
        let request = match dump.mode {
            None | Some(DumpMode::Live) => return Ok(()),
            Some(DumpMode::Crash) => Request::Destroy,
            Some(DumpMode::Reset) => Request::Reset,
        };
        let turn = match dump.turn.take() {
            Some(turn) => turn,
            None if !actions.has_instance(dump.uuid, dump.instance) => return Ok(()),
            None => actions.turn(&Actor::Daemon, dump.uuid, request).await?,
        };
        if request == Request::Destroy {
            return turn.end_crashed().await.map_err(explain);
        }
        turn.reset().await.map_err(explain)?;
        // One whose guest had suspended itself runs already.
        if dump.was_running && turn.summary().state == DomainState::Paused {
            turn.resume().await.map_err(explain)?;
        }
        Ok(())
    }

    async fn undo(&self, _actions: &Arc<Actions>, _dump: &mut Dump) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _dump: &Dump) -> Next {
        Next::Again
    }
}

impl Actions {
    /// A domain that was not dumped after all goes on as before.
    async fn run_on_undumped(&self, dump: &Dump) -> Result<(), Error> {
        let stands = self.domains.phase(dump.uuid).is_ok_and(|phase| phase.permits(Request::Resume).is_ok());
        if !dump.was_running || !stands || self.is_another(dump.uuid, dump.instance) {
            return Ok(());
        }
        match &dump.turn {
            Some(turn) => turn.resume().await.map_err(explain),
            None => {
                let turn = self.turn(&Actor::Daemon, dump.uuid, Request::Resume).await?;
                turn.resume().await.map_err(explain)
            }
        }
    }
}
