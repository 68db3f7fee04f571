//! The machine as discovered at boot, and what it does between commands.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::acpi::Acpi;
use crate::commands;
use crate::console::{Consoles, Origin};
use crate::memory::{MIB, TestMemory};
use crate::pci::Access;
use crate::power::Power;
use crate::start_info::{Range, StartInfo};
use crate::virtio::{Balloon, Devices, Disk, Entropy, Network, Slot};
use crate::{clock, cpus, lapic, serial};

/// Everything a command may touch.
pub struct Machine {
    /// Kernel command line.
    pub command_line: String,
    /// Processors that ACPI names.
    pub expected_cpus: u32,
    /// Usable memory in all, in bytes.
    pub total_memory: u64,
    /// Memory to scribble on.
    pub memory: TestMemory,
    /// Lines in and out.
    pub consoles: Consoles,
    /// Power button, power-off, reset.
    pub power: Power,
    /// Block devices in slot order.
    pub disks: Vec<Slot<Disk>>,
    /// Network devices in slot order.
    pub networks: Vec<Slot<Network>>,
    /// Entropy source.
    pub entropy: Option<Slot<Entropy>>,
    /// Memory balloon.
    pub balloon: Option<Slot<Balloon>>,
    /// Network devices that answer frames by themselves.
    pub echoing: Vec<bool>,
    failed: Vec<(u8, virtio_drivers::Error)>,
}

impl Machine {
    /// Looks around and starts every device.
    pub fn discover() -> Self {
        let info = StartInfo::read();
        lapic::enable();
        clock::start();
        let acpi = Acpi::read(info.rsdp);
        if acpi.cpus > 1 {
            cpus::start_others();
        }
        let cpu = lapic::id();
        let power = Power::new(acpi.power, cpu);
        serial::enable_interrupts(cpu);
        let devices = Devices::discover(Access::choose(acpi.ecam), cpu);
        Self {
            total_memory: info.memory.iter().map(|range: &Range| range.bytes).sum(),
            memory: TestMemory::new(&info.memory),
            command_line: info.command_line,
            expected_cpus: acpi.cpus,
            consoles: Consoles::new(devices.console),
            power,
            echoing: devices.networks.iter().map(|_| false).collect(),
            disks: devices.disks,
            networks: devices.networks,
            entropy: devices.entropy,
            balloon: devices.balloon,
            failed: devices.failed,
        }
    }

    /// Says on every console that commands are welcome.
    pub fn greet(&mut self) {
        for (slot, error) in core::mem::take(&mut self.failed) {
            self.consoles
                .say(Origin::CommandLine, &format!("reeve-guest: device in slot {slot} failed: {error}"));
        }
        let yes = |present| if present { "yes" } else { "no" };
        let line = format!(
            "reeve-guest: ready cpus={} memory={}MiB disks={} nets={} console={} rng={} balloon={}",
            self.expected_cpus,
            self.total_memory / MIB,
            self.disks.len(),
            self.networks.len(),
            yes(self.consoles.has_virtio()),
            yes(self.entropy.is_some()),
            yes(self.balloon.is_some()),
        );
        self.consoles.say(Origin::CommandLine, &line);
    }

    /// Does what is due: the power button, the balloon, echoes, commands. False if there was nothing.
    pub fn serve(&mut self) -> bool {
        let mut busy = false;
        if self.power.button_pressed() {
            busy = true;
            if !self.power.ignore_button {
                self.consoles.say(Origin::CommandLine, "reeve-guest: power button, powering off");
                self.power.off();
            }
        }
        if let Some(slot) = &mut self.balloon
            && slot.interrupted()
            && let Err(error) = slot.device.serve(&mut self.memory)
        {
            self.consoles.say(Origin::CommandLine, &format!("reeve-guest: balloon: {error}"));
        }
        busy |= commands::echo_frames(self);
        for (origin, line) in self.consoles.lines() {
            busy = true;
            commands::run(self, origin, &line);
        }
        busy
    }
}
