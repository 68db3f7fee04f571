//! What holds for the names and texts that a network's dnsmasq serves: they become lines of its configuration.

use super::check::{NetworkViolation, broken};
use super::{Dns, IpConfig, NetworkConfig};

/// The shortest lease that a DHCP server gives, in seconds.
const SHORTEST_LEASE: u64 = 120;

pub(super) fn check(network: &NetworkConfig) -> Result<(), NetworkViolation> {
    if let Some(domain) = &network.domain {
        check_name("domain", &domain.name)?;
    }
    check_dns(&network.dns)?;
    network.ips.iter().enumerate().try_for_each(|(index, ip)| check_ip(&format!("ip[{index}]"), ip))
}

fn check_dns(dns: &Dns) -> Result<(), NetworkViolation> {
    for (index, forwarder) in dns.forwarders.iter().enumerate() {
        let path = format!("dns.forwarder[{index}]");
        match &forwarder.domain {
            Some(domain) => check_name(&path, domain)?,
            None if forwarder.address.is_none() => {
                return broken(path, "a <forwarder> needs an addr or a domain");
            }
            None => {}
        }
    }
    for (index, txt) in dns.txts.iter().enumerate() {
        let path = format!("dns.txt[{index}]");
        check_name(&path, &txt.name)?;
        if let Some(value) = &txt.value {
            check_text(&path, value)?;
        }
    }
    for (index, host) in dns.hosts.iter().enumerate() {
        let path = format!("dns.host[{index}]");
        if host.hostnames.is_empty() {
            return broken(path, "a DNS <host> needs a <hostname>");
        }
        host.hostnames.iter().try_for_each(|name| check_name(&path, name))?;
    }
    for (index, srv) in dns.srvs.iter().enumerate() {
        let path = format!("dns.srv[{index}]");
        check_name(&path, &srv.service)?;
        if !["tcp", "udp"].contains(&srv.protocol.as_str()) {
            return broken(path, format!("protocol '{}' is neither 'tcp' nor 'udp'", srv.protocol));
        }
        if let Some(domain) = &srv.domain {
            check_name(&path, domain)?;
        }
        match &srv.target {
            Some(target) => check_name(&path, target)?,
            None if srv.port.is_some() || srv.priority.is_some() || srv.weight.is_some() => {
                return broken(path, "port, priority and weight need a target");
            }
            None => {}
        }
        if srv.port == Some(0) {
            return broken(path, "a port is 1 to 65535");
        }
    }
    Ok(())
}

fn check_ip(path: &str, ip: &IpConfig) -> Result<(), NetworkViolation> {
    if let Some(root) = &ip.tftp_root {
        let path = format!("{path}.tftp");
        check_text(&path, root)?;
        if !root.starts_with('/') {
            return broken(path, format!("'{root}' is not an absolute path"));
        }
    }
    let Some(dhcp) = &ip.dhcp else { return Ok(()) };
    for (index, range) in dhcp.ranges.iter().enumerate() {
        check_lease(format!("{path}.dhcp.range[{index}]"), range.lease_s)?;
    }
    for (index, host) in dhcp.hosts.iter().enumerate() {
        let path = format!("{path}.dhcp.host[{index}]");
        if let Some(name) = &host.name {
            check_name(&path, name)?;
        }
        if let Some(id) = &host.id
            && (id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'))
        {
            return broken(path, format!("id '{id}' is no DUID: pairs of hexadecimal digits with colons"));
        }
        check_lease(path, host.lease_s)?;
    }
    if let Some(bootp) = &dhcp.bootp {
        let path = format!("{path}.dhcp.bootp");
        check_text(&path, &bootp.file)?;
        if let Some(server) = &bootp.server
            && server.parse::<std::net::IpAddr>().is_err()
        {
            check_name(&path, server)?;
        }
    }
    Ok(())
}

fn check_lease(path: String, lease: Option<u64>) -> Result<(), NetworkViolation> {
    match lease {
        Some(lease @ 1..SHORTEST_LEASE) => broken(
            path,
            format!("a lease of {lease} s is too short: at least {SHORTEST_LEASE} s, or 0 for ever"),
        ),
        Some(lease) if lease > u64::from(u32::MAX) => {
            broken(path, format!("a lease of {lease} s is too long; 0 is for ever"))
        }
        _ => Ok(()),
    }
}

/// Names of hosts and domains: nothing that means something else in a configuration.
fn check_name(path: &str, name: &str) -> Result<(), NetworkViolation> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=253).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with(['-', '.']) {
        return Ok(());
    }
    let name: String = name.chars().take(64).collect();
    broken(path, format!("'{}' can't be a name: letters, digits, '-', '_' and '.'", name.escape_debug()))
}

fn check_text(path: &str, text: &str) -> Result<(), NetworkViolation> {
    if text.len() > 255 || text.chars().any(char::is_control) {
        return broken(path, "a text has at most 255 bytes and no line breaks");
    }
    Ok(())
}
