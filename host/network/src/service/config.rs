//! What dnsmasq is told: pure functions of a checked network.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use reeve_model::network::{DhcpHost, ForwardMode, IpConfig, NetworkConfig};

use super::names::quoted;
use super::program::Files;
use crate::{NetworkError, networks};

/// How long an address is lent when the document does not say, in seconds.
const LEASE_S: u64 = 3600;
/// The shortest lease dnsmasq knows, in seconds.
const SHORTEST_LEASE_S: u64 = 120;
/// Static leases that may be in use besides those of ranges.
const STATIC_LEASES: u128 = 1000;
/// Who it becomes; the first that there is.
const USERS: [&str; 2] = ["dnsmasq", "nobody"];

/// The configuration.
pub(super) fn conf(config: &NetworkConfig, files: &Files) -> Result<String, NetworkError> {
    let mut out = Lines("# Written by Reeve; changes are lost.\n".to_owned());
    out.add("strict-order");
    out.path("pid-file", &files.pid)?;
    if let Some(user) = user() {
        out.add(format_args!("user={user}"));
    }
    out.add("except-interface=lo");
    out.add("bind-dynamic");
    out.add(format_args!("interface={}", networks::bridge::name(config)?));
    for quiet in ["quiet-dhcp", "quiet-dhcp6", "quiet-ra", "quiet-tftp"] {
        out.add(quiet);
    }
    out.path("addn-hosts", &files.hosts)?;
    if config.dns.enable == Some(false) {
        out.add("port=0");
    } else {
        dns(&mut out, config);
    }
    if config.ips.iter().any(|ip| ip.dhcp.is_some()) {
        out.path("dhcp-hostsfile", &files.dhcp)?;
        out.path("dhcp-leasefile", &files.leases)?;
        out.add("dhcp-no-override");
        out.add("dhcp-authoritative");
        out.add(format_args!("dhcp-lease-max={}", lease_max(config)));
    }
    if config.forward.is_none() {
        // Nobody is to be told a way out where there is none.
        out.add("dhcp-option=3");
        out.add("ra-param=*,0,0");
    }
    if let Some(mtu) = config.mtu {
        out.add(format_args!("dhcp-option=option:mtu,{mtu}"));
    }
    for ip in &config.ips {
        dhcp(&mut out, ip);
    }
    if config.ips.iter().any(|ip| ip.network.address.is_ipv6()) {
        out.add("enable-ra");
    }
    Ok(out.0)
}

fn dns(out: &mut Lines, config: &NetworkConfig) {
    if let Some(domain) = &config.domain {
        out.add(format_args!("domain={}", domain.name));
        if domain.local_only {
            out.add(format_args!("local=/{}/", domain.name));
        }
        out.add("expand-hosts");
    }
    if config.dns.forward_plain_names == Some(false) {
        out.add("domain-needed");
        out.add("local=//");
    }
    let mut all = false;
    for forwarder in &config.dns.forwarders {
        let address = forwarder.address.map(|address| address.to_string()).unwrap_or_default();
        match &forwarder.domain {
            Some(domain) => out.add(format_args!("server=/{domain}/{address}")),
            None => {
                all = true;
                out.add(format_args!("server={address}"));
            }
        }
    }
    let mode = config.forward.as_ref().map(|forward| forward.mode);
    if all || !mode.is_some_and(ForwardMode::has_own_bridge) {
        out.add("no-resolv");
    }
    for ip in config.ips.iter().filter(|ip| ip.local_ptr) {
        if let Some(zone) = reverse_zone(ip) {
            out.add(format_args!("local=/{zone}/"));
        }
    }
    for txt in &config.dns.txts {
        let value = quoted(txt.value.as_deref().unwrap_or_default());
        out.add(format_args!("txt-record={},{value}", txt.name));
    }
    for srv in &config.dns.srvs {
        let domain = srv.domain.as_ref().or(config.domain.as_ref().map(|domain| &domain.name));
        let domain = domain.map(|domain| format!(".{domain}")).unwrap_or_default();
        let service = srv.service.trim_start_matches('_');
        let mut record = format!("srv-host=_{service}._{}{domain}", srv.protocol.trim_start_matches('_'));
        if let Some(target) = &srv.target {
            let (port, priority, weight) =
                (srv.port.unwrap_or(1), srv.priority.unwrap_or(0), srv.weight.unwrap_or(0));
            // Writing to a string can't fail.
            let _ = write!(record, ",{target},{port},{priority},{weight}");
        }
        out.add(record);
    }
}

