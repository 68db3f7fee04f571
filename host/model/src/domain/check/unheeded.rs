//! What earlier versions kept of a document without heeding it, and this one refuses. Their guests have been started without it: they go
//! on without it, from a save image, a snapshot, or another host. Only what boots, and what an operator defines, is refused.

use super::{disk, numa, tuning};
use crate::domain::{Disk, DomainConfig, SecLabel};

impl DomainConfig {
    /// Takes out what no machine was ever given; names what it was. A document that asks for nothing of the kind stays as it is.
    pub fn leave_out_unheeded(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.seclabels.iter().all(SecLabel::is_none) {
            self.seclabels.retain(SecLabel::is_none);
            all.push("<seclabel>".to_owned());
        }
        self.devices.disks.iter_mut().for_each(|disk| leave_out_of_disk(disk, &mut all));
        for interface in &mut self.devices.interfaces {
            if interface.driver.ioeventfd.take_if(|on| !*on).is_some() {
                let mac = interface.mac.as_deref().unwrap_or("without an address");
                all.push(format!("ioeventfd of interface {mac}"));
            }
        }
        if numa::check(self).is_err() {
            self.cpu.iter_mut().for_each(|cpu| cpu.numa.clear());
            self.numatune.memnodes.clear();
            self.devices.memories.iter_mut().for_each(|memory| memory.node = None);
            all.push("NUMA nodes of its guest".to_owned());
        }
        if tuning::check_scheduling(self).is_err() {
            self.cputune.scheduling.clear();
            all.push("schedulers of its threads".to_owned());
        }
        let tune = &mut self.cputune;
        if tuning::check_quota("iothread_", tune.iothread_period, tune.iothread_quota).is_err() {
            (tune.iothread_period, tune.iothread_quota) = (None, None);
            all.push("<iothread_quota>".to_owned());
        }
        all
    }
}

fn leave_out_of_disk(disk: &mut Disk, all: &mut Vec<String>) {
    let mut left_out = Vec::new();
    if std::mem::take(&mut disk.transient) {
        left_out.push("<transient>");
    }
    if disk.driver.ioeventfd.take_if(|on| !*on).is_some() {
        left_out.push("ioeventfd");
    }
    let is_raw = disk.driver.format.as_deref().is_none_or(|format| format == "raw");
    if disk.driver.copy_on_read.take_if(|on| *on && is_raw).is_some() {
        left_out.push("copy_on_read");
    }
    if disk.tray.take_if(|open| *open).is_some() {
        left_out.push("tray");
    }
    if disk::check("", disk).is_err() {
        // Whoever kept one of them without a rule for it heeded none.
        (disk.wwn, disk.startup_policy, disk.tray, disk.driver.copy_on_read) = (None, None, None, None);
        *disk.blocks = Default::default();
        left_out.push("what it says of its blocks, name, tray and start");
    }
    if !left_out.is_empty() {
        all.push(format!("{} of disk '{}'", left_out.join(", "), disk.target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;
    use crate::domain::{CpuConfig, Extra, MemNode, NumaCell};

    fn document() -> DomainConfig {
        let text = r#"{
            "domain_type": "kvm", "name": "web", "uuid": "00000000-0000-0000-0000-000000000001",
            "memory": 67108864, "current_memory": 67108864, "vcpu": {"max": 1},
            "os": {"os_type": "hvm", "kernel": "/boot/vmlinuz"},
            "on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "preserve",
            "devices": {"disks": [{"device": "disk", "target": "vda",
                "source": {"type": "file", "path": "/srv/web.img"}}]}
        }"#;
        serde_json::from_str(text).unwrap()
    }

    fn cell(id: u32, memory: Bytes) -> NumaCell {
        NumaCell { id, cpus: None, memory, distances: Vec::new(), extra: Extra::default() }
    }

    #[test]
    fn what_was_never_heeded_is_left_out_and_named() {
        let heeded = {
            let mut config = document();
            config.cpu = Some(CpuConfig { numa: vec![cell(0, Bytes::mib(64))], ..CpuConfig::default() });
            config.devices.disks[0].driver.event_idx = Some(false);
            config.devices.disks[0].blocks.logical = Some(4096);
            config.seclabels = vec![SecLabel { kind: Some("none".to_owned()), ..SecLabel::default() }];
            config
        };
        let mut config = heeded.clone();
        assert_eq!((config.leave_out_unheeded(), &config), (Vec::new(), &heeded));

        config.seclabels.push(SecLabel { model: Some("selinux".to_owned()), ..SecLabel::default() });
        let disk = &mut config.devices.disks[0];
        (disk.transient, disk.tray) = (true, Some(true));
        disk.driver.copy_on_read = Some(true);
        disk.driver.ioeventfd = Some(false);
        assert!(config.check().is_err());
        assert_eq!(
            config.leave_out_unheeded(),
            ["<seclabel>", "<transient>, ioeventfd, copy_on_read, tray of disk 'vda'"]
        );
        assert_eq!((config.check(), &config), (Ok(()), &heeded));

        config.devices.disks[0].wwn = Some("5000c50015ea71aa".to_owned());
        config.cpu.as_mut().unwrap().numa.push(cell(1, Bytes::mib(64)));
        config.numatune.memnodes.push(MemNode { cell: 1, mode: None, nodeset: "0".parse().unwrap() });
        config.cputune.iothread_quota = Some(5);
        assert!(config.check().is_err());
        assert_eq!(config.leave_out_unheeded().len(), 3);
        assert_eq!(config.check(), Ok(()));
        assert!(config.cpu.unwrap().numa.is_empty() && config.numatune.memnodes.is_empty());
        assert_eq!(config.devices.disks[0].blocks, Box::default());
        assert_eq!(config.devices.disks[0].driver.event_idx, Some(false), "what was negotiated is its state");
    }
}
