//! A daemon whose networks are in a namespace that goes with it.

use std::ffi::OsStr;

use reeve_tests::{Daemon, Namespace, Options, Run, wait};
use serde_json::Value;

use crate::PATIENCE;

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

impl Lab {
    /// Ends every domain and every network; false where nobody can be asked to.
    fn end_all(&self) -> bool {
        let ended = |noun: &str, list: &str| {
            let Ok(listed) = self.reeve(&[noun, "list", list]) else { return false };
            let mut all = listed.code == 0;
            for key in listed.stdout.lines().filter(|line| !line.is_empty()) {
                all &= self.reeve(&[noun, "destroy", key]).is_ok();
            }
            all
        };
        // Networks outlive their daemon, and their DHCP servers would outlive the namespace's name.
        ended("domain", "--name") && ended("network", "--uuid")
    }

    /// Links, rules of ports and processes that the daemon made and nothing needs any more.
    fn leftovers(&self) -> anyhow::Result<Vec<String>> {
        let links: Vec<Value> = serde_json::from_str(&self.inside(&["ip", "-j", "link", "show"])?)?;
        // Interfaces of the host are to stay.
        let is_passing = |alias: &str| alias.starts_with("reeve-") && !alias.ends_with(" iface");
        let made = |link: &&Value| link["ifalias"].as_str().is_some_and(is_passing);
        let mut left: Vec<String> =
            links.iter().filter(made).map(|link| link["ifname"].to_string()).collect();
        // The chains of ports are `p`, a number and more.
        let of_port = |line: &&str| {
            let name = line.trim_start().strip_prefix("chain p");
            name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        };
        left.extend(self.rules()?.lines().filter(of_port).map(str::to_owned));
        left.extend(self.processes("dnsmasq")?.iter().map(|pid| format!("dnsmasq {pid}")));
        left.extend(self.sniffers()?.iter().map(|pid| format!("sniffer {pid}")));
        Ok(left)
    }
}

impl Drop for Lab {
    /// After every test nothing may be left behind.
    fn drop(&mut self) {
        let is_ended = self.end_all();
        if std::thread::panicking() || !is_ended {
            return;
        }
        let mut left = Vec::new();
        let clean = wait::until("nothing is left behind", PATIENCE, || {
            left = self.leftovers().unwrap_or_else(|error| vec![format!("{error:#}")]);
            left.is_empty()
        });
        assert!(clean.is_ok(), "left behind: {left:?}");
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
