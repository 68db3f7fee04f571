//! The kernel's network settings in /proc/sys/net, in the network namespace of the calling thread.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{FileError, Tree};
use crate::link::LinkName;
use crate::process::Run;

/// How long loading a module may take.
const MODPROBE_DEADLINE: Duration = Duration::from_secs(30);

/// A setting. Values are numbers, 0 for no.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Whether IPv4 packets of others are passed on.
    Ipv4Forward,
    /// Whether IPv6 packets of others are passed on. When it is, links take no router's advertisement unless [`Setting::AcceptRa`] is 2.
    Ipv6Forward,
    /// Whether a link has no IPv6.
    DisableIpv6(LinkName),
    /// Whether a link takes addresses and routes from routers: 1 unless packets of others are passed on, 2 always.
    AcceptRa(LinkName),
    /// Whether a link finds its addresses itself from routers' prefixes.
    Autoconf(LinkName),
    /// Whether a link answers for IPv6 neighbours behind the host.
    ProxyNdp(LinkName),
    /// Whether bridged ARP goes through arptables.
    BridgeCallArptables,
    /// Whether bridged IPv4 goes through iptables.
    BridgeCallIptables,
    /// Whether bridged IPv6 goes through ip6tables.
    BridgeCallIp6tables,
}

impl Setting {
    /// Its file below /proc/sys/net.
    fn path(&self) -> PathBuf {
        let link = |name: &LinkName, key| Path::new("ipv6/conf").join(name.as_str()).join(key);
        match self {
            Self::Ipv4Forward => "ipv4/ip_forward".into(),
            Self::Ipv6Forward => "ipv6/conf/all/forwarding".into(),
            Self::DisableIpv6(name) => link(name, "disable_ipv6"),
            Self::AcceptRa(name) => link(name, "accept_ra"),
            Self::Autoconf(name) => link(name, "autoconf"),
            Self::ProxyNdp(name) => link(name, "proxy_ndp"),
            Self::BridgeCallArptables => "bridge/bridge-nf-call-arptables".into(),
            Self::BridgeCallIptables => "bridge/bridge-nf-call-iptables".into(),
            Self::BridgeCallIp6tables => "bridge/bridge-nf-call-ip6tables".into(),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net/{}", self.path().display())
    }
}

/// What a setting was before it was set, to be given to [`Sysctls::restore`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "without it the setting can't be restored"]
pub struct Previous {
    /// The setting.
    pub setting: Setting,
    /// Its value before.
    pub value: u64,
}

/// A setting could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// This kernel does not have it.
    #[error("kernel setting '{0}' is not there")]
    Missing(Setting),
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Bridged packets can't be filtered as IP packets.
    #[error("kernel module 'br_netfilter' is not there and can't be loaded: {0}")]
    BridgeNetfilter(String),
}

/// The settings below a directory.
#[derive(Debug, Clone)]
pub struct Sysctls {
    tree: Tree,
    modprobe: PathBuf,
}

impl Default for Sysctls {
    /// The kernel's.
    fn default() -> Self {
        Self::at("/proc/sys/net", "/sbin/modprobe")
    }
}

impl Sysctls {
    /// Those of another directory, and another program to load modules with.
    pub fn at(directory: impl Into<PathBuf>, modprobe: impl Into<PathBuf>) -> Self {
        Self { tree: Tree::new(directory), modprobe: modprobe.into() }
    }

    /// Reads a setting.
    pub fn read(&self, setting: &Setting) -> Result<u64, SysctlError> {
        if self.tree.has(setting.path()) {
            Ok(self.tree.number(setting.path())?)
        } else {
            Err(SysctlError::Missing(setting.clone()))
        }
    }

    /// Sets it and says what it was.
    pub fn set(&self, setting: &Setting, value: u64) -> Result<Previous, SysctlError> {
        let previous = Previous { setting: setting.clone(), value: self.read(setting)? };
        if previous.value != value {
            self.tree.write(setting.path(), value)?;
        }
        Ok(previous)
    }

    /// Sets it back. No error when its link is gone meanwhile.
    pub fn restore(&self, previous: &Previous) -> Result<(), SysctlError> {
        match self.set(&previous.setting, previous.value) {
            Ok(_) | Err(SysctlError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the settings of bridged packets available, by loading br_netfilter where they are not.
    pub fn need_bridge_netfilter(&self) -> Result<(), SysctlError> {
        if self.tree.has("bridge") {
            return Ok(());
        }
        let args = vec![OsStr::new("br_netfilter")];
        let run =
            Run { path: &self.modprobe, args, input: &[], deadline: MODPROBE_DEADLINE, output_limit: 4096 };
        let why = match run.finish() {
            Ok(finished) if finished.succeeded() && self.tree.has("bridge") => return Ok(()),
            Ok(finished) if finished.succeeded() => {
                "this network namespace has none of its settings".to_owned()
            }
            Ok(finished) => finished.first_line(),
            Err(error) => error.to_string(),
        };
        Err(SysctlError::BridgeNetfilter(why))
    }
}
