//! Rules of the packet filter for networks with a bridge of their own: one table, `inet reeve`, replaced whole in one transaction.
//!
//! ```text
//!   postrouting (nat, srcnat - 5)     source address ──vmap──> nat_BRIDGE   masquerade, but not to the network itself
//!   forward     (filter - 5)          outgoing link  ──vmap──> to_BRIDGE    what may reach guests, else reject
//!                                     incoming link  ──vmap──> from_BRIDGE  where guests may go, else reject
//!   input, output (filter - 5)        link in @bridges: DHCP, DNS and TFTP of the host
//! ```
//!
//! Frames between guests of one bridge pass here as packets too where br_netfilter is loaded, and are let through.
//! Packets find the rules of their network by one look-up in a map, so their cost does not grow with the number of networks.
//!
//! Beside others: every table sees every packet. A reject here is final. An accept ends this table only: another table that drops by
//! policy (firewalld's zones, Docker's FORWARD chain) still drops, and its operator lets networks through there, e.g.
//! `iptables -I DOCKER-USER -i virbr0 -j ACCEPT` and the same with `-o`, or by adding the bridge to firewalld's zone `trusted`. Nothing here
//! reads or changes a table of somebody else; rules for a single guest are in tables of their own.

use std::fmt::Write;
use std::net::IpAddr;

use reeve_model::network::{AddressRange, ForwardMode, IpNetwork, NetworkConfig};
use reeve_sys::link::LinkName;

use crate::networks::bridge;

/// Name of the table, of family `inet`.
pub(crate) const TABLE: &str = "reeve";

/// Where the port range of a masqueraded connection begins and ends when the document does not say.
const PORTS: (u16, u16) = (1024, 65535);

/// A network that rules are made for.
struct Ruled<'a> {
    config: &'a NetworkConfig,
    bridge: LinkName,
}

/// The script that replaces the table by the rules of these networks; with none the table goes. `mark` names the daemon whose table it is.
pub(crate) fn render<'a>(mark: &str, networks: impl IntoIterator<Item = &'a NetworkConfig>) -> String {
    let mut ruled: Vec<Ruled<'_>> = networks.into_iter().filter_map(Ruled::of).collect();
    ruled.sort_by(|one, other| one.bridge.cmp(&other.bridge));
    let mut out = format!("add table inet {TABLE}\ndelete table inet {TABLE}\n");
    if ruled.is_empty() {
        return out;
    }
    line(&mut out, format_args!("table inet {TABLE} {{"));
    chain(&mut out, &owner(mark), &[]);
    let bridges: Vec<String> = ruled.iter().map(|network| quoted(&network.bridge)).collect();
    line(&mut out, format_args!("\tset bridges {{"));
    line(&mut out, format_args!("\t\ttype ifname"));
    line(&mut out, format_args!("\t\telements = {{ {} }}", bridges.join(", ")));
    line(&mut out, format_args!("\t}}"));
    chain(
        &mut out,
        "input",
        &[
            "type filter hook input priority filter - 5; policy accept;".to_owned(),
            "iifname @bridges udp dport { 53, 67, 69, 547 } accept".to_owned(),
            "iifname @bridges tcp dport 53 accept".to_owned(),
        ],
    );
    chain(
        &mut out,
        "output",
        &[
            "type filter hook output priority filter - 5; policy accept;".to_owned(),
            "oifname @bridges udp dport { 68, 546 } accept".to_owned(),
        ],
    );
    for network in &ruled {
        chain(&mut out, &format!("to_{}", network.bridge), &network.to());
        chain(&mut out, &format!("from_{}", network.bridge), &network.from());
        if network.masquerades() {
            chain(&mut out, &format!("nat_{}", network.bridge), &network.nat());
        }
    }
    let jumps = |prefix: &str| {
        let jump =
            |network: &Ruled<'_>| format!("{} : jump {prefix}_{}", quoted(&network.bridge), network.bridge);
        ruled.iter().map(jump).collect::<Vec<_>>().join(", ")
    };
    chain(
        &mut out,
        "forward",
        &[
            "type filter hook forward priority filter - 5; policy accept;".to_owned(),
            format!("oifname vmap {{ {} }}", jumps("to")),
            format!("iifname vmap {{ {} }}", jumps("from")),
        ],
    );
    let mut postrouting = vec!["type nat hook postrouting priority srcnat - 5; policy accept;".to_owned()];
    for four in [true, false] {
        let sources: Vec<String> = ruled
            .iter()
            .flat_map(|network| {
                let nets = network.masqueraded(four).into_iter();
                nets.map(move |net| format!("{} : jump nat_{}", subnet(net), network.bridge))
            })
            .collect();
        if !sources.is_empty() {
            postrouting.push(format!("{} saddr vmap {{ {} }}", family(four), sources.join(", ")));
        }
    }
    if postrouting.len() > 1 {
        chain(&mut out, "postrouting", &postrouting);
    }
    line(&mut out, format_args!("}}"));
    out
}

/// The empty chain that tells whose table it is.
pub(crate) fn owner(mark: &str) -> String {
    format!("owner_{}", mark.replace('-', "_"))
}

impl<'a> Ruled<'a> {
    fn of(config: &'a NetworkConfig) -> Option<Self> {
        let open = config.forward.as_ref().is_some_and(|forward| forward.mode == ForwardMode::Open);
        if open || !bridge::is_own(config) {
            return None;
        }
        Some(Self { config, bridge: bridge::name(config).ok()? })
    }

