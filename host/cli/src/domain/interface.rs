//! `reeve domain domiflist`, `domifaddr`, `domifstat`, `domif-getlink` and `domif-setlink` (guide 14.5.6 to 14.5.8, 14.5.14).

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use reeve_model::api::{DeviceOptions, XmlOptions};
use reeve_model::domain_interface::{AddressOptions, AddressSource, DomainInterface, InterfaceAddress};
use reeve_model::stats::InterfaceStats;
use reeve_model::{Error, ErrorCode};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, or_dash, table};

/// Options of `reeve domain domiflist`.
#[derive(Debug, Args)]
pub struct Domiflist {
    #[command(flatten)]
    target: Target,
    /// Those of the definition that the next start uses, even while the domain is active
    #[arg(long)]
    inactive: bool,
}

/// Options of `reeve domain domifaddr`.
#[derive(Debug, Args)]
pub struct Domifaddr {
    #[command(flatten)]
    target: Target,
    /// Only of this interface: its target or MAC address
    interface: Option<String>,
    /// Where addresses are known from
    #[arg(long, default_value = "lease", value_parser = source)]
    source: AddressSource,
}

/// Options of `reeve domain domifstat`.
#[derive(Debug, Args)]
pub struct Domifstat {
    #[command(flatten)]
    interface: Named,
}

/// Options of `reeve domain domif-getlink`.
#[derive(Debug, Args)]
pub struct DomifGetlink {
    #[command(flatten)]
    interface: Named,
    /// Of the definition that the next start uses, even while the domain is active
    #[arg(long, visible_alias = "persistent")]
    config: bool,
}

/// Options of `reeve domain domif-setlink`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  reeve domain domif-setlink web vnet0 down
  reeve domain domif-setlink web 52:54:00:00:00:07 up --config")]
pub struct DomifSetlink {
    #[command(flatten)]
    interface: Named,
    /// Plug the cable in or pull it
    state: LinkState,
    #[command(flatten)]
    scope: InterfaceScope,
}

/// An interface on the command line.
#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Target or MAC address
    pub(crate) interface: String,
}

/// Which configuration of an interface is changed.
#[derive(Debug, Args)]
pub(crate) struct InterfaceScope {
    /// Change the running machine [default while the domain is active]
    #[arg(long)]
    live: bool,
    /// Change the definition [default while the domain is off]
    #[arg(long, visible_alias = "persistent")]
    config: bool,
    /// Change the running machine, or the definition while the domain is off
    #[arg(long, conflicts_with_all = ["live", "config"])]
    current: bool,
}

/// State of a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LinkState {
    /// Plugged in
    Up,
    /// Pulled
    Down,
}

impl InterfaceScope {
    pub(crate) fn options(&self) -> DeviceOptions {
        DeviceOptions { live: self.live, config: self.config, persistent: false }
    }

    /// True when the definition alone is meant.
    pub(crate) fn is_config(&self) -> bool {
        self.config && !self.live
    }
}

impl Named {
    /// The interface as it is.
    pub(crate) async fn find(&self, context: &Context, inactive: bool) -> anyhow::Result<DomainInterface> {
        let domain = &self.target.domain;
        let all = context.client.domain_interfaces(domain, XmlOptions { inactive }).await?;
        // What a running interface is called names it in the definition too.
        let live = match inactive {
            true => context.client.domain_interfaces(domain, XmlOptions::default()).await?,
            false => Vec::new(),
        };
        let live = live.into_iter().find(|one| one.is_named(&self.interface)).and_then(|one| one.mac);
        let named = |one: &DomainInterface| {
            one.is_named(&self.interface) || live.as_deref().is_some_and(|mac| one.is_named(mac))
        };
        let found = all.into_iter().find(named);
        found.ok_or_else(|| {
            let message = format!("domain '{domain}' has no interface '{}'", self.interface);
            let hint = format!("'reeve domain domiflist {domain}' shows what it has");
            reeve_client::ClientError::Refused(Error::new(ErrorCode::NotFound, message).with_hint(hint))
                .into()
        })
    }
}

fn source(word: &str) -> Result<AddressSource, String> {
    AddressSource::ALL.into_iter().find(|one| one.as_str() == word).ok_or_else(|| {
        let words = AddressSource::ALL.map(AddressSource::as_str);
        format!("write one of {}", words.join(", "))
    })
}

impl Domiflist {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let interfaces = context.client.domain_interfaces(&self.target.domain, options).await?;
        context.show(&Interfaces(interfaces))
    }
}

impl Domifaddr {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = AddressOptions { interface: self.interface, source: self.source };
        let addresses = context.client.domain_addresses(&self.target.domain, &options).await?;
        context.show(&Addresses(addresses))
    }
}

