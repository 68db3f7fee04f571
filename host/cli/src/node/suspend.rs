//! `reeve node suspend` (guide 14.7.6).

use clap::Args;
use reeve_model::node::{NodeSuspend, SuspendTarget};

use crate::context::Context;
use crate::exit::Usage;

/// Options of `reeve node suspend`.
#[derive(Debug, Args)]
#[command(after_help = "\
All guests stand still with the host, and those that are being migrated stay where they are. Its clock wakes it.

Examples:
  reeve node suspend mem 3600
  reeve node suspend --target disk --duration 600")]
pub struct Suspend {
    /// mem, disk, or hybrid: to memory, with a copy on the disk
    #[arg(value_name = "TARGET", id = "to", required_unless_present = "target")]
    to: Option<SuspendTarget>,
    /// Seconds after which it wakes, 60 or more
    #[arg(value_name = "SECONDS", id = "seconds", required_unless_present = "duration")]
    seconds: Option<u64>,
    /// The same as TARGET
    #[arg(long, conflicts_with = "to")]
    target: Option<SuspendTarget>,
    /// The same as SECONDS
    #[arg(long, value_name = "SECONDS", conflicts_with = "seconds")]
    duration: Option<u64>,
}

impl Suspend {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Some((target, duration)) = self.target.or(self.to).zip(self.duration.or(self.seconds)) else {
            let message = "how the host shall sleep, and for how long, are both needed".to_owned();
            return Err(Usage { message, hint: Some("reeve node suspend mem 3600") }.into());
        };
        context.client.suspend_node(&NodeSuspend { target, duration }).await?;
        context.say(&format!("The host goes to sleep ({target}) and wakes in {duration} s"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn both_are_said_in_either_way() {
        let parsed = |words: &str| crate::Cli::try_parse_from(words.split(' '));
        for words in ["mem 60", "--target mem --duration 60", "mem --duration 60"] {
            let shown = format!("{:?}", parsed(&format!("reeve node suspend {words}")));
            assert!(shown.contains("Mem") && shown.contains("Some(60)"), "{words}: {shown}");
        }
        for wrong in ["mem", "sleep 60", "mem 60 --target disk", "mem long"] {
            assert!(parsed(&format!("reeve node suspend {wrong}")).is_err(), "{wrong}");
        }
    }
}
