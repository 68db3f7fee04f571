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
//!
//! The journal itself may fail: its disk is full, or its database locked. What can't be noted is tried for a while; then each step says what
//! follows ([`Unnoted`]). An operation that is over is over, whether that can be written down or not: [`ended`] sees to it that nothing new
//! begins before that is. Whatever ends a machine names the instance that it was begun for, so that a row that should not be there any more
//! does nothing to a later one ([`Actions::has_instance`]; numbers that are in the journal are not given to later instances).

pub(crate) mod ended;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::{JournalRow, JournalState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinError;
use tracing::Instrument as _;

use crate::Actions;

/// How long what goes by itself may be in the way of an undo: a machine whose worker died is there until that is noticed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is tried again meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a note is tried that the journal does not take, and how often. The guest of a migration may stand still meanwhile.
const NOTE_PATIENCE: Duration = Duration::from_secs(8);
const NOTE_AGAIN: Duration = Duration::from_millis(100);
/// How often the journal is asked that can't be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What follows when it can't be noted that a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnoted {
    /// All that was done is undone.
    Back,
    /// It is run all the same: the step before is noted, and leads here again. For steps after the last one that may be undone.
    OnAnyway,
    /// That it is noted decides something which others read there: the journal says whether it is, and everybody waits until it does. Back
    /// where it is not.
    AsWritten,
}

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

    /// What follows when it can't be noted that this step begins.
    fn unnoted(&self) -> Unnoted {
        Unnoted::Back
    }

    /// What to do when the daemon died while this step ran. Domains have been re-adopted when this is asked.
    fn after_crash(&self, _actions: &Actions, _operation: &O) -> Next {
        Next::Back
    }
}

/// Whether the journal takes notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journal {
    Works,
    /// It did not take the last one: nobody waits for it any more.
    Fails,
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
        task.await.unwrap_or_else(|fault| Err(ended_early(O::KIND, &fault)))
    }

    async fn run_operation<O: Operation>(
        self: &Arc<Self>,
        actor: &Actor,
        mut operation: O,
    ) -> Result<O, Error> {
        self.end_overdue_operations().await?;
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
            let mut begun = false;
            loop {
                let noted = self.note(NOTE_PATIENCE, id, step.name(), JournalState::Forward, operation).await;
                if let Err(error) = noted {
                    let goes_on = match step.unnoted() {
                        Unnoted::OnAnyway => true,
                        Unnoted::Back => false,
                        Unnoted::AsWritten => self.is_noted(id, step.name()).await,
                    };
                    let (kind, subject) = (O::KIND, operation.subject());
                    tracing::error!(kind, subject, step = step.name(), goes_on, %error, "a step could not be noted");
                    if !goes_on {
                        // One that has begun may have done something.
                        let last = if begun { Some(number) } else { number.checked_sub(1) };
                        self.back(id, operation, last, Journal::Fails).await?;
                        return Err(undone::<O>(error));
                    }
                }
                begun = true;
                self.pass::<O>(step.name(), ":before");
                if let Err(error) = step.run(self, operation).await {
                    self.back(id, operation, Some(number), Journal::Works).await?;
                    return Err(error);
                }
                self.pass::<O>(step.name(), ":after");
                if !step.goes_on(operation) {
                    break;
                }
            }
        }
        self.end_operation(id).await;
        Ok(())
    }

    /// Undoes the steps from number `last` down to the first. What was done is undone whether that can be noted or not: the room that the
    /// journal lacks may be what an undo gives back, and a daemon that dies meanwhile leaves a step that is undone again.
    async fn back<O: Operation>(
        self: &Arc<Self>,
        id: i64,
        operation: &mut O,
        last: Option<usize>,
        mut journal: Journal,
    ) -> Result<(), Error> {
        let steps = O::steps();
        for step in steps[..last.map_or(0, |last| last + 1)].iter().rev() {
            let patience = match journal {
                Journal::Works => NOTE_PATIENCE,
                Journal::Fails => Duration::ZERO,
            };
            let noted = self.note(patience, id, step.name(), JournalState::Back, operation).await;
            if let Err(error) = noted {
                journal = Journal::Fails;
                let (kind, subject) = (O::KIND, operation.subject());
                tracing::error!(kind, subject, step = step.name(), %error, "a step is undone, which could not be noted");
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
        self.end_operation(id).await;
        Ok(())
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
            self.end_operation(row.id).await;
            return Ok(false);
        };
        let next = match row.state {
            JournalState::Back => Next::Back,
            JournalState::Forward => steps[number].after_crash(self, &operation),
        };
        match next {
            Next::Forward => self.forward(row.id, &mut operation, number + 1).await?,
            Next::Again => self.forward(row.id, &mut operation, number).await?,
            Next::Back => self.back(row.id, &mut operation, Some(number), Journal::Works).await?,
        }
        Ok(next != Next::Back)
    }

    /// Notes that a step is run or undone; tried for so long.
    async fn note<O: Operation>(
        &self,
        patience: Duration,
        id: i64,
        step: &'static str,
        state: JournalState,
        operation: &O,
    ) -> Result<(), Error> {
        let (data, begun) = (text(operation)?, Instant::now());
        loop {
            let data = data.clone();
            match self.store(move |store| store.note_step(id, step, state, &data)).await {
                Err(_) if begun.elapsed() < patience => tokio::time::sleep(NOTE_AGAIN).await,
                noted => return noted,
            }
        }
    }

    /// Whether the journal has it that a step has begun, which it could not be told. Waits for as long as that can't be read.
    async fn is_noted(&self, id: i64, step: &'static str) -> bool {
        loop {
            match self.store(|store| store.open_operations()).await {
                Ok(rows) => {
                    let is_noted = |row: &JournalRow| {
                        row.id == id && row.step == step && row.state == JournalState::Forward
                    };
                    return rows.iter().any(is_noted);
                }
                Err(error) => {
                    tracing::error!(operation = id, step, %error, "it is not known whether a step is noted");
                }
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    fn pass<O: Operation>(&self, point: &str, when: &str) {
        self.faults.pass(&format!("{}:{point}{when}", O::KIND));
    }
}

/// Runs what goes with an operation, before or after it, to its end, as [`Actions::perform`] does with the operation: it goes on when the
/// caller stops waiting.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let task = tokio::spawn(Box::pin(work).in_current_span());
    task.await.unwrap_or_else(|fault| Err(ended_early("several", &fault)))
}

fn ended_early(kind: &str, fault: &JoinError) -> Error {
    Error::new(ErrorCode::Internal, format!("the operation '{kind}' ended early: {fault}"))
}

/// What whoever asked for an operation hears that could not be written down.
fn undone<O: Operation>(error: Error) -> Error {
    let message =
        format!("all of it ({}) was undone, since it could not be written down: {}", O::KIND, error.message);
    Error { message, ..error }
}

fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|fault| Error::new(ErrorCode::Internal, format!("an operation can't be noted: {fault}")))
}
