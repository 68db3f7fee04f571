//! The PCI bus: what is where, and what comes and goes.

use alloc::format;
use alloc::string::{String, ToString};

use super::Answer;
use crate::machine::Machine;
use crate::text::Words;

/// `pci list | rescan | eject SLOT | auto on|off`: devices by slot; looks for devices that came or went; lets go of a slot
/// whether the host wants it or not; whether the guest follows the host by itself.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    match words.next("list, rescan, eject or auto")? {
        "list" => {
            let listed = machine.slots().map(|(slot, name)| format!("{slot}={name}"));
            Ok(listed.collect::<alloc::vec::Vec<_>>().join(" "))
        }
        "rescan" => {
            machine.rescan();
            Ok(format!("disks={} nets={}", machine.disks.len(), machine.networks.len()))
        }
        "eject" => {
            let slot = words.number("SLOT")?.min(31) as u8;
            machine.hotplug.eject(1 << slot);
            let there = machine.bus.functions().iter().any(|function| function.slot() == slot);
            if !there {
                machine.remove(slot);
            }
            Ok(if there { "still there" } else { "gone" }.to_string())
        }
        "auto" => {
            machine.hotplug.automatic = words.switch()?;
            Ok(String::new())
        }
        other => Err(format!("there is no 'pci {other}'")),
    }
}
