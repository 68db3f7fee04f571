//! A daemon whose networks are in a namespace that goes with it.

use std::ffi::OsStr;

use reeve_tests::{Daemon, Namespace, Options, Run};
use serde_json::Value;

/// A daemon inside of a namespace.
pub struct Lab {
    pub daemon: Daemon,
    /// Deleted after the daemon has ended.
    namespace: Namespace,
}

impl Lab {
    /// A daemon that is ready.
    pub fn start() -> anyhow::Result<Self> {
        let namespace = Namespace::new()?;
        let daemon = Daemon::start_with(Options { through: namespace.through(), ..Options::default() })?;
        Ok(Self { daemon, namespace })
    }

    /// A daemon with this network defined.
    pub fn with(document: &str) -> anyhow::Result<Self> {
        let lab = Self::start()?;
        lab.define(document)?.ok();
        Ok(lab)
    }

    /// `reeve` with these arguments.
    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.daemon.reeve(arguments)
    }

    /// `reeve network define`.
    pub fn define(&self, document: &str) -> anyhow::Result<Run> {
        self.daemon.reeve_with_input(&["network", "define", "-"], document)
    }

    /// `reeve` with `EDITOR`.
    pub fn reeve_with_editor(&self, arguments: &[&str], editor: &str) -> anyhow::Result<Run> {
        let environment = [("EDITOR", OsStr::new(editor)), ("VISUAL", OsStr::new(""))];
        Run::reeve(self.daemon.root(), arguments, "", &environment)
    }

    /// A program of the machine inside of the namespace.
    pub fn inside(&self, words: &[&str]) -> anyhow::Result<String> {
        self.namespace.run(words)
    }

    /// Does something on a thread inside of the namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        self.namespace.within(work)
    }

    /// Names of the network interfaces that are not loopback.
    pub fn links(&self) -> anyhow::Result<Vec<String>> {
        let links: Vec<Value> = serde_json::from_str(&self.inside(&["ip", "-j", "link", "show"])?)?;
        let names = links.iter().filter_map(|link| link["ifname"].as_str());
        Ok(names.filter(|name| *name != "lo").map(str::to_owned).collect())
    }

    /// The whole packet filter of the kernel.
    pub fn rules(&self) -> anyhow::Result<String> {
        self.inside(&["nft", "list", "ruleset"])
    }

    /// Process ids inside of the namespace whose program is this one.
    pub fn processes(&self, program: &str) -> anyhow::Result<Vec<u32>> {
        let runs = |pid: &u32| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim_end() == program)
        };
        Ok(self.namespace.processes()?.into_iter().filter(runs).collect())
    }

    /// Process ids of the daemon's sniffers.
    pub fn sniffers(&self) -> anyhow::Result<Vec<u32>> {
        let sniffs = |pid: &u32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split('\0').nth(1) == Some("sniffer")
        };
        Ok(self.namespace.processes()?.into_iter().filter(sniffs).collect())
    }

    /// What `reeve network info` says.
    pub fn info(&self, network: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.reeve(&["network", "info", network, "-o", "json"])?.ok())?)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Networks outlive their daemon, and their DHCP servers would outlive the namespace's name.
        let domains = self.reeve(&["domain", "list", "--name"]).map(|run| run.stdout).unwrap_or_default();
        for name in domains.lines().filter(|line| !line.is_empty()) {
            let _ = self.reeve(&["domain", "destroy", name]);
        }
        let networks = self.reeve(&["network", "list", "--uuid"]).map(|run| run.stdout).unwrap_or_default();
        for uuid in networks.lines().filter(|line| !line.is_empty()) {
            let _ = self.reeve(&["network", "destroy", uuid]);
        }
    }
}

/// A network with a DHCP server, `192.168.{third}.1/24` on `bridge`.
pub fn document(name: &str, bridge: &str, third: u8) -> String {
    format!(
        "<network><name>{name}</name><forward mode='nat'/><bridge name='{bridge}'/>\
         <ip address='192.168.{third}.1' netmask='255.255.255.0'>\
         <dhcp><range start='192.168.{third}.100' end='192.168.{third}.150'/></dhcp></ip></network>"
    )
}
