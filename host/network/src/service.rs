//! dnsmasq: DHCP, DNS and TFTP of one network, looked after by a thread of its own.
//!
//! ```text
//!   RUN/network/UUID.conf     everything but hosts: a change restarts dnsmasq
//!   RUN/network/UUID.dhcp     static leases   ┐ a change is read on SIGHUP
//!   RUN/network/UUID.hosts    names           ┘
//!   RUN/network/UUID.pid      dnsmasq's own; a process counts when its arguments name our UUID.conf too
//!   RUN/network/UUID.log      what it says while it starts
//!   STATE/network/UUID.leases what it gave out
//! ```
//!
//! It is started as root where we are root, and gives that up for an unprivileged user. It outlives the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use reeve_model::network::{Lease, NetworkConfig};
use uuid::Uuid;

use crate::undo::note;
use crate::{Host, NetworkError, NetworkSink, host};

mod config;
mod lease;
mod names;
mod program;
mod watch;

pub(crate) use names::check;
use program::Files;
use watch::Watched;

/// A dnsmasq that runs.
pub(crate) struct Service {
    watched: Watched,
    files: Files,
}

/// True for a network whose guests are served by the host.
pub(crate) fn is_needed(config: &NetworkConfig) -> bool {
    let six = config.ips.iter().any(|ip| ip.network.address.is_ipv6());
    let dhcp = config.ips.iter().any(|ip| ip.dhcp.is_some());
    !config.ips.is_empty() && (config.dns.enable != Some(false) || dhcp || six)
}

/// What is written for a network.
#[derive(PartialEq, Eq)]
struct Texts {
    conf: String,
    dhcp: String,
    hosts: String,
}

impl Texts {
    fn of(network: &NetworkConfig, files: &Files) -> Result<Self, NetworkError> {
        check(network)?;
        Ok(Self {
            conf: config::conf(network, files)?,
            dhcp: config::dhcp_hosts(network),
            hosts: config::names(network),
        })
    }

    fn write(&self, files: &Files) -> Result<(), NetworkError> {
        host::write(&files.conf, &self.conf)?;
        self.write_hosts(files)
    }

    fn write_hosts(&self, files: &Files) -> Result<(), NetworkError> {
        host::write(&files.dhcp, &self.dhcp)?;
        host::write(&files.hosts, &self.hosts)
    }

    fn read(files: &Files) -> Self {
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        Self { conf: text(&files.conf), dhcp: text(&files.dhcp), hosts: text(&files.hosts) }
    }
}

impl Service {
    /// Starts dnsmasq for a network that needs one. When it does not come up, its files are gone.
    pub(crate) fn start_if_needed(
        host: &Host,
        sink: &Arc<dyn NetworkSink>,
        config: &NetworkConfig,
    ) -> Result<Option<Self>, NetworkError> {
        if !is_needed(config) {
            return Ok(None);
        }
        let files = Files::of(host, config.uuid)?;
        let started = Self::start(host, sink, config, &files);
        if started.is_err() {
            files.remove();
        }
        started.map(Some)
    }

    fn start(
        host: &Host,
        sink: &Arc<dyn NetworkSink>,
        config: &NetworkConfig,
        files: &Files,
    ) -> Result<Self, NetworkError> {
        // One that an earlier daemon left would hold the addresses.
        if let Some(old) = program::find(files) {
            program::end(&old);
        }
        Texts::of(config, files)?.write(files)?;
        let process = program::start(&host.dnsmasq, &config.name, files)?;
        let watched = Watched::new(host, sink, config, files, Some(process))?;
        Ok(Self { watched, files: files.clone() })
    }

    /// Finds the dnsmasq that runs for a network, or starts one, now or when it works; and what had to be mended.
    pub(crate) fn adopt_if_needed(
        host: &Host,
        sink: &Arc<dyn NetworkSink>,
        config: &NetworkConfig,
    ) -> Result<(Option<Self>, Option<String>), NetworkError> {
        if !is_needed(config) {
            return Ok((None, None));
        }
        let files = Files::of(host, config.uuid)?;
        let wanted = Texts::of(config, &files)?;
        if let Some(process) = program::find(&files).filter(|_| Texts::read(&files) == wanted) {
            let watched = Watched::new(host, sink, config, &files, Some(process))?;
            return Ok((Some(Self { watched, files }), None));
        }
        let (service, said) = match Self::start(host, sink, config, &files) {
            Ok(service) => {
                (service, "its dnsmasq was gone or of another configuration: it is started again".to_owned())
            }
            Err(error) => {
                // Guests stay attached meanwhile.
                let watched = Watched::new(host, sink, config, &files, None)?;
                (Self { watched, files }, format!("{error}; it is tried again until it works"))
            }
        };
        Ok((Some(service), Some(said)))
    }

    /// Makes the service what a changed document says. Some when another one, or none, takes the place of `old`, which is to be stopped.
    pub(crate) fn change(
        host: &Host,
        sink: &Arc<dyn NetworkSink>,
        old: Option<&Self>,
        config: &NetworkConfig,
    ) -> Result<Option<Option<Self>>, NetworkError> {
        let Some(old) = old else {
            let new = Self::start_if_needed(host, sink, config)?;
            return Ok(new.is_some().then_some(new));
        };
        if !is_needed(config) {
            return Ok(Some(None));
        }
        let (had, wanted) = (Texts::read(&old.files), Texts::of(config, &old.files)?);
        if had.conf == wanted.conf {
            if had != wanted {
                wanted.write_hosts(&old.files)?;
                old.watched.hang_up();
            }
        } else {
            wanted.write(&old.files)?;
            if let Err(error) = old.watched.restart() {
                note(had.write(&old.files));
                note(old.watched.restart());
                return Err(error);
            }
        }
        old.watched.follow(config);
        Ok(None)
    }

    /// Ends dnsmasq and removes what belongs to its run; leases stay.
    pub(crate) fn stop(self) {
        self.watched.stop();
        self.files.remove();
    }

    /// Leaves dnsmasq running unwatched.
    pub(crate) fn detach(self) {
        self.watched.detach();
    }
}

/// What the dnsmasq of a network gave out.
pub(crate) fn leases(host: &Host, config: &NetworkConfig) -> Result<Vec<Lease>, NetworkError> {
    Ok(lease::read(&Files::of(host, config.uuid)?.leases, config))
}

/// Removes the leases of a network.
pub(crate) fn forget(host: &Host, network: Uuid) -> Result<(), NetworkError> {
    let leases = Files::of(host, network)?.leases;
    match std::fs::remove_file(&leases) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(NetworkError::file(leases, "removed")(error))
        }
        _ => Ok(()),
    }
}

/// Ends the dnsmasqs of networks that are not active, and removes their files.
pub(crate) fn sweep(host: &Host, is_active: impl Fn(Uuid) -> bool) -> Result<(), NetworkError> {
    let directory = host.run_directory()?;
    let entries = std::fs::read_dir(&directory).map_err(NetworkError::file(&directory, "read"))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let uuid = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let Some(uuid) = uuid.filter(|uuid| !is_active(*uuid)) else { continue };
        let files = Files::of(host, uuid)?;
        if let Some(process) = program::find(&files) {
            program::end(&process);
        }
        files.remove();
    }
    Ok(())
}
