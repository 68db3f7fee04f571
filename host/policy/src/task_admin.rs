//! Tasks, log lines and load as operators see them, and what of a task outlives the daemon.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use reeve_actions::task_port::PolicyTasks;
use reeve_model::policy::Hook;
use reeve_model::task::{TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};
use reeve_model::{Actor, Bytes, Error, ErrorCode};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::binding::Binding;
use crate::policy_engine::PolicyEngine;
use crate::shared::Shared;
use crate::task::{self, Run, Task};
use crate::trigger::Triggers;

const ARGUMENTS_LIMIT: usize = 64;
const ARGUMENT_BYTES: usize = 64 * 1024;

/// What the store keeps of a task.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    triggers: TaskTriggers,
    last: Option<TaskRun>,
    /// When it was looked at last: moments of the schedule after it were missed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    seen: Option<OffsetDateTime>,
}

fn key(policy: &str) -> String {
    format!("task/{policy}")
}

fn kept(shared: &Shared, policy: &str) -> Kept {
    let text = shared.store.setting(&key(policy)).unwrap_or_else(|error| {
        tracing::error!(policy, %error, "what was kept of the task cannot be read");
        None
    });
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn keep(shared: &Shared, policy: &str, kept: &Kept) -> Result<(), Error> {
    let text = serde_json::to_string(kept).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("task '{policy}' cannot be kept: {error}"))
    })?;
    Ok(shared.store.put_setting(&key(policy), &text)?)
}

/// Keeps the last run over a restart of the daemon.
pub(crate) fn keep_run(shared: &Arc<Shared>, policy: &str, run: TaskRun) {
    let (shared, policy) = (Arc::clone(shared), policy.to_owned());
    shared.daemon.clone().spawn_blocking(move || {
        let _keeping = shared.tasks.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = Some(run.started);
        let kept = Kept { last: Some(run), seen, ..kept(&shared, &policy) };
        if shared.registry.find(&policy).is_some()
            && let Err(error) = keep(&shared, &policy, &kept)
        {
            tracing::error!(policy, %error, "the last run of the task will be forgotten at the next start");
        }
    });
}

impl PolicyEngine {
    /// Puts the triggers of a policy in place: `given` ones, which are kept, or those that were kept before.
    pub(crate) fn arm(&self, policy: &str, given: Option<TaskTriggers>) -> Result<(), Error> {
        let Some(binding) = self.shared.registry.find(policy) else { return Ok(()) };
        let active = binding.active();
        if !active.program.hooks.contains(&Hook::Task) {
            self.shared.tasks.lock().remove(policy);
            return match given {
                Some(triggers) if triggers != TaskTriggers::default() => Err(no_task(policy)),
                _ => Ok(()),
            };
        }
        let _keeping = self.shared.tasks.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let now = OffsetDateTime::now_utc();
        let before = kept(&self.shared, policy);
        let triggers = Arc::new(Triggers::parse(given.clone().unwrap_or_else(|| before.triggers.clone()))?);
        let known = self.shared.tasks.lock().contains_key(policy);
        let missed_since = before.seen.filter(|_| triggers.text.catch_up && !known);
        let next = |after| triggers.schedule.as_ref().and_then(|schedule| schedule.next(after));
        let due = next(missed_since.unwrap_or(now));
        {
            let mut tasks = self.shared.tasks.lock();
            let task = tasks.entry(policy.to_owned()).or_default();
            let same = task.triggers.text == triggers.text;
            if !same || task.next.is_none() {
                task.next = due;
                task.missed = due.is_some_and(|due| due <= now);
            }
            task.triggers = Arc::clone(&triggers);
            if task.last.is_none() {
                task.last.clone_from(&before.last);
            }
        }
        if given.is_some() || before.seen.is_none() {
            // Moments before a schedule was set were not missed.
            let seen = before.seen.filter(|_| triggers.text == before.triggers).or(Some(now));
            keep(&self.shared, policy, &Kept { triggers: triggers.text.clone(), last: before.last, seen })?;
        }
        self.shared.tasks.changed.notify_one();
        Ok(())
    }

    /// Forgets the task and the lines of a policy that was taken out; what the store keeps of it stays for one that comes back with
    /// its file.
    pub(crate) fn disarm(&self, policy: &str) {
        self.shared.tasks.lock().remove(policy);
        self.shared.logs.remove(policy);
    }

