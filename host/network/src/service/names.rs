//! Texts of documents that become part of dnsmasq's configuration: only what can't mean anything else there.

use reeve_model::network::{DhcpHost, DnsSrv, NetworkConfig};

use crate::NetworkError;

/// Longest text in quotes: a TXT record holds no more in one string.
const LONGEST_TEXT: usize = 255;

/// Checks all texts of a network's services.
pub(crate) fn check(config: &NetworkConfig) -> Result<(), NetworkError> {
    let wrong = |what: &str, value: &str| NetworkError::Invalid {
        subject: crate::networks::subject(config),
        reason: format!("'{}' can't be {what}", value.escape_debug()),
    };
    let host = |what: &str, value: &str| if is_host_name(value) { Ok(()) } else { Err(wrong(what, value)) };
    let text = |what: &str, value: &str| if is_text(value) { Ok(()) } else { Err(wrong(what, value)) };
    if let Some(domain) = &config.domain {
        host("a DNS domain", &domain.name)?;
    }
    for forwarder in config.dns.forwarders.iter().filter_map(|forwarder| forwarder.domain.as_deref()) {
        host("the domain of a forwarder", forwarder)?;
    }
    for name in config.dns.hosts.iter().flat_map(|host| &host.hostnames) {
        host("a host name", name)?;
    }
    for txt in &config.dns.txts {
        host("the name of a TXT record", &txt.name)?;
        text("the value of a TXT record", txt.value.as_deref().unwrap_or_default())?;
    }
    for srv in &config.dns.srvs {
        check_srv(srv, &host)?;
    }
    for ip in &config.ips {
        if let Some(root) = &ip.tftp_root {
            if !root.starts_with('/') {
                return Err(wrong("the root of TFTP; write an absolute path", root));
            }
            text("the root of TFTP", root)?;
        }
        let Some(dhcp) = &ip.dhcp else { continue };
        if let Some(bootp) = &dhcp.bootp {
            text("a boot file", &bootp.file)?;
            if let Some(server) = &bootp.server {
                let address = server.parse::<std::net::IpAddr>().is_ok();
                address.then_some(()).map_or_else(|| host("a boot server", server), Ok)?;
            }
        }
        for entry in &dhcp.hosts {
            check_dhcp_host(entry, &host, &wrong)?;
        }
    }
    Ok(())
}

fn check_srv(
    srv: &DnsSrv,
    host: &dyn Fn(&str, &str) -> Result<(), NetworkError>,
) -> Result<(), NetworkError> {
    host("the service of an SRV record", &srv.service)?;
    host("the protocol of an SRV record", &srv.protocol)?;
    for name in srv.domain.iter().chain(&srv.target) {
        host("a name of an SRV record", name)?;
    }
    Ok(())
}

fn check_dhcp_host(
    entry: &DhcpHost,
    host: &dyn Fn(&str, &str) -> Result<(), NetworkError>,
    wrong: &dyn Fn(&str, &str) -> NetworkError,
) -> Result<(), NetworkError> {
    if let Some(name) = &entry.name {
        host("the name of a host", name)?;
    }
    let Some(id) = &entry.id else { return Ok(()) };
    let bytes =
        id.split(':').all(|byte| (1..=2).contains(&byte.len()) && u8::from_str_radix(byte, 16).is_ok());
    if bytes && id.len() <= 3 * 128 && !id.contains('+') {
        Ok(())
    } else {
        Err(wrong("the DUID of a host", id))
    }
}

/// Labels of letters, digits, '-' and '_' with dots between; one dot may end it.
fn is_host_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    labels.len() <= 253 && labels.split('.').all(legal)
}

fn is_text(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

/// A text in dnsmasq's quotes, in which only '"' and '\' mean something.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
