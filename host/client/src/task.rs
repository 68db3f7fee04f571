//! Tasks, log lines and load of policies.

use hyper::Method;
use reeve_model::task::{RunTask, TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Every task, by name of its policy.
    pub async fn tasks(&self) -> Result<Vec<TaskInfo>, ClientError> {
        self.call(Method::GET, Target::new(&["tasks"]), Payload::Empty).await
    }

    /// Runs a task and waits until it has ended.
    pub async fn run_task(&self, name: &str, arguments: Vec<String>) -> Result<TaskRun, ClientError> {
        let body = Payload::json(&RunTask { arguments })?;
        self.call(Method::POST, Target::new(&["policies", name, "run"]), body).await
    }

    /// Says when a task runs by itself.
    pub async fn schedule_task(&self, name: &str, triggers: &TaskTriggers) -> Result<TaskInfo, ClientError> {
        let body = Payload::json(triggers)?;
        self.call(Method::PUT, Target::new(&["policies", name, "schedule"]), body).await
    }

    /// Lines that a policy wrote, oldest first; waits for one where the filter says so.
    pub async fn policy_logs(
        &self,
        name: &str,
        filter: &LogFilter,
    ) -> Result<Vec<PolicyLogLine>, ClientError> {
        let target = Target::new(&["policies", name, "logs"]).with_fields(filter);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// How busy every policy was since it was loaded, in chain order.
    pub async fn policy_activity(&self) -> Result<Vec<PolicyActivity>, ClientError> {
        self.call(Method::GET, Target::new(&["activity"]), Payload::Empty).await
    }
}
