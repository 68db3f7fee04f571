//! Operations of several steps: each step is noted in the journal before it runs, and can be undone.
//!
//! ```text
//!   begin ─▶ note 1 ─▶ run 1 ─▶ note 2 ─▶ run 2 ─▶ … ─▶ end
//!                                  │ error
//!                                  ▼
//!            end ◀─ undo 1 ◀─ note ◀─ undo 2
//! ```
//!
//! A daemon that dies leaves the row behind; the next one asks the noted step what became of it and goes on or back. So
//! `undo` must cope with a step that had none, some or all of its effect, and may run twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::{JournalRow, JournalState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use crate::Actions;

/// How long what goes by itself may be in the way of an undo: a machine whose worker died is there until that is noticed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is tried to note the end of an operation.
const END_AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried again meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where an interrupted operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The step had its effect: on with the one after it.
    Forward,
    /// The step is run again.
    Again,
    /// The step and all before it are undone.
    Back,
}

/// What comes of a step that can't be noted, e.g. because the disk is full.
#[derive(Debug)]
pub(crate) enum Unnoted {
    /// What was done stays as it is until the next daemon settles it; for this reason.
    Left(Error),
    /// It does not run, and all before it is undone, whether that can be noted or not; for this reason.
    Undone(Error),
    /// It runs all the same: whoever finds it not noted runs it again.
    Run,
}

/// One step of an operation.
#[async_trait]
pub(crate) trait Step<O>: Send + Sync {
    /// Its name in the journal; part of the on-disk format.
    fn name(&self) -> &'static str;

    /// Does it.
    async fn run(&self, actions: &Arc<Actions>, operation: &mut O) -> Result<(), Error>;

    /// True while it has more to do: it is noted with what it did and run again.
    fn goes_on(&self, _operation: &O) -> bool {
        false
    }

    /// Takes its effect back.
    async fn undo(&self, actions: &Arc<Actions>, operation: &mut O) -> Result<(), Error>;

    /// What to do when it can't be noted that it is about to run, or to be undone. What was not noted is not in the journal.
    fn unnoted(&self, why: Error) -> Unnoted {
        Unnoted::Left(why)
    }

    /// What to do when the daemon died while this step ran. Domains have been re-adopted when this is asked.
    fn after_crash(&self, _actions: &Actions, _operation: &O) -> Next {
        Next::Back
    }
}

/// An operation: the data its steps share. What can't be written, e.g. a turn on a domain, is skipped by serde and is absent
/// after a crash.
pub(crate) trait Operation: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the journal.
    const KIND: &'static str;

    /// What it works on.
    fn subject(&self) -> String;

    /// Its steps in order.
    fn steps() -> &'static [&'static dyn Step<Self>];
}

impl Actions {
    /// Runs an operation to its end, or undoes it and gives the error. It goes on when the caller stops waiting.
    pub(crate) async fn perform<O: Operation>(
        self: &Arc<Self>,
        actor: &Actor,
        operation: O,
    ) -> Result<O, Error> {
        let (actions, actor) = (Arc::clone(self), actor.clone());
        // On the heap from the start: what spawns a task moves it several times.
        let run = Box::pin(async move { actions.run_operation(&actor, operation).await });
        let task = tokio::spawn(run.in_current_span());
        task.await.unwrap_or_else(|fault| {
            Err(Error::new(ErrorCode::Internal, format!("the operation '{}' ended early: {fault}", O::KIND)))
        })
    }

    async fn run_operation<O: Operation>(
        self: &Arc<Self>,
        actor: &Actor,
        mut operation: O,
    ) -> Result<O, Error> {
        let (subject, data, actor) = (operation.subject(), text(&operation)?, text(actor)?);
        let id = self.store(move |store| store.begin_operation(O::KIND, &subject, &actor, &data)).await?;
        self.pass::<O>("begun", "");
        self.forward(id, &mut operation, 0).await?;
        Ok(operation)
    }

