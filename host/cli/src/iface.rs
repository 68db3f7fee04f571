//! `reeve iface …` (guide 14.15.1): the host's own network interfaces, a file a group of commands.

mod bridge;
mod change;
mod define;
mod life;
mod list;
mod show;

use clap::{Args, Subcommand};

use crate::context::Context;

/// What can be done with the interfaces of the host.
#[derive(Debug, Subcommand)]
pub enum IfaceCommand {
    /// Add a definition from an interface XML document, or replace one
    Define(define::Define),
    /// Remove a definition
    Undefine(life::Undefine),
    /// Make a defined interface what its document says
    Start(life::Start),
    /// Take a defined interface down at once
    Destroy(life::Destroy),
    /// List interfaces
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show what is known of an interface
    Info(show::Info),
    /// Print the interface XML document
    #[command(visible_alias = "dumpxml")]
    Xml(show::Xml),
    /// Print the name of the interface with a MAC address
    Name(show::Name),
    /// Print the MAC address of an interface
    Mac(show::Mac),
    /// Change a definition in an editor
    Edit(define::Edit),
    /// Put an interface into a new bridge
    Bridge(bridge::Bridge),
    /// Take a bridge with one port apart
    Unbridge(bridge::Unbridge),
    /// Begin a change that is taken back unless it is committed in time
    Begin(change::Begin),
    /// Keep what was done since the change was begun
    Commit(change::Commit),
    /// Take back what was done since the change was begun
    Rollback(change::Rollback),
    /// Show whether a change is open
    Status(change::Status),
}

impl IfaceCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::Destroy(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Name(command) => command.run(context).await,
            Self::Mac(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
            Self::Bridge(command) => command.run(context).await,
            Self::Unbridge(command) => command.run(context).await,
            Self::Begin(command) => command.run(context).await,
            Self::Commit(command) => command.run(context).await,
            Self::Rollback(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
        }
    }
}

/// An interface on the command line.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name, or a MAC address that no other interface has
    pub(crate) interface: String,
}

#[cfg(test)]
pub(crate) mod samples {
    use reeve_model::host_interface::HostInterfaceSummary;

    /// A bridge that is up.
    pub(crate) fn bridge() -> HostInterfaceSummary {
        HostInterfaceSummary {
            name: "br0".into(),
            active: true,
            mac: Some("52:54:00:12:34:56".parse().expect("a MAC address")),
            defined: true,
            kind: "bridge".into(),
        }
    }

    /// A card that is not there.
    pub(crate) fn absent() -> HostInterfaceSummary {
        HostInterfaceSummary {
            name: "eth7".into(),
            active: false,
            mac: None,
            kind: "ethernet".into(),
            ..bridge()
        }
    }
}
