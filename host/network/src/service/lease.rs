//! dnsmasq's file of leases.
//!
//! ```text
//!   1700000000 52:54:00:00:00:01 192.168.122.2 name client-id      "*" stands for none, 0 for ever
//!   duid 00:01:…                                                   from here on IPv6: an IAID instead of the MAC
//!   1700000000 1234 fd00::2 name 00:01:…
//! ```

use std::net::IpAddr;
use std::path::Path;

use reeve_model::network::{Lease, NetworkConfig};
use time::OffsetDateTime;

/// The leases in a file; a line that makes no sense is none, as the last one while it is being written.
pub(super) fn read(path: &Path, config: &NetworkConfig) -> Vec<Lease> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| parse(line, config)).collect()
}

fn parse(line: &str, config: &NetworkConfig) -> Option<Lease> {
    let mut fields = line.split(' ');
    let expires: i64 = fields.next()?.parse().ok()?;
    let (client, ip, name) = (fields.next()?, fields.next()?, fields.next()?);
    let ip: IpAddr = ip.parse().ok()?;
    let some = |text: &str| (text != "*" && !text.is_empty()).then(|| text.to_owned());
    let mut networks = config.ips.iter().map(|ip| ip.network);
    Some(Lease {
        expires: if expires == 0 { None } else { OffsetDateTime::from_unix_timestamp(expires).ok() },
        mac: if ip.is_ipv4() { client.parse().ok() } else { None },
        ip,
        prefix: networks
            .find(|net| net.contains(ip))
            .map_or(if ip.is_ipv4() { 32 } else { 128 }, |net| net.prefix),
        hostname: some(name),
        client_id: fields.next().and_then(some),
        bridge: config.bridge.name.clone().unwrap_or_default(),
    })
}

/// Leases that are new or renewed, and those that are gone.
pub(super) fn difference<'a>(old: &'a [Lease], new: &'a [Lease]) -> (Vec<&'a Lease>, Vec<&'a Lease>) {
    let same_client = |one: &Lease, other: &Lease| (one.ip, one.mac) == (other.ip, other.mac);
    let acquired = new.iter().filter(|lease| !old.contains(lease)).collect();
    let expired = old.iter().filter(|lease| !new.iter().any(|now| same_client(now, lease))).collect();
    (acquired, expired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_network;

    #[test]
    fn leases_of_both_families_are_read_and_broken_lines_are_not() {
        let config = default_network();
        let text = "1700000000 52:54:00:00:00:01 192.168.122.7 web 01:52:54:00:00:00:01\n\
                    0 52:54:00:00:00:02 192.168.122.8 * *\n\
                    duid 00:01:00:01\n\
                    1700000000 4711 fd00::5 six 00:01:02\n\
                    1700000000 52:54:00";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leases");
        std::fs::write(&path, text).unwrap();
        let leases = read(&path, &config);
        assert_eq!(leases.len(), 3);
        assert_eq!((leases[0].prefix, leases[0].hostname.as_deref()), (24, Some("web")));
        assert_eq!(leases[0].mac, Some("52:54:00:00:00:01".parse().unwrap()));
        assert_eq!(
            (leases[1].expires, leases[1].hostname.clone(), leases[1].client_id.clone()),
            (None, None, None)
        );
        assert_eq!((leases[2].mac, leases[2].client_id.as_deref()), (None, Some("00:01:02")));
    }

    #[test]
    fn a_renewal_is_an_acquisition_and_what_is_gone_expired() {
        let dir = tempfile::tempdir().unwrap();
        let (path, config) = (dir.path().join("leases"), default_network());
        let at = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path, &config)
        };
        let old = at("1 52:54:00:00:00:01 192.168.122.7 a *\n1 52:54:00:00:00:02 192.168.122.8 b *\n");
        let new = at("2 52:54:00:00:00:01 192.168.122.7 a *\n1 52:54:00:00:00:03 192.168.122.9 c *\n");
        let (acquired, expired) = difference(&old, &new);
        let ips = |leases: Vec<&Lease>| leases.iter().map(|lease| lease.ip.to_string()).collect::<Vec<_>>();
        assert_eq!(ips(acquired), ["192.168.122.7", "192.168.122.9"]);
        assert_eq!(ips(expired), ["192.168.122.8"]);
    }
}
