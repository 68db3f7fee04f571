//! `reeve policy task` and `reeve policy schedule`.

use clap::{Args, Subcommand};
use reeve_model::policy::Outcome;
use reeve_model::task::{TaskInfo, TaskRun, TaskTriggers};
use serde::Serialize;

use super::word;
use crate::context::Context;
use crate::output::{Show, moment, or_dash, pairs, table};

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// List the policies that have a task: when it runs, its last run and its next
    #[command(visible_alias = "ls")]
    List,
    /// Run a task now, wait for it and print its summary
    Run(Run),
}

/// Options of `reeve policy task run`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit status is 0 when the run is done and 1 when it failed. The run goes on when this command is interrupted.

Examples:
  reeve policy task run nightly-report
  reeve policy task run domain-order stop")]
pub struct Run {
    /// Name of the policy
    policy: String,
    /// Handed to the task as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Options of `reeve policy schedule`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is given takes the place of what was said before; without any option the task runs by hand only.

Schedules: a cron expression of five fields (minute hour day month weekday) in the host's time zone, or 'every N' with s, m, h
or d. Events: domain:CHANGE or daemon:CHANGE as 'reeve events' names them, * for any; a domain's may be narrowed with name=GLOB.

Examples:
  reeve policy schedule nightly-report --at '0 3 * * *' --catch-up
  reeve policy schedule domain-order --on 'daemon:started'
  reeve policy schedule inventory --at 'every 5m' --on 'domain:defined name=web-*' --on 'domain:undefined name=web-*'
  reeve policy schedule inventory")]
pub struct Schedule {
    /// Name of the policy
    policy: String,
    #[command(flatten)]
    triggers: Triggers,
}

/// When a task runs by itself.
#[derive(Debug, Default, Args)]
pub struct Triggers {
    /// A cron expression ('0 3 * * *') or an interval ('every 5m')
    #[arg(long = "at", value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// An event that starts a run, e.g. 'domain:started name=web-*'; may be repeated
    #[arg(long = "on", value_name = "EVENT")]
    events: Vec<String>,
    /// When runs were missed while the daemon was down, make up for them with one
    #[arg(long, requires = "schedule")]
    catch_up: bool,
}

impl Triggers {
    /// What was asked for; none when nothing was.
    pub(super) fn asked(self) -> Option<TaskTriggers> {
        let triggers = self.all();
        (triggers != TaskTriggers::default()).then_some(triggers)
    }

    fn all(self) -> TaskTriggers {
        TaskTriggers { schedule: self.schedule, events: self.events, catch_up: self.catch_up }
    }
}

impl TaskCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::List => {
                let rows = context.client.tasks().await?;
                context.show(&Rows(rows))
            }
            Self::Run(run) => {
                let done = context.client.run_task(&run.policy, run.arguments).await?;
                let (outcome, summary) = (done.outcome, done.summary.clone());
                if outcome == Outcome::Done {
                    return context.show(&done);
                }
                anyhow::bail!("task '{}' failed ({}): {summary}", run.policy, word(&outcome))
            }
        }
    }
}

impl Schedule {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.schedule_task(&self.policy, &self.triggers.all()).await?;
        context.show(&info)
    }
}

impl Show for TaskRun {
    const ELEMENT: &'static str = "run";

    fn human(&self) -> String {
        self.summary.clone()
    }
}

impl Show for TaskInfo {
    const ELEMENT: &'static str = "task";

    fn human(&self) -> String {
        pairs([
            ("Task", self.policy.clone()),
            ("Schedule", or_dash(self.triggers.schedule.as_deref())),
            ("Events", or_dash(Some(self.triggers.events.join(", ")).filter(|events| !events.is_empty()))),
            ("Catches up", crate::output::yes_no(self.triggers.catch_up).to_owned()),
            ("Next", or_dash(self.next.map(moment))),
            ("Last", or_dash(self.last.as_ref().map(last))),
        ])
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<TaskInfo>);

impl Show for Rows {
    const ELEMENT: &'static str = "tasks";

    fn human(&self) -> String {
        let cells = |task: &TaskInfo| {
            let triggers = task.triggers.schedule.iter().chain(&task.triggers.events);
            let runs = triggers.cloned().collect::<Vec<_>>().join(", ");
            let next = match (task.running, task.waiting) {
                (true, 0) => "now".to_owned(),
                (true, waiting) => format!("now, {waiting} waiting"),
                (false, _) => or_dash(task.next.map(moment)),
            };
            let runs = if runs.is_empty() { "by hand".to_owned() } else { runs };
            [task.policy.clone(), runs, next, or_dash(task.last.as_ref().map(last))]
        };
        table(["Task", "Runs", "Next", "Last"], self.0.iter().map(cells))
    }
}

/// When a run was, and what came of it.
fn last(run: &TaskRun) -> String {
    format!("{} {}: {}", moment(run.started), word(&run.outcome), run.summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use reeve_model::task::TaskCause;
    use time::OffsetDateTime;

    fn tasks() -> Vec<TaskInfo> {
        let moment = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_795_000_000);
        let report = TaskInfo {
            policy: "nightly-report".into(),
            triggers: TaskTriggers { schedule: Some("0 3 * * *".into()), events: vec![], catch_up: true },
            next: Some(moment + time::Duration::days(1)),
            running: false,
            waiting: 0,
            last: Some(TaskRun {
                started: moment,
                cause: TaskCause::Schedule,
                outcome: Outcome::Done,
                summary: "3 of 4 domains are active".into(),
                micros: 812,
            }),
        };
        let order = TaskInfo {
            policy: "domain-order".into(),
            triggers: TaskTriggers { events: vec!["daemon:started".into()], ..TaskTriggers::default() },
            next: None,
            running: true,
            waiting: 2,
            last: None,
        };
        let by_hand = TaskInfo {
            policy: "sweep".into(),
            triggers: TaskTriggers::default(),
            next: None,
            running: false,
            waiting: 0,
            last: None,
        };
        vec![report, order, by_hand]
    }

    #[test]
    fn a_line_a_task() {
        insta::assert_snapshot!(Format::Table.draw(&Rows(tasks())).unwrap());
    }

    #[test]
    fn everything_about_a_task() {
        insta::assert_snapshot!(Format::Table.draw(&tasks()[0]).unwrap());
    }
}