fn dhcp(out: &mut Lines, ip: &IpConfig) {
    let net = ip.network;
    if let Some(root) = &ip.tftp_root {
        out.add("enable-tftp");
        out.add(format_args!("tftp-root={}", quoted(root)));
    }
    let Some(dhcp) = &ip.dhcp else {
        if net.address.is_ipv6() {
            out.add(format_args!("dhcp-range={},ra-only", net.first()));
        }
        return;
    };
    let size = if net.address.is_ipv4() { net.netmask().to_string() } else { net.prefix.to_string() };
    for range in &dhcp.ranges {
        let (start, end) = (range.addresses.start, range.addresses.end);
        out.add(format_args!("dhcp-range={start},{end},{size},{}", lease(range.lease_s)));
    }
    if dhcp.ranges.is_empty() {
        out.add(format_args!("dhcp-range={},static,{size}", net.first()));
    }
    if let Some(bootp) = &dhcp.bootp {
        let server = bootp.server.as_ref().map(|server| format!(",,{server}")).unwrap_or_default();
        out.add(format_args!("dhcp-boot={}{server}", quoted(&bootp.file)));
    }
}

/// The file of static leases.
pub(super) fn dhcp_hosts(config: &NetworkConfig) -> String {
    let hosts = config.ips.iter().filter_map(|ip| ip.dhcp.as_ref()).flat_map(|dhcp| &dhcp.hosts);
    hosts.map(|host| dhcp_host(host) + "\n").collect()
}

fn dhcp_host(host: &DhcpHost) -> String {
    let mut parts = Vec::new();
    parts.extend(host.mac.map(|mac| mac.to_string()));
    parts.extend(host.id.as_ref().map(|id| format!("id:{id}")));
    parts.extend(host.ip.map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }));
    parts.extend(host.name.clone());
    parts.extend(host.lease_s.map(|_| lease(host.lease_s)));
    parts.join(",")
}

/// The file of names.
pub(super) fn names(config: &NetworkConfig) -> String {
    let hosts = config.dns.hosts.iter().filter(|host| !host.hostnames.is_empty());
    hosts.map(|host| format!("{}\t{}\n", host.ip, host.hostnames.join("\t"))).collect()
}

fn lease(seconds: Option<u64>) -> String {
    match seconds.unwrap_or(LEASE_S) {
        0 => "infinite".to_owned(),
        // It counts in 32 bits.
        seconds => seconds.clamp(SHORTEST_LEASE_S, u32::MAX.into()).to_string(),
    }
}

/// What the ranges hold, and static leases beside them: not as many as there are, or each new one would be a new configuration.
fn lease_max(config: &NetworkConfig) -> u128 {
    let ranges = config.ips.iter().filter_map(|ip| ip.dhcp.as_ref()).flat_map(|dhcp| &dhcp.ranges);
    ranges.filter_map(|range| range.addresses.count()).sum::<u128>() + STATIC_LEASES
}

/// The zone of reverse names of a network, where one zone is all of it.
fn reverse_zone(ip: &IpConfig) -> Option<String> {
    let net = ip.network;
    let (mut labels, unit, end): (Vec<String>, u8, _) = match net.first() {
        IpAddr::V4(first) => (first.octets().iter().map(ToString::to_string).collect(), 8, "in-addr.arpa"),
        IpAddr::V6(first) => {
            let nibbles = first.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
            (nibbles.map(|nibble| format!("{nibble:x}")).collect(), 4, "ip6.arpa")
        }
    };
    if !net.prefix.is_multiple_of(unit) || net.prefix == 0 {
        return None;
    }
    labels.truncate(usize::from(net.prefix / unit));
    labels.reverse();
    Some(format!("{}.{end}", labels.join(".")))
}

/// Who it becomes when it starts as root.
fn user() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    USERS.into_iter().find(|user| users.lines().any(|line| line.split(':').next() == Some(*user)))
}

struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl std::fmt::Display) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn path(&mut self, option: &str, path: &Path) -> Result<(), NetworkError> {
        let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
        let text = text.ok_or_else(|| NetworkError::Invalid {
            subject: format!("'{}'", path.display()),
            reason: "dnsmasq's files need a path of plain text".to_owned(),
        })?;
        self.add(format_args!("{option}={}", quoted(text)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