impl Domifstat {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let stats = context.client.domain_stats(&self.interface.target.domain).await?;
        let interface = self.interface.find(context, false).await?;
        let named = |one: &&InterfaceStats| interface.is_named(&one.target);
        let own = stats.interfaces.iter().find(named).cloned();
        let own = own.with_context(|| format!("there are no counters of '{}'", self.interface.interface))?;
        context.show(&Counters(own))
    }
}

impl DomifGetlink {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let interface = self.interface.find(context, self.config).await?;
        let name = self.interface.interface;
        context.show(&Link { name, interface })
    }
}

impl DomifSetlink {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Named { target, interface: name } = self.interface;
        let up = self.state == LinkState::Up;
        let set = context.client.set_interface_link(&target.domain, &name, up, self.scope.options());
        let interface = set.await?;
        context.show(&Link { name, interface })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Interfaces(Vec<DomainInterface>);

impl Show for Interfaces {
    const ELEMENT: &'static str = "interfaces";

    fn human(&self) -> String {
        let cells = |interface: &DomainInterface| {
            [
                or_dash(interface.target.clone()),
                interface.kind.clone(),
                or_dash(interface.source.clone()),
                or_dash(interface.model.clone()),
                or_dash(interface.mac.clone()),
            ]
        };
        table(["Interface", "Type", "Source", "Model", "MAC"], self.0.iter().map(cells))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Addresses(Vec<InterfaceAddress>);

impl Show for Addresses {
    const ELEMENT: &'static str = "addresses";

    fn human(&self) -> String {
        let cells = |address: &InterfaceAddress| {
            [
                or_dash(address.target.clone()),
                address.mac.to_string(),
                if address.ip.is_ipv4() { "ipv4" } else { "ipv6" }.to_owned(),
                format!("{}/{}", address.ip, address.prefix),
            ]
        };
        table(["Name", "MAC address", "Protocol", "Address"], self.0.iter().map(cells))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Counters(InterfaceStats);

impl Show for Counters {
    const ELEMENT: &'static str = "interface";

    fn human(&self) -> String {
        let stats = &self.0;
        let counters = [
            ("rx_bytes", stats.rx_bytes),
            ("rx_packets", stats.rx_packets),
            ("rx_errs", stats.rx_errors),
            ("rx_drop", stats.rx_dropped),
            ("tx_bytes", stats.tx_bytes),
            ("tx_packets", stats.tx_packets),
            ("tx_errs", stats.tx_errors),
            ("tx_drop", stats.tx_dropped),
        ];
        let lines = counters.map(|(name, value)| format!("{} {name} {value}", stats.target));
        lines.join("\n")
    }
}

/// An interface as it was called, and its cable.
#[derive(Serialize)]
struct Link {
    #[serde(skip)]
    name: String,
    #[serde(flatten)]
    interface: DomainInterface,
}

impl Show for Link {
    const ELEMENT: &'static str = "interface";

    fn human(&self) -> String {
        format!("{} {}", self.name, if self.interface.link_up { "up" } else { "down" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use reeve_model::network::Bandwidth;

    fn interface(target: Option<&str>, kind: &str, source: &str, last: u8) -> DomainInterface {
        DomainInterface {
            mac: Some(format!("52:54:00:00:00:{last:02x}")),
            target: target.map(str::to_owned),
            alias: None,
            kind: kind.to_owned(),
            source: Some(source.to_owned()),
            portgroup: None,
            model: Some("virtio".to_owned()),
            link_up: last != 8,
            bandwidth: Bandwidth::default(),
            filter: None,
        }
    }

    #[test]
    fn interfaces_are_listed() {
        let all =
            vec![interface(Some("vnet0"), "network", "default", 7), interface(None, "bridge", "br0", 8)];
        insta::assert_snapshot!(Format::Table.draw(&Interfaces(all)).unwrap());
    }

    #[test]
    fn addresses_are_listed() {
        let address = InterfaceAddress {
            target: Some("vnet0".to_owned()),
            mac: "52:54:00:00:00:07".parse().unwrap(),
            ip: "192.168.122.45".parse().unwrap(),
            prefix: 24,
            hostname: Some("web".to_owned()),
        };
        insta::assert_snapshot!(Format::Table.draw(&Addresses(vec![address])).unwrap());
    }

    #[test]
    fn counters_have_a_line_each() {
        let stats = InterfaceStats {
            target: "vnet0".to_owned(),
            rx_bytes: 180,
            rx_packets: 3,
            tx_dropped: 2,
            ..InterfaceStats::default()
        };
        insta::assert_snapshot!(Format::Table.draw(&Counters(stats)).unwrap());
    }

    #[test]
    fn a_link_is_up_or_down() {
        let link =
            |last| Link { name: "vnet0".to_owned(), interface: interface(None, "bridge", "br0", last) };
        assert_eq!(Format::Table.draw(&link(7)).unwrap(), "vnet0 up");
        assert_eq!(Format::Table.draw(&link(8)).unwrap(), "vnet0 down");
    }
}