    fn mode(&self) -> Option<ForwardMode> {
        self.config.forward.as_ref().map(|forward| forward.mode)
    }

    /// Subnets of one family, with those behind guests.
    fn subnets(&self, four: bool) -> Vec<IpNetwork> {
        let own = self.config.ips.iter().map(|ip| ip.network);
        let behind = self.config.routes.iter().map(|route| route.destination);
        own.chain(behind).filter(|net| net.address.is_ipv4() == four).collect()
    }

    /// Subnets of one family whose addresses are replaced on the way out.
    fn masqueraded(&self, four: bool) -> Vec<IpNetwork> {
        if self.masquerades_family(four) { self.subnets(four) } else { Vec::new() }
    }

    fn masquerades_family(&self, four: bool) -> bool {
        let six = || {
            let nat = self.config.forward.as_ref().and_then(|forward| forward.nat.as_ref());
            nat.is_some_and(|nat| nat.ipv6)
        };
        self.mode() == Some(ForwardMode::Nat) && (four || six())
    }

    fn masquerades(&self) -> bool {
        [true, false].into_iter().any(|four| !self.masqueraded(four).is_empty())
    }

    /// `oifname "eth0" ` for networks that are held to devices; empty for others.
    fn devices(&self, keyword: &str) -> String {
        let Some(forward) = &self.config.forward else { return String::new() };
        let names: Vec<String> = match &forward.dev {
            Some(dev) => vec![format!("\"{dev}\"")],
            None => forward.interfaces.iter().map(|dev| format!("\"{dev}\"")).collect(),
        };
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("{keyword} {one} "),
            many => format!("{keyword} {{ {} }} ", many.join(", ")),
        }
    }

    fn to(&self) -> Vec<String> {
        let mut rules = vec![format!("iifname {} return", quoted(&self.bridge))];
        if self.mode().is_some() {
            for four in [true, false] {
                for net in self.subnets(four) {
                    let known =
                        if self.masquerades_family(four) { "ct state established,related " } else { "" };
                    rules.push(format!(
                        "{}{} daddr {} {known}return",
                        self.devices("iifname"),
                        family(four),
                        subnet(net)
                    ));
                }
            }
        }
        rules.push("reject".to_owned());
        rules
    }

    fn from(&self) -> Vec<String> {
        let mut rules = vec![format!("oifname {} accept", quoted(&self.bridge))];
        if self.mode().is_some() {
            for four in [true, false] {
                for net in self.subnets(four) {
                    rules.push(format!(
                        "{}{} saddr {} accept",
                        self.devices("oifname"),
                        family(four),
                        subnet(net)
                    ));
                }
            }
        }
        rules.push("reject".to_owned());
        rules
    }

    fn nat(&self) -> Vec<String> {
        let mut rules = Vec::new();
        for (four, multicast) in [(true, "224.0.0.0/24, 255.255.255.255"), (false, "ff02::/16")] {
            for net in self.masqueraded(four) {
                rules.push(format!("{} daddr {{ {multicast}, {} }} return", family(four), subnet(net)));
            }
        }
        // What leaves by other links is rejected on its way already, but for the host's own packets.
        let devices = self.devices("oifname !=");
        if !devices.is_empty() {
            rules.push(format!("{devices}return"));
        }
        let nat = self.config.forward.as_ref().and_then(|forward| forward.nat.as_ref());
        let (start, end) = nat.and_then(|nat| nat.ports).map_or(PORTS, |ports| (ports.start, ports.end));
        match nat.and_then(|nat| nat.addresses) {
            Some(range) => {
                let family = family(range.start.is_ipv4());
                let addresses = addresses(range);
                rules.push(format!(
                    "meta l4proto {{ tcp, udp }} snat {family} to {}:{start}-{end}",
                    bracketed(range)
                ));
                rules.push(format!("snat {family} to {addresses}"));
            }
            None => {
                rules.push(format!("meta l4proto {{ tcp, udp }} masquerade to :{start}-{end}"));
                rules.push("masquerade".to_owned());
            }
        }
        rules
    }
}

fn addresses(range: AddressRange) -> String {
    if range.start == range.end { range.start.to_string() } else { range.to_string() }
}

/// Before a port, IPv6 addresses stand in brackets.
fn bracketed(range: AddressRange) -> String {
    let one = |ip: IpAddr| if ip.is_ipv4() { ip.to_string() } else { format!("[{ip}]") };
    if range.start == range.end {
        one(range.start)
    } else {
        format!("{}-{}", one(range.start), one(range.end))
    }
}

fn family(four: bool) -> &'static str {
    if four { "ip" } else { "ip6" }
}

fn subnet(net: IpNetwork) -> String {
    format!("{}/{}", net.first(), net.prefix)
}

/// Names are checked to be letters, digits and a few signs before rules are made of them.
fn quoted(name: &LinkName) -> String {
    format!("\"{name}\"")
}

fn chain(out: &mut String, name: &str, rules: &[String]) {
    line(out, format_args!("\tchain {name} {{"));
    for rule in rules {
        line(out, format_args!("\t\t{rule}"));
    }
    line(out, format_args!("\t}}"));
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests;