    /// Runs the steps from number `first` on; an error undoes all steps and is given back.
    async fn forward<O: Operation>(
        self: &Arc<Self>,
        id: i64,
        operation: &mut O,
        first: usize,
    ) -> Result<(), Error> {
        for (number, step) in O::steps().iter().enumerate().skip(first) {
            loop {
                if let Err(why) = self.note(id, step.name(), JournalState::Forward, operation).await {
                    tracing::error!(kind = O::KIND, step = step.name(), %why, "a step can't be noted");
                    match step.unnoted(why) {
                        Unnoted::Left(why) => return Err(why),
                        Unnoted::Undone(why) => {
                            self.back(id, operation, number).await?;
                            return Err(why);
                        }
                        Unnoted::Run => {}
                    }
                }
                self.pass::<O>(step.name(), ":before");
                if let Err(error) = step.run(self, operation).await {
                    self.back(id, operation, number).await?;
                    return Err(error);
                }
                self.pass::<O>(step.name(), ":after");
                if !step.goes_on(operation) {
                    break;
                }
            }
        }
        self.end::<O>(id).await;
        Ok(())
    }

    /// Undoes the steps from number `last` down to the first.
    async fn back<O: Operation>(
        self: &Arc<Self>,
        id: i64,
        operation: &mut O,
        last: usize,
    ) -> Result<(), Error> {
        for step in O::steps()[..=last].iter().rev() {
            if let Err(why) = self.note(id, step.name(), JournalState::Back, operation).await
                && let Unnoted::Left(why) = step.unnoted(why)
            {
                return Err(why);
            }
            self.pass::<O>(step.name(), ":undo");
            let begun = Instant::now();
            while let Err(error) = step.undo(self, operation).await {
                if begun.elapsed() >= PATIENCE {
                    let (kind, subject) = (O::KIND, operation.subject());
                    tracing::error!(kind, subject, step = step.name(), %error, "a step could not be undone; kept for the next start");
                    return Err(error);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        self.end::<O>(id).await;
        Ok(())
    }

    /// Notes that nothing is left to do. Where that can't be written down now, what was done or undone is so all the same, and it is tried
    /// again until it can: the next daemon would do the last of it once more.
    async fn end<O: Operation>(self: &Arc<Self>, id: i64) {
        let Err(error) = self.store(move |store| store.end_operation(id)).await else { return };
        tracing::error!(kind = O::KIND, operation = id, %error, "that an operation is over can't be noted yet");
        let actions = Arc::clone(self);
        tokio::spawn(async move {
            while actions.store(move |store| store.end_operation(id)).await.is_err() {
                tokio::time::sleep(END_AGAIN).await;
            }
        });
    }

    /// Finishes or unwinds an operation that an earlier daemon left; true when it was finished.
    pub(crate) async fn settle<O: Operation>(self: &Arc<Self>, row: &JournalRow) -> Result<bool, Error> {
        self.settle_with(row, |_: &mut O| ()).await
    }

    /// The same, with something that the operation gets first.
    pub(crate) async fn settle_with<O: Operation>(
        self: &Arc<Self>,
        row: &JournalRow,
        first: impl FnOnce(&mut O) + Send,
    ) -> Result<bool, Error> {
        let mut operation: O = serde_json::from_str(&row.data).map_err(|fault| {
            let message = format!("journal entry {} ({}) can't be read: {fault}", row.id, row.kind);
            Error::new(ErrorCode::Internal, message)
        })?;
        first(&mut operation);
        let steps = O::steps();
        let Some(number) = steps.iter().position(|step| step.name() == row.step) else {
            // Not one step was begun.
            let id = row.id;
            self.store(move |store| store.end_operation(id)).await?;
            return Ok(false);
        };
        let next = match row.state {
            JournalState::Back => Next::Back,
            JournalState::Forward => steps[number].after_crash(self, &operation),
        };
        match next {
            Next::Forward => self.forward(row.id, &mut operation, number + 1).await?,
            Next::Again => self.forward(row.id, &mut operation, number).await?,
            Next::Back => self.back(row.id, &mut operation, number).await?,
        }
        Ok(next != Next::Back)
    }

    async fn note<O: Operation>(
        &self,
        id: i64,
        step: &'static str,
        state: JournalState,
        operation: &O,
    ) -> Result<(), Error> {
        let data = text(operation)?;
        self.store(move |store| store.note_step(id, step, state, &data)).await
    }

    fn pass<O: Operation>(&self, point: &str, when: &str) {
        self.faults.pass(&format!("{}:{point}{when}", O::KIND));
    }
}

fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|fault| Error::new(ErrorCode::Internal, format!("an operation can't be noted: {fault}")))
}
