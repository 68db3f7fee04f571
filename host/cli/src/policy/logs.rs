//! `reeve policy logs`.

use clap::Args;
use reeve_client::ClientError;
use reeve_model::watch::{LogFilter, PolicyLogLine};
use serde::Serialize;

use super::word;
use crate::context::Context;
use crate::output::{Format, Show, moment};

/// How long one question for new lines waits in the daemon, seconds.
const WAIT: u32 = 20;

/// Lines that are asked for at once.
const PAGE: u32 = 1000;

/// Options of `reeve policy logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon keeps the newest thousand lines of every policy in memory, debug lines as well. With --output json and --follow
every line is one line of JSON.

Examples:
  reeve policy logs journal
  reeve policy logs nightly-report -f")]
pub struct Logs {
    /// Name of the policy
    policy: String,
    /// Go on with new lines until interrupted
    #[arg(short, long)]
    follow: bool,
    /// At most so many lines, the newest ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
}

impl Logs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let newest = LogFilter { limit: Some(self.lines), ..LogFilter::default() };
        let lines = context.client.policy_logs(&self.policy, &newest).await?;
        if !self.follow {
            return context.show(&Lines(lines));
        }
        let mut after = lines.last().map_or(0, |line| line.seq);
        print(context, &lines)?;
        loop {
            let filter = LogFilter { after: Some(after), limit: Some(PAGE), wait: Some(WAIT) };
            let lines = match context.client.policy_logs(&self.policy, &filter).await {
                // The daemon has stopped: the end of the lines, like that of the event stream.
                Err(ClientError::Unreachable { .. } | ClientError::Broken(_)) => return Ok(()),
                lines => lines?,
            };
            print(context, &lines)?;
            after = lines.last().map_or(after, |line| line.seq);
        }
    }
}

fn print(context: &mut Context, lines: &[PolicyLogLine]) -> anyhow::Result<()> {
    for line in lines {
        let text = match context.format {
            Format::Json => serde_json::to_string(line)?,
            Format::Table | Format::Xml => context.format.draw(line)?,
        };
        context.print(&text)?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(transparent)]
struct Lines(Vec<PolicyLogLine>);

impl Show for Lines {
    const ELEMENT: &'static str = "lines";

    fn human(&self) -> String {
        self.0.iter().map(Show::human).collect::<Vec<_>>().join("\n")
    }
}

impl Show for PolicyLogLine {
    const ELEMENT: &'static str = "line";

    fn human(&self) -> String {
        let level = word(&self.level).to_uppercase();
        format!("{} {level:>5} {} {}: {}", moment(self.time), self.hook, self.call, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_model::policy::Hook;
    use reeve_model::watch::LogLevel;
    use time::OffsetDateTime;

    #[test]
    fn a_line_says_when_where_and_what() {
        let line = PolicyLogLine {
            seq: 7,
            time: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_795_000_000),
            level: LogLevel::Warn,
            hook: Hook::DomainEvents,
            call: "41-journal".into(),
            message: "domain 'web' crashed 3 times".into(),
        };
        insta::assert_snapshot!(Lines(vec![line]).human());
    }
}
