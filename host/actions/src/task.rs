//! Verbs on tasks, log lines and load of policies: authorization in front of [`PolicyTasks`](crate::task_port::PolicyTasks).

use reeve_model::task::{TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};
use reeve_model::{Actor, Error, Verb};

use crate::Actions;

impl Actions {
    /// Every task, by name of its policy.
    pub fn task_list(&self, actor: &Actor) -> Result<Vec<TaskInfo>, Error> {
        self.authorize(actor, Verb::PolicyRead, "")?;
        Ok(self.policies.tasks())
    }

    /// Runs a task and waits until it has ended; it goes on when the caller does not wait.
    pub async fn task_run(
        &self,
        actor: &Actor,
        name: &str,
        arguments: Vec<String>,
    ) -> Result<TaskRun, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.run_task(name, actor.clone(), arguments).await
    }

    /// Says when a task runs by itself.
    pub async fn task_schedule(
        &self,
        actor: &Actor,
        name: &str,
        triggers: TaskTriggers,
    ) -> Result<TaskInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.set_triggers(name, triggers).await
    }

    /// Log lines of a policy, oldest first; may wait for one.
    pub async fn policy_logs(
        &self,
        actor: &Actor,
        name: &str,
        filter: LogFilter,
    ) -> Result<Vec<PolicyLogLine>, Error> {
        self.authorize(actor, Verb::PolicyRead, name)?;
        self.policies.logs(name, filter).await
    }

    /// How busy every policy was, in chain order.
    pub fn policy_activity(&self, actor: &Actor) -> Result<Vec<PolicyActivity>, Error> {
        self.authorize(actor, Verb::PolicyRead, "")?;
        Ok(self.policies.activity())
    }
}
