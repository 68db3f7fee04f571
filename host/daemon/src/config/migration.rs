//! What the configuration says about moving guests to and from other hosts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_actions::{HostPort, TLS_PORT};
use serde::{Deserialize, Serialize};

use crate::peers::{NetworkSettings, TlsFiles};

/// Moving guests to and from other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct MigrationConfig {
    pub listen: String,
    pub address: String,
    pub peers: Vec<String>,
    pub stream_ports: String,
    pub max_streams: u16,
    pub unencrypted: bool,
    pub tls: TlsConfig,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsConfig {
    pub ca: String,
    pub server_certificate: String,
    pub server_key: String,
    pub client_certificate: String,
    pub client_key: String,
}

impl Default for MigrationConfig {
    fn default() -> Self {
        Self {
            listen: String::new(),
            address: String::new(),
            peers: Vec::new(),
            stream_ports: "49152-49215".into(),
            max_streams: 8,
            unencrypted: false,
            tls: TlsConfig::default(),
        }
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        // Where the guide has them (5.2).
        Self {
            ca: "/etc/pki/CA/cacert.pem".into(),
            server_certificate: "/etc/pki/libvirt/servercert.pem".into(),
            server_key: "/etc/pki/libvirt/private/serverkey.pem".into(),
            client_certificate: "/etc/pki/libvirt/clientcert.pem".into(),
            client_key: "/etc/pki/libvirt/private/clientkey.pem".into(),
        }
    }
}

impl MigrationConfig {
    /// Most connections that the memory of one guest goes over.
    pub fn max_streams(&self) -> anyhow::Result<u16> {
        let most = self.max_streams;
        anyhow::ensure!(
            (1..=reeve_actions::MOST_STREAMS).contains(&most),
            "'migration.max-streams' is from 1 to {}, and not {most}",
            reeve_actions::MOST_STREAMS
        );
        Ok(most)
    }

    /// What is needed to speak with other hosts; none when this host does not. Files are named from `etc` on.
    pub fn network(&self, etc: &Path) -> anyhow::Result<Option<NetworkSettings>> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let (listen, own) = (&self.listen, &self.address);
        let at = HostPort::parse(listen, TLS_PORT)
            .and_then(|at| Some(SocketAddr::new(at.host.parse().ok()?, at.port)));
        let listen =
            at.with_context(|| format!("'migration.listen' is no IP address with a port, but '{listen}'"))?;
        let ports = self.stream_ports.split_once('-');
        let ports =
            ports.and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
        let ports = ports.filter(|(first, last): &(u16, u16)| 0 < *first && first <= last);
        let (first, last) = ports.with_context(|| {
            format!(
                "'migration.stream-ports' is no range of ports as 49152-49215, but '{}'",
                self.stream_ports
            )
        })?;
        let name = match own.as_str() {
            "" => std::fs::read_to_string("/proc/sys/kernel/hostname")
                .context("cannot tell the name of this host")?,
            own => own.to_owned(),
        };
        let address = HostPort::parse(name.trim(), listen.port()).with_context(|| {
            format!("'migration.address' is no name or address of a host, but '{}'", name.trim())
        })?;
        let file = |name: &str| -> PathBuf { etc.join(name) };
        let tls = TlsFiles {
            ca: file(&self.tls.ca),
            server_certificate: file(&self.tls.server_certificate),
            server_key: file(&self.tls.server_key),
            client_certificate: file(&self.tls.client_certificate),
            client_key: file(&self.tls.client_key),
        };
        Ok(Some(NetworkSettings { listen, address, ports: first..=last, unencrypted: self.unencrypted, tls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<NetworkSettings>, String> {
        let config: MigrationConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.network(Path::new("/srv/etc/reeve")).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_host_listens_where_it_is_told_and_nowhere_else() {
        assert!(read("").unwrap().is_none());
        let settings =
            read("listen = '10.0.0.1'\naddress = 'Host1:99'\n[tls]\nca = 'ca.pem'\n").unwrap().unwrap();
        assert_eq!(settings.listen.to_string(), "10.0.0.1:16514");
        assert_eq!(settings.address.to_string(), "host1:99");
        assert_eq!(settings.tls.ca, Path::new("/srv/etc/reeve/ca.pem"));
        assert_eq!(settings.tls.server_key, Path::new("/etc/pki/libvirt/private/serverkey.pem"));
        assert!(!settings.unencrypted);
        let settings = read("listen = '[::]:7'").unwrap().unwrap();
        assert_eq!((settings.address.port, settings.ports), (7, 49152..=49215));
    }

    #[test]
    fn a_guest_goes_over_as_many_connections_as_can_be_served() {
        let most = |text: &str| {
            let config: MigrationConfig = toml::from_str(text).map_err(|error| error.to_string())?;
            config.max_streams().map_err(|error| error.to_string())
        };
        assert_eq!((most(""), most("max-streams = 1"), most("max-streams = 16")), (Ok(8), Ok(1), Ok(16)));
        for wrong in [0, 17, 65535] {
            let said = most(&format!("max-streams = {wrong}")).unwrap_err();
            assert!(said.contains("'migration.max-streams'"), "{said}");
        }
    }

    #[test]
    fn what_can_not_be_is_named() {
        let wrong = |text: &str| read(&format!("listen = '10.0.0.1'\n{text}")).unwrap_err();
        assert!(read("listen = 'host1'").unwrap_err().contains("'migration.listen'"));
        assert!(wrong("address = 'a b'").contains("'migration.address'"));
        for ports in ["", "1", "9-1", "0-5", "a-b"] {
            assert!(
                wrong(&format!("stream-ports = '{ports}'")).contains("'migration.stream-ports'"),
                "{ports}"
            );
        }
    }
}
