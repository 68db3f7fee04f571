//! `reeve domain iothreadinfo`, `iothreadpin`, `iothreadadd` and `iothreaddel`.

use clap::Args;
use reeve_model::CpuSet;
use reeve_model::domain::IothreadPin;
use reeve_model::tuning::Tuning;
use serde::Serialize;

use super::Target;
use super::tuning::TuneScope;
use crate::context::Context;
use crate::output::Show;

/// The rule below the heading of the threads.
const RULE: &str = "-----------------------------";

/// Options of `reeve domain iothreadinfo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Of a running machine the affinity is what the host keeps.

Examples:
  reeve domain iothreadinfo web
  reeve domain iothreadinfo web --config")]
pub struct Iothreadinfo {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    scope: TuneScope,
}

impl Iothreadinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        change(context, &self.target, &self.scope, Tuning::default()).await
    }
}

/// Options of `reeve domain iothreadpin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain iothreadpin web 1 2-3
  reeve domain iothreadpin web 1 0 --live --config")]
pub struct Iothreadpin {
    #[command(flatten)]
    target: Target,
    /// Number of the I/O thread
    #[arg(value_name = "IOTHREAD")]
    id: u32,
    /// Host CPUs, e.g. 0-3,^2
    #[arg(value_name = "CPULIST")]
    cpus: CpuSet,
    #[command(flatten)]
    scope: TuneScope,
}

impl Iothreadpin {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let pin = IothreadPin { iothread: self.id, cpuset: self.cpus };
        let tuning = Tuning { iothread_pins: vec![pin], ..Tuning::default() };
        change(context, &self.target, &self.scope, tuning).await
    }
}

/// Options of `reeve domain iothreadadd`.
#[derive(Debug, Args)]
#[command(after_help = "\
Disks that are attached later can be on it: <driver iothread='ID'/>.

Examples:
  reeve domain iothreadadd web 2 --live --config")]
pub struct Iothreadadd {
    #[command(flatten)]
    target: Target,
    /// Its number, from 1
    #[arg(value_name = "ID")]
    id: u32,
    #[command(flatten)]
    scope: TuneScope,
}

impl Iothreadadd {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let tuning = Tuning { iothreads_added: vec![self.id], ..Tuning::default() };
        change(context, &self.target, &self.scope, tuning).await
    }
}

/// Options of `reeve domain iothreaddel`.
#[derive(Debug, Args)]
#[command(after_help = "\
One that serves a disk stays: detach the disk first.

Examples:
  reeve domain iothreaddel web 2 --live --config")]
pub struct Iothreaddel {
    #[command(flatten)]
    target: Target,
    /// Its number
    #[arg(value_name = "ID")]
    id: u32,
    #[command(flatten)]
    scope: TuneScope,
}

impl Iothreaddel {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let tuning = Tuning { iothreads_removed: vec![self.id], ..Tuning::default() };
        change(context, &self.target, &self.scope, tuning).await
    }
}

/// Makes the change, if there is one, and shows the threads.
async fn change(
    context: &mut Context,
    target: &Target,
    scope: &TuneScope,
    tuning: Tuning,
) -> anyhow::Result<()> {
    let tuning = scope.tuning(context, &target.domain, tuning).await?;
    context.show(&Iothreads(tuning.iothread_pins))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Iothreads(Vec<IothreadPin>);

impl Show for Iothreads {
    const ELEMENT: &'static str = "iothreads";

    fn human(&self) -> String {
        if self.0.is_empty() {
            return "no I/O threads".to_owned();
        }
        let line = |pin: &IothreadPin| format!(" {:<15} {}", pin.iothread, pin.cpuset);
        let lines = self.0.iter().map(line).collect::<Vec<_>>().join("\n");
        format!(" IOThread ID     CPU Affinity\n{RULE}\n{lines}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_a_table() {
        let pin = |iothread, cpus: &str| IothreadPin { iothread, cpuset: cpus.parse().unwrap() };
        insta::assert_snapshot!(Iothreads(vec![pin(1, "0-3"), pin(12, "2")]).human(), @r"
         IOThread ID     CPU Affinity
        -----------------------------
         1               0-3
         12              2
        ");
        assert_eq!(Iothreads(Vec::new()).human(), "no I/O threads");
    }
}
