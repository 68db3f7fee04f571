//! `reeve network …` (guide 14.14, 14.22): a file per command, except for the verbs without options, which share [`life`].

mod define;
mod edit;
mod leases;
mod life;
mod list;
mod show;
mod update;

use clap::{Args, Subcommand};

use crate::context::Context;

/// What can be done with networks.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Add a definition from a network XML document, or replace one
    Define(define::Define),
    /// Start a transient network from a network XML document
    Create(define::Create),
    /// Remove a definition
    Undefine(life::Undefine),
    /// Start a defined network
    Start(life::Start),
    /// Stop a network at once
    Destroy(life::Destroy),
    /// List networks
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show what is known of a network
    Info(show::Info),
    /// Print the network XML document
    #[command(visible_alias = "dumpxml")]
    Xml(show::Xml),
    /// Print the name of a network
    Name(show::Name),
    /// Print the UUID of a network
    Uuid(show::Uuid),
    /// Change a definition in an editor
    Edit(edit::Edit),
    /// Change one section of a network
    Update(update::Update),
    /// Have the daemon start a network by itself, or not
    Autostart(life::Autostart),
    /// Show the addresses that a network gave out
    #[command(visible_alias = "leases")]
    DhcpLeases(leases::DhcpLeases),
    /// Show what is plugged into a network
    Ports(leases::Ports),
}

impl NetworkCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::Destroy(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Name(command) => command.run(context).await,
            Self::Uuid(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
            Self::Update(command) => command.run(context).await,
            Self::Autostart(command) => command.run(context).await,
            Self::DhcpLeases(command) => command.run(context).await,
            Self::Ports(command) => command.run(context).await,
        }
    }
}

/// A network on the command line.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name or UUID
    pub(crate) network: String,
}

#[cfg(test)]
pub(crate) mod samples {
    use reeve_model::network::NetworkSummary;
    use uuid::Uuid;

    /// An active network.
    pub(crate) fn default() -> NetworkSummary {
        NetworkSummary {
            uuid: Uuid::from_u128(0x9a05_da11_e96b_47f3_8253_a3a4_82e4_45f5),
            name: "default".into(),
            active: true,
            persistent: true,
            autostart: true,
            mode: "nat".into(),
            bridge: Some("virbr0".into()),
            addresses: vec!["192.168.122.1/24".into()],
            connections: 2,
        }
    }

    /// A network that is not active.
    pub(crate) fn isolated() -> NetworkSummary {
        NetworkSummary {
            uuid: Uuid::from_u128(0x0f00_0000_0000_4000_8000_0000_0000_0002),
            name: "lab".into(),
            active: false,
            autostart: false,
            mode: "isolated".into(),
            bridge: Some("virbr1".into()),
            addresses: Vec::new(),
            connections: 0,
            ..default()
        }
    }
}
