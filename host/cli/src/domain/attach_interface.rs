//! `reeve domain attach-interface` and `detach-interface` (guide 14.3).

use clap::{Args, ValueEnum};
use reeve_model::api::XmlOptions;
use reeve_model::domain::{Device, Interface};
use reeve_model::domain_interface::DomainInterface;
use reeve_model::network::{Bandwidth, RateLimit};

use super::Target;
use super::device::{self, Scope};
use super::domiftune::{inbound, outbound};
use crate::context::Context;
use crate::exit::Usage;

/// Options of `reeve domain attach-interface`.
#[derive(Debug, Args)]
#[command(after_help = "\
Whatever an interface can be besides is said in a document: 'reeve domain attach-device'.

Examples:
  reeve domain attach-interface web network default --persistent
  reeve domain attach-interface web bridge br0 --mac 52:54:00:00:00:07 --inbound 1000,2000,512 --live")]
pub struct AttachInterface {
    #[command(flatten)]
    target: Target,
    /// What the source is
    #[arg(id = "kind", value_name = "TYPE")]
    kind: Kind,
    /// Name of the network, bridge or interface of the host
    source: String,
    /// Name of the tap on the host; given by the host otherwise
    #[arg(long = "target", value_name = "NAME")]
    tap: Option<String>,
    /// Hardware address that the guest sees; given by the host otherwise
    #[arg(long)]
    mac: Option<String>,
    /// Model that the guest sees
    #[arg(long, default_value = "virtio")]
    model: String,
    /// Limit what the guest receives
    #[arg(long, value_name = "AVERAGE[,PEAK[,BURST[,FLOOR]]]", value_parser = inbound)]
    inbound: Option<RateLimit>,
    /// Limit what the guest sends
    #[arg(long, value_name = "AVERAGE[,PEAK[,BURST]]", value_parser = outbound)]
    outbound: Option<RateLimit>,
    /// Refused: what a script did is done by a policy of the hook port-plug
    #[arg(long, value_name = "PATH")]
    script: Option<String>,
    /// Only print the device document
    #[arg(long)]
    print_xml: bool,
    #[command(flatten)]
    scope: Scope,
}

/// Options of `reeve domain detach-interface`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain detach-interface web bridge
  reeve domain detach-interface web network --mac 52:54:00:00:00:07 --persistent")]
pub struct DetachInterface {
    #[command(flatten)]
    target: Target,
    /// What the source is
    #[arg(id = "kind", value_name = "TYPE",
        value_parser = ["network", "bridge", "direct", "ethernet", "mcast", "server", "client"])]
    kind: String,
    /// Hardware address; needed where the domain has several of that type
    #[arg(long)]
    mac: Option<String>,
    /// Only print the device document
    #[arg(long)]
    print_xml: bool,
    #[command(flatten)]
    scope: Scope,
}

/// What the source of an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A virtual network
    Network,
    /// A bridge of the host
    Bridge,
    /// An interface of the host, by macvtap
    Direct,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bridge => "bridge",
            Self::Direct => "direct",
        }
    }

    /// The attribute of `<source>` that names it.
    fn source(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bridge => "bridge",
            Self::Direct => "dev",
        }
    }
}

impl AttachInterface {
    fn interface(&self) -> Interface {
        Interface {
            source: vec![(self.kind.source().to_owned(), self.source.clone())],
            target: self.tap.clone(),
            model: Some(self.model.clone()),
            bandwidth: Bandwidth { inbound: self.inbound, outbound: self.outbound },
            ..known_by(self.kind.name(), self.mac.clone())
        }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        if let Some(script) = &self.script {
            let message = format!("'{script}' is not run: there are no scripts for interfaces");
            let hint = Some(
                "a policy that answers the hook port-plug decides about an interface; 'reeve policy new' makes one",
            );
            return Err(Usage { message, hint }.into());
        }
        let (device, how) = (Device::Interface(self.interface()), (self.print_xml, &self.scope));
        device::attach(context, &self.target, &device, how, "has the interface now").await
    }
}

impl DetachInterface {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.scope.is_config() };
        let all = context.client.domain_interfaces(&self.target.domain, options).await?;
        let device = Device::Interface(known_by(&self.kind, Some(self.mac_of(all)?)));
        let how = (self.print_xml, &self.scope);
        device::detach(context, &self.target, &device, how, "no longer has the interface").await
    }

    /// Which one is meant.
    fn mac_of(&self, all: Vec<DomainInterface>) -> Result<String, Usage> {
        let (domain, kind) = (&self.target.domain, self.kind.as_str());
        let is_meant =
            |one: &DomainInterface| one.kind == kind && self.mac.as_ref().is_none_or(|mac| one.is_named(mac));
        let mut macs: Vec<String> = all.into_iter().filter(is_meant).filter_map(|one| one.mac).collect();
        match (macs.pop(), macs.is_empty()) {
            (Some(mac), true) => Ok(mac),
            (Some(_), false) => {
                let message = format!("domain '{domain}' has several interfaces of type '{kind}'");
                Err(Usage { message, hint: Some("say which one with --mac") })
            }
            (None, _) => {
                let which =
                    self.mac.as_ref().map(|mac| format!(" with the address '{mac}'")).unwrap_or_default();
                let message = format!("domain '{domain}' has no interface of type '{kind}'{which}");
                Err(Usage { message, hint: Some("'reeve domain domiflist' shows what it has") })
            }
        }
    }
}

/// An interface of which only type and address are said.
fn known_by(kind: &str, mac: Option<String>) -> Interface {
    Interface {
        kind: kind.to_owned(),
        source: Vec::new(),
        mac,
        target: None,
        model: None,
        driver: Default::default(),
        link_up: None,
        mtu: None,
        bandwidth: Bandwidth::default(),
        vlan: None,
        virtualport: None,
        isolated: false,
        filterref: None,
        common: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: AttachInterface,
    }

    fn document(words: &str) -> String {
        let line = Line::try_parse_from(words.split(' ')).unwrap();
        reeve_xml::device::format(&Device::Interface(line.command.interface()))
    }

    #[test]
    fn options_become_a_document() {
        let bridged =
            document("attach-interface web bridge br0 --mac 52:54:00:00:00:07 --inbound 1000,2000,512");
        for part in [
            "<interface type='bridge'>",
            "<mac address='52:54:00:00:00:07'/>",
            "<source bridge='br0'/>",
            "<model type='virtio'/>",
            "<inbound average='1000' peak='2000' burst='512'/>",
        ] {
            assert!(bridged.contains(part), "{part} is not in {bridged}");
        }
        let direct = document("attach-interface web direct eth0 --target tap7 --model e1000");
        for part in ["<source dev='eth0'", "<target dev='tap7'/>", "<model type='e1000'/>"] {
            assert!(direct.contains(part), "{part} is not in {direct}");
        }
        assert!(Line::try_parse_from(["attach-interface", "web", "user", "-"]).is_err());
    }
}
