//! Rules that a domain must keep as a whole (guide ch. 20). One place for documents that operators write and for edits
//! that policies make.

mod clock;
mod devices;
mod disk;
mod numa;
mod resource;
mod sysinfo;
mod tuning;
mod unheeded;

use std::collections::BTreeSet;

use super::DomainConfig;
use crate::Bytes;

/// A rule that a domain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    /// Where in the document, e.g. `/domain/devices/disk[2]/target/@dev`. Numbers count elements of one name, from 1.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Collects nothing: the first broken rule ends the check.
type Checked = Result<(), Violation>;

fn broken<T>(path: impl Into<String>, message: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { path: path.into(), message: message.into() })
}

/// Refuses a word that is not in the list.
fn word(path: impl Into<String>, value: Option<&str>, allowed: &[&str]) -> Checked {
    match value {
        Some(value) if !allowed.contains(&value) => {
            broken(path, format!("'{value}' is not one of {}", allowed.join(", ")))
        }
        _ => Ok(()),
    }
}

impl DomainConfig {
    /// Most vCPUs that a document may ask for; a driver's own limit may be lower.
    pub const MAX_VCPUS: u32 = 4096;

    /// Checks every rule that needs no host: names, sizes, words, and what must be unique or fit together.
    pub fn check(&self) -> Result<(), Violation> {
        self.check_identity()?;
        self.check_memory()?;
        self.check_vcpus()?;
        tuning::check_cputune(self)?;
        tuning::check_memtune(&self.memtune)?;
        tuning::check_blkiotune(&self.blkiotune)?;
        tuning::check_numatune(&self.numatune)?;
        resource::check(&self.resource)?;
        numa::check(self)?;
        clock::check(&self.clock)?;
        self.check_actions()?;
        self.check_boot()?;
        for (index, label) in self.seclabels.iter().enumerate() {
            let path = format!("/domain/seclabel[{}]/@type", index + 1);
            word(path, label.kind.as_deref(), &["none", "dynamic", "static"])?;
        }
        sysinfo::check(self)?;
        devices::check(&self.devices)
    }

    fn check_identity(&self) -> Checked {
        let path = "/domain/name";
        if self.name.trim().is_empty() {
            return broken(path, "the domain has no name; write <name>…</name>");
        }
        if let Some(bad) = self.name.chars().find(|c| *c == '/' || c.is_control()) {
            return broken(
                path,
                format!("domain name '{}' contains {bad:?}; take it out", self.name.escape_debug()),
            );
        }
        if self.name.trim() != self.name {
            // Documents are read without them: it would have another name after a restart of the daemon.
            return broken(
                path,
                format!("domain name '{}' begins or ends with blanks; take them out", self.name),
            );
        }
        if self.name.len() > 255 {
            return broken(path, "the domain name is longer than 255 bytes; shorten it");
        }
        if self.name == "." || self.name == ".." {
            return broken(path, format!("domain name '{}' means a directory; choose another", self.name));
        }
        if self.title.as_deref().is_some_and(|title| title.contains('\n')) {
            return broken(
                "/domain/title",
                "the title has more than one line; long text belongs in <description>",
            );
        }
        Ok(())
    }

    fn check_memory(&self) -> Checked {
        if self.memory < Bytes::kib(1) {
            return broken("/domain/memory", "the domain has no memory; write <memory unit='MiB'>…</memory>");
        }
        if self.current_memory > self.memory {
            let (current, memory) = (self.current_memory, self.memory);
            let message =
                format!("current memory ({current}) is above memory ({memory}); lower it or raise <memory>");
            return broken("/domain/currentMemory", message);
        }
        for page in self.memory_backing.hugepages.iter().flatten() {
            if !page.0.is_power_of_two() || *page < Bytes::kib(4) {
                let message =
                    format!("{page} is not the size of a memory page; x86 has 2 MiB and 1 GiB pages");
                return broken("/domain/memoryBacking/hugepages/page/@size", message);
            }
        }
        Ok(())
    }

    fn check_vcpus(&self) -> Checked {
        let max = self.vcpu.max;
        if max == 0 || max > Self::MAX_VCPUS {
            let message = format!("a domain has 1 to {} vCPUs, not {max}", Self::MAX_VCPUS);
            return broken("/domain/vcpu", message);
        }
        if let Some(current) = self.vcpu.current.filter(|current| *current == 0 || *current > max) {
            return broken(
                "/domain/vcpu/@current",
                format!("current={current} is not between 1 and {max}, the maximum"),
            );
        }
        word("/domain/vcpu/@placement", self.vcpu.placement.as_deref(), &["static", "auto"])?;
        let Some(cpu) = &self.cpu else { return Ok(()) };
        word(
            "/domain/cpu/@mode",
            cpu.mode.as_deref(),
            &["custom", "host-model", "host-passthrough", "maximum"],
        )?;
        word("/domain/cpu/@match", cpu.matching.as_deref(), &["minimum", "exact", "strict"])?;
        for (index, feature) in cpu.features.iter().enumerate() {
            let path = format!("/domain/cpu/feature[{}]/@policy", index + 1);
            word(path, Some(&feature.policy), &["force", "require", "optional", "disable", "forbid"])?;
        }
        if let Some(topology) = cpu.topology {
            let path = "/domain/cpu/topology";
            let product = u64::from(topology.sockets) * u64::from(topology.cores);
            let Some(product) =
                product.checked_mul(u64::from(topology.threads)).filter(|product| *product > 0)
            else {
                return broken(path, "sockets, cores and threads must each be at least 1");
            };
            if product < u64::from(max) {
                let message = format!(
                    "the topology has room for {product} vCPUs, <vcpu> asks for {max}; make them agree"
                );
                return broken(path, message);
            }
        }
        Ok(())
    }

    fn check_actions(&self) -> Checked {
        for (name, action) in [("on_poweroff", self.on_poweroff), ("on_reboot", self.on_reboot)] {
            if action.is_coredump() {
                let message = format!(
                    "'{}' is for <on_crash> only; use destroy, restart, preserve or rename-restart",
                    action.as_str()
                );
                return broken(format!("/domain/{name}"), message);
            }
        }
        Ok(())
    }

    fn check_boot(&self) -> Checked {
        for (index, device) in self.os.boot.iter().enumerate() {
            word(
                format!("/domain/os/boot[{}]/@dev", index + 1),
                Some(device),
                &["fd", "hd", "cdrom", "network"],
            )?;
        }
        let mut orders = BTreeSet::new();
        for order in self.devices.commons().filter_map(|common| common.boot_order) {
            if order == 0 {
                return broken("/domain/devices", "boot order 0 does not exist; orders start at 1");
            }
            if !orders.insert(order) {
                return broken(
                    "/domain/devices",
                    format!("boot order {order} is used twice; give each device its own"),
                );
            }
        }
        if !orders.is_empty() && !self.os.boot.is_empty() {
            let message =
                "<os><boot dev> and <boot order> of devices exclude each other; keep one of the two";
            return broken("/domain/os/boot", message);
        }
        if self.os.kernel.is_none() && (self.os.initrd.is_some() || self.os.cmdline.is_some()) {
            return broken("/domain/os", "<initrd> and <cmdline> need a <kernel>; add it or take them out");
        }
        Ok(())
    }
}
