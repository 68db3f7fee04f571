//! `reeve iface bridge` and `unbridge` (guide 14.15.1.7, 14.15.1.8).

use clap::{ArgAction, Args};
use reeve_model::host_interface::{BridgeHostInterface, UnbridgeHostInterface};

use super::{Target, define};
use crate::context::Context;

/// Options of `reeve iface bridge`.
#[derive(Debug, Args)]
#[command(after_help = "\
The bridge takes over the addresses, the routes of the main table and the definition of the interface; it is defined, and started with the
daemon where the interface was or was not defined at all. When a step fails everything is put back. Begin a change first when you come in by
this interface: what cuts you off is taken back then.

Examples:
  reeve iface begin --timeout 60 && reeve iface bridge eth0 br0 && reeve iface commit
  reeve iface bridge eth1 br1 --no-stp 4")]
pub struct Bridge {
    #[command(flatten)]
    target: Target,
    /// Name of the new bridge
    bridge: String,
    /// Seconds that a new port waits before it forwards, 0 to 30
    #[arg(default_value_t = 0)]
    delay: u32,
    /// Do not speak the spanning tree protocol
    #[arg(long = "no-stp", action = ArgAction::SetFalse)]
    stp: bool,
    /// Only define the bridge
    #[arg(long = "no-start", action = ArgAction::SetFalse)]
    start: bool,
}

/// Options of `reeve iface unbridge`.
#[derive(Debug, Args)]
#[command(after_help = "\
The one port of the bridge gets its addresses, its routes of the main table and its definition back. When a step fails everything is put
back.")]
pub struct Unbridge {
    #[command(flatten)]
    target: Target,
    /// Leave the port down
    #[arg(long = "no-start", action = ArgAction::SetFalse)]
    start: bool,
}

impl Bridge {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Self { target, bridge, delay, stp, start } = self;
        let wanted = BridgeHostInterface { bridge, stp, delay, start };
        let defined = context.client.bridge_interface(&target.interface, &wanted).await?;
        define::done(context, defined, if start { "created" } else { "defined" })
    }
}

impl Unbridge {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let wanted = UnbridgeHostInterface { start: self.start };
        let defined = context.client.unbridge_interface(&self.target.interface, wanted).await?;
        define::done(context, defined, "taken out of its bridge")
    }
}
