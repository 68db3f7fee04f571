//! Verbs of a network's life.

use clap::Args;
use reeve_model::network::NetworkSummary;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve network start`.
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    target: Target,
}

/// Guests that are plugged in are cut off until it is started again.
#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    target: Target,
}

/// A running network goes on as a transient one.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve network autostart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve network autostart default
  reeve network autostart default --disable")]
pub struct Autostart {
    #[command(flatten)]
    target: Target,
    /// Leave it off when the daemon starts
    #[arg(long)]
    disable: bool,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.start_network(&self.target.network).await?;
        context.show(&Done { row, participle: "started" })
    }
}

impl Destroy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.destroy_network(&self.target.network).await?;
        say(context, &self.target.network, "destroyed")
    }
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_network(&self.target.network).await?;
        say(context, &self.target.network, "undefined")
    }
}

impl Autostart {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.set_network_autostart(&self.target.network, !self.disable).await?;
        let participle = if self.disable { "unmarked as autostarted" } else { "marked as autostarted" };
        context.show(&Done { row, participle })
    }
}

/// The end of a verb that answers nothing.
fn say(context: &mut Context, network: &str, participle: &str) -> anyhow::Result<()> {
    context.say(&format!("Network '{network}' {participle}"))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    row: NetworkSummary,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "network";

    fn human(&self) -> String {
        format!("Network '{}' {}", self.row.name, self.participle)
    }
}
