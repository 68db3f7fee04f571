//! `reeve iface begin`, `commit`, `rollback` and `status` (guide 14.15.1.9).

use clap::Args;
use reeve_model::host_interface::{BeginHostChange, CHANGE_SECONDS, HostChange, HostRollback};
use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

/// Options of `reeve iface begin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Links, addresses, routes and definitions are written down. What is done to interfaces after that is taken back unless 'reeve iface commit'
comes in time, also when the daemon is killed meanwhile: the next one goes on waiting, or goes back at once when the time is over. A
reboot takes it back too. There is one change at a time.

Example:
  reeve iface begin --timeout 60 && reeve iface bridge eth0 br0 && reeve iface commit")]
pub struct Begin {
    /// Seconds until it is taken back by itself, at most 86400; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value_t = CHANGE_SECONDS)]
    timeout: u64,
}

/// Options of `reeve iface commit`.
#[derive(Debug, Args)]
pub struct Commit {}

/// Options of `reeve iface rollback`.
#[derive(Debug, Args)]
pub struct Rollback {}

/// Options of `reeve iface status`.
#[derive(Debug, Args)]
pub struct Status {}

impl Begin {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = BeginHostChange { timeout: Some(self.timeout) };
        let change = context.client.begin_interfaces(options).await?;
        context.show(&change)
    }
}

impl Commit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.commit_interfaces().await?;
        context.say("Change of the host's interfaces committed")
    }
}

impl Rollback {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let done = context.client.roll_back_interfaces().await?;
        context.warn(&done.warnings);
        context.show(&RolledBack(done))
    }
}

impl Status {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let change = context.client.interface_change().await?;
        context.show(&change)
    }
}

impl Show for HostChange {
    const ELEMENT: &'static str = "change";

    fn human(&self) -> String {
        match (self.open, self.seconds_left) {
            (false, _) => "No change of the host's interfaces is open".to_owned(),
            (true, None) => {
                "A change of the host's interfaces is open until it is committed or rolled back".to_owned()
            }
            (true, Some(left)) => {
                format!(
                    "A change of the host's interfaces is open; it is rolled back in {left} s unless it is committed"
                )
            }
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct RolledBack(HostRollback);

impl Show for RolledBack {
    const ELEMENT: &'static str = "rollback";

    fn human(&self) -> String {
        "Change of the host's interfaces rolled back".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn a_change_says_how_long_it_waits() {
        let change = |open, seconds_left| HostChange { open, seconds_left };
        let all = [change(false, None), change(true, None), change(true, Some(60))];
        let text = all.map(|change| Format::Table.draw(&change).unwrap());
        insta::assert_snapshot!(text.join("\n"));
    }
}
