//! Verbs of an interface's life.

use clap::Args;
use reeve_model::host_interface::HostInterfaceSummary;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve iface start`.
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    target: Target,
}

/// Its addresses go, and a bridge is deleted; its ports stay without addresses. Refused for an interface that is not defined, as nothing
/// could start it again, and for one that guests or other links are attached to.
#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    target: Target,
}

/// What is up stays up.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.start_interface(&self.target.interface).await?;
        context.show(&Started(row))
    }
}

impl Destroy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.destroy_interface(&self.target.interface).await?;
        context.say(&format!("Interface '{}' destroyed", self.target.interface))
    }
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_interface(&self.target.interface).await?;
        context.say(&format!("Interface '{}' undefined", self.target.interface))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Started(HostInterfaceSummary);

impl Show for Started {
    const ELEMENT: &'static str = "interface";

    fn human(&self) -> String {
        format!("Interface '{}' started", self.0.name)
    }
}
