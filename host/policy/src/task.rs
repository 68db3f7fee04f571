//! Tasks: runs by hand, on a schedule and on events; one run of a task at a time.
//!
//! ```text
//!   operator ──run_task──► busy? refused : run, the caller waits
//!   clock    ──due───────► busy? skipped and logged : run
//!   event    ──filter────► busy? queued (256 at most, else skipped and logged) : run
//!                                   └── taken out of the queue when the run before has ended
//! ```
//!
//! What is due is decided on the wall clock, by the loop in [`follow`]; runs are tasks of their own and outlive no daemon: a stop
//! waits for them a few seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reeve_events::{Delivery, Subscription};
use reeve_model::Actor;
use reeve_model::event::{Event, EventKind};
use reeve_model::policy::{Hook, Outcome};
use reeve_model::task::{TaskCause, TaskRun};
use time::OffsetDateTime;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::DEPTH_LIMIT;
use crate::asked::{Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::exports::reeve::hooks::task::{Occasion as Why, Timing};
use crate::decisions::Input;
use crate::exports::{Answer, Question};
use crate::failure::{Failure, shorten};
use crate::instance::{self, Ask};
use crate::notify::{contract_daemon_change, contract_domain_event};
use crate::shared::Shared;
use crate::trigger::Triggers;

const WAITING_LIMIT: usize = 256;
const SUMMARY_LIMIT: usize = 1024;

/// The wall clock may be set: nobody sleeps for longer without a look at it.
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

/// How long a stop of the daemon waits for runs.
const GRACE: Duration = Duration::from_secs(5);

/// All tasks, by policy.
#[derive(Default)]
pub(crate) struct Tasks {
    tasks: Mutex<BTreeMap<String, Task>>,
    /// Wakes the loop when triggers changed.
    pub(crate) changed: Notify,
    pub(crate) runs: TaskTracker,
    /// Held while what the store keeps of a task is read and written again.
    pub(crate) keeping: Mutex<()>,
}

/// One task between and during its runs.
#[derive(Default)]
pub(crate) struct Task {
    pub(crate) triggers: Arc<Triggers>,
    /// When it is due.
    pub(crate) next: Option<OffsetDateTime>,
    /// True when it was due while the daemon was down.
    pub(crate) missed: bool,
    pub(crate) running: bool,
    pub(crate) waiting: VecDeque<Run>,
    pub(crate) last: Option<TaskRun>,
}

/// A run that was asked for.
pub(crate) struct Run {
    cause: TaskCause,
    actor: Actor,
    subject: String,
    why: Why,
    detail: String,
}

impl Tasks {
    /// The tasks, for a moment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next task is due.
    fn earliest(&self) -> Option<OffsetDateTime> {
        self.lock().values().filter_map(|task| task.next).min()
    }

    /// Waits until no task runs any more, a few seconds at most.
    pub(crate) async fn finish(&self) {
        self.runs.close();
        if tokio::time::timeout(GRACE, self.runs.wait()).await.is_err() {
            tracing::warn!("{} runs of tasks are cut off by the stop of the daemon", self.runs.len());
        }
    }
}

impl Run {
    /// A run that `actor` asks for.
    pub(crate) fn manual(actor: Actor, arguments: Vec<String>) -> Self {
        let detail = serde_json::to_string(&arguments).unwrap_or_default();
        Self {
            cause: TaskCause::Manual,
            actor,
            subject: "node".to_owned(),
            why: Why::Manual(arguments),
            detail,
        }
    }

    fn scheduled(due: OffsetDateTime, catch_up: bool) -> Self {
        let milliseconds = due.unix_timestamp_nanos() / 1_000_000;
        Self {
            cause: if catch_up { TaskCause::CatchUp } else { TaskCause::Schedule },
            actor: Actor::Daemon,
            subject: "node".to_owned(),
            why: Why::Schedule(Timing { due: u64::try_from(milliseconds).unwrap_or(0), catch_up }),
            detail: due.to_string(),
        }
    }

    fn event(event: &Event) -> Option<Self> {
        let (subject, why) = match &event.kind {
            EventKind::Domain { name, .. } => (name.clone(), Why::Domain(contract_domain_event(event)?)),
            EventKind::Daemon { change } => {
                ("daemon".to_owned(), Why::Daemon(contract_daemon_change(*change)))
            }
            EventKind::Policy { .. }
            | EventKind::Network { .. }
            | EventKind::Filter { .. }
            | EventKind::Secret { .. }
            | EventKind::Pool { .. } => return None,
        };
        let detail = serde_json::to_string(event).unwrap_or_default();
        Some(Self { cause: TaskCause::Event, actor: event.actor.clone(), subject, why, detail })
    }
}

/// Starts what is due and what events ask for, until `stop` is cancelled.
pub(crate) async fn follow(shared: Arc<Shared>, mut events: Subscription, stop: CancellationToken) {
    loop {
        let sleep = shared.tasks.earliest().map_or(LONGEST_SLEEP, |due| {
            // A due moment that has passed gives a negative duration, which is none.
            let left = Duration::try_from(due - OffsetDateTime::now_utc()).unwrap_or_default();
            left.min(LONGEST_SLEEP)
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.tasks.changed.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            delivery = events.next() => match delivery {
                None => return,
                Some(Delivery::Lagged { missed }) => {
                    tracing::warn!(missed, "tasks were too slow: {missed} events started none");
                }
                Some(Delivery::Event(event)) => start_for_event(&shared, &event),
            },
        }
        start_due(&shared, OffsetDateTime::now_utc());
    }
}

/// Runs every task that is due. One that is disabled meanwhile misses its moment.
fn start_due(shared: &Arc<Shared>, now: OffsetDateTime) {
    for (policy, run) in due(shared, now) {
        let Some(binding) = shared.registry.find(&policy) else { continue };
        let active = binding.active();
        if !active.answers(Hook::Task) {
            continue;
        }
        let run = {
            let mut tasks = shared.tasks.lock();
            let Some(task) = tasks.get_mut(&policy) else { continue };
            if task.running { Err(run) } else { Ok(claim(task, run)) }
        };
        match run {
            Ok(run) => launch(shared, binding, run, None),
            Err(run) => skipped(shared, &active, &run, "its last run has not ended"),
        }
    }
}

/// Takes out the runs that are due, and says when each is due next: after now, not after then, so that moments that passed
/// meanwhile are not made up for.
fn due(shared: &Shared, now: OffsetDateTime) -> Vec<(String, Run)> {
    let mut tasks = shared.tasks.lock();
    let due = tasks.iter_mut().filter_map(|(policy, task)| {
        let due = task.next.filter(|due| *due <= now)?;
        task.next = task.triggers.schedule.as_ref().and_then(|schedule| schedule.next(now));
        Some((policy.clone(), Run::scheduled(due, std::mem::take(&mut task.missed))))
    });
    due.collect()
}

fn start_for_event(shared: &Arc<Shared>, event: &Event) {
    for (binding, active) in shared.registry.answering(Hook::Task) {
        let run = {
            let mut tasks = shared.tasks.lock();
            let Some(task) = tasks.get_mut(binding.name()) else { continue };
            if !task.triggers.match_event(&event.kind) {
                continue;
            }
            let Some(run) = Run::event(event) else { continue };
            if !task.running {
                Ok(claim(task, run))
            } else if task.waiting.len() < WAITING_LIMIT {
                task.waiting.push_back(run);
                continue;
            } else {
                Err(run)
            }
        };
        match run {
            Ok(run) => launch(shared, binding, run, None),
            Err(run) => {
                shared.metrics.event_dropped(binding.name());
                skipped(shared, &active, &run, "its last run has not ended and too many events wait for it");
            }
        }
    }
}

/// Takes the task's only place.
pub(crate) fn claim(task: &mut Task, run: Run) -> Run {
    task.running = true;
    run
}

/// Begins a run whose place was claimed; the runs that wait meanwhile follow it. `first` is told what came of this one.
pub(crate) fn launch(
    shared: &Arc<Shared>,
    binding: Arc<Binding>,
    run: Run,
    mut first: Option<oneshot::Sender<TaskRun>>,
) {
    let shared = Arc::clone(shared);
    let daemon = shared.daemon.clone();
    let tracker = shared.tasks.runs.clone();
    // The run somebody asked for belongs to their request; those that follow it have causes of their own.
    let mut span = Span::current();
    let runs = async move {
        let mut next = Some(run);
        while let Some(run) = next {
            let span = std::mem::replace(&mut span, Span::none());
            let done = run_once(&shared, &binding, run).instrument(span).await;
            crate::task_admin::keep_run(&shared, binding.name(), done.clone());
            next = {
                let mut tasks = shared.tasks.lock();
                let Some(task) = tasks.get_mut(binding.name()) else { return tell(first, done) };
                task.last = Some(done.clone());
                let next = task.waiting.pop_front();
                task.running = next.is_some();
                next
            };
            tell(first.take(), done);
        }
    };
    tracker.spawn_on(runs, &daemon);
}

fn tell(first: Option<oneshot::Sender<TaskRun>>, done: TaskRun) {
    if let Some(first) = first {
        // Whoever waited may have gone.
        let _ = first.send(done);
    }
}

async fn run_once(shared: &Arc<Shared>, binding: &Arc<Binding>, run: Run) -> TaskRun {
    let active = binding.active();
    let occasion = Occasion::new(shared, Hook::Task, run.actor, run.subject);
    let started = OffsetDateTime::now_utc();
    let input = Input { active: Arc::clone(&active), domain: None, detail: run.detail };
    if binding.is_parked() {
        occasion.note_parked(shared, input);
        let summary = "the policy is parked after too many failures".to_owned();
        return TaskRun { started, cause: run.cause, outcome: Outcome::Parked, summary, micros: 0 };
    }
    let ask = Ask {
        hook: Hook::Task,
        // A task that causes the events it runs on could go on for ever; its calls are refused at the limit.
        depth: occasion.depth().min(DEPTH_LIMIT),
        nested: false,
        context: occasion.context(&active),
        question: Question::Run(run.why),
    };
    let mut report = instance::run(shared, &active, &binding.turns, ask).await;
    let answer = std::mem::replace(&mut report.answer, Ok(Answer::Told));
    let verdict = match answer {
        Ok(Answer::Summary(summary)) => {
            Verdict { reason: one_line(&summary), ..Verdict::plain(Outcome::Done) }
        }
        Ok(_) => Verdict::failed(&Failure::Refused("a task must answer with a summary".to_owned())),
        Err(failure) => Verdict::failed(&failure),
    };
    let micros = u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX);
    let (outcome, summary) = (verdict.outcome, verdict.reason.clone());
    tracing::info!(
        policy = active.name,
        call = occasion.number,
        "task '{}' {}: {summary}",
        active.name,
        ended(outcome)
    );
    occasion.note(shared, binding, &report, verdict, input);
    TaskRun { started, cause: run.cause, outcome, summary, micros }
}

fn ended(outcome: Outcome) -> &'static str {
    if outcome == Outcome::Done { "is done" } else { "failed" }
}

/// A summary that cannot pass for more than one line of a log or a table.
fn one_line(summary: &str) -> String {
    let line: String = summary.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shorten(&line, SUMMARY_LIMIT)
}

/// Logs a run that there was no room for.
fn skipped(shared: &Shared, active: &Arc<Active>, run: &Run, why: &str) {
    tracing::warn!(policy = active.name, "task '{}' is not run: {why}", active.name);
    let occasion = Occasion::new(shared, Hook::Task, run.actor.clone(), run.subject.clone());
    let input = Input { active: Arc::clone(active), domain: None, detail: run.detail.clone() };
    occasion.note_skipped(shared, why, input);
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_summary_is_one_short_line() {
        assert_eq!(one_line(" 3 domains\nare up\u{1b}[2K\n"), "3 domains are up [2K");
        assert_eq!(one_line(&"x".repeat(4096)).chars().count(), 1025);
    }
}
