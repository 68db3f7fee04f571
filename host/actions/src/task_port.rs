//! What operators ask of policies that run or ran: tasks, log lines, load. Part of [`PolicyAdmin`](crate::policy_port::PolicyAdmin).

use async_trait::async_trait;
use reeve_model::task::{TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};
use reeve_model::{Actor, Error};

/// Tasks and what can be watched of all policies.
#[async_trait]
pub trait PolicyTasks: Send + Sync {
    /// Every task, by name of its policy.
    fn tasks(&self) -> Vec<TaskInfo>;

    /// Runs a task for `actor` and waits until it has ended. Busy while it runs already.
    async fn run_task(&self, name: &str, actor: Actor, arguments: Vec<String>) -> Result<TaskRun, Error>;

    /// Says when a task runs by itself.
    async fn set_triggers(&self, name: &str, triggers: TaskTriggers) -> Result<TaskInfo, Error>;

    /// Log lines of a policy, oldest first; may wait for one.
    async fn logs(&self, name: &str, filter: LogFilter) -> Result<Vec<PolicyLogLine>, Error>;

    /// How busy every policy was, in chain order.
    fn activity(&self) -> Vec<PolicyActivity>;
}