    /// Forgets what was kept of the task of a policy that was unloaded.
    pub(crate) fn forget_task(&self, policy: &str) -> Result<(), Error> {
        match self.shared.store.setting(&key(policy))? {
            Some(_) => Ok(self.shared.store.remove_setting(&key(policy))?),
            None => Ok(()),
        }
    }

    fn task_of(&self, policy: &str) -> Result<Arc<Binding>, Error> {
        let binding = self.shared.registry.get(policy)?;
        let active = binding.active();
        if !active.program.hooks.contains(&Hook::Task) {
            return Err(no_task(policy));
        }
        Ok(binding)
    }
}

fn no_task(policy: &str) -> Error {
    Error::new(ErrorCode::Invalid, format!("policy '{policy}' has no task"))
        .with_hint("'reeve policy task list' shows those that have one")
}

fn info(policy: &str, task: &Task) -> TaskInfo {
    TaskInfo {
        policy: policy.to_owned(),
        triggers: task.triggers.text.clone(),
        next: task.next,
        running: task.running,
        waiting: u32::try_from(task.waiting.len()).unwrap_or(u32::MAX),
        last: task.last.clone(),
    }
}

#[async_trait]
impl PolicyTasks for PolicyEngine {
    fn tasks(&self) -> Vec<TaskInfo> {
        self.shared.tasks.lock().iter().map(|(policy, task)| info(policy, task)).collect()
    }

    async fn run_task(&self, name: &str, actor: Actor, arguments: Vec<String>) -> Result<TaskRun, Error> {
        let binding = self.task_of(name)?;
        let bytes: usize = arguments.iter().map(String::len).sum();
        if arguments.len() > ARGUMENTS_LIMIT || bytes > ARGUMENT_BYTES {
            let message = format!(
                "a task takes {ARGUMENTS_LIMIT} arguments of {ARGUMENT_BYTES} bytes together at most, these are {} of {bytes}",
                arguments.len()
            );
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let wrong = |what: &str, hint: String| {
            Err(Error::new(ErrorCode::WrongState, format!("policy '{name}' is {what}")).with_hint(hint))
        };
        if binding.is_parked() {
            return wrong("parked", format!("'reeve policy resume {name}' lets it run again"));
        }
        if !binding.active().answers(Hook::Task) {
            return wrong("disabled", format!("'reeve policy enable {name}' lets it run again"));
        }
        let run = {
            let mut tasks = self.shared.tasks.lock();
            let task = tasks.entry(name.to_owned()).or_default();
            if task.running {
                let error = Error::new(ErrorCode::Busy, format!("task '{name}' is running"));
                return Err(error.with_hint("one run of a task at a time; ask again when it has ended"));
            }
            task::claim(task, Run::manual(actor, arguments))
        };
        let (done, ended) = oneshot::channel();
        task::launch(&self.shared, binding, run, Some(done));
        ended.await.map_err(|_| {
            Error::new(ErrorCode::Internal, format!("the run of task '{name}' ended without an answer"))
        })
    }

    async fn set_triggers(&self, name: &str, triggers: TaskTriggers) -> Result<TaskInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.task_of(name)?;
        crate::admin::installed_only(&binding, "write schedule and events into policies.toml")?;
        self.arm(name, Some(triggers))?;
        let tasks = self.shared.tasks.lock();
        tasks.get(name).map(|task| info(name, task)).ok_or_else(|| no_task(name))
    }

    async fn logs(&self, name: &str, filter: LogFilter) -> Result<Vec<PolicyLogLine>, Error> {
        self.shared.registry.get(name)?;
        Ok(self.shared.logs.read(name, &filter).await)
    }

    fn activity(&self) -> Vec<PolicyActivity> {
        let activity = |binding: &Arc<Binding>| {
            let info = binding.info();
            PolicyActivity {
                policy: info.name,
                mode: info.mode,
                parked: info.parked,
                calls: info.counters.calls,
                denials: info.counters.denials,
                failures: info.counters.failures,
                memory_peak: Bytes(binding.counters.memory.load(std::sync::atomic::Ordering::Relaxed) as u64),
                latency: binding.counters.latency.classes(),
            }
        };
        self.shared.registry.all().iter().map(activity).collect()
    }
}
