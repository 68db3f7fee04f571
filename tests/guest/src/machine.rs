//! The machine as discovered at boot, and what it does between commands.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::acpi::Acpi;
use crate::agent::{self, Agent};
use crate::commands;
use crate::console::{Consoles, Origin};
use crate::hotplug::{CpuHotplug, CpuNews, Hotplug, News, slots};
use crate::interrupts::{self, SCI};
use crate::memory::{MIB, TestMemory};
use crate::paging;
use crate::pci::Access;
use crate::power::Power;
use crate::start_info::{Range, StartInfo};
use crate::virtio::{Balloon, Devices, Disk, Entropy, Network, Pluggable, Shared, Slot, Sockets, Wide};
use crate::{boot, clock, cpus, lapic, serial};

/// Everything a command may touch.
pub struct Machine {
    /// Kernel command line.
    pub command_line: String,
    /// Processors that are there: those that ACPI names, and what has come and gone since.
    pub expected_cpus: u32,
    /// Processors that ACPI says may come.
    pub possible_cpus: u32,
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
    /// What answers the host on its own channel.
    pub agent: Agent,
    /// Memory balloon.
    pub balloon: Option<Slot<Balloon>>,
    /// Memory that comes in blocks.
    pub pluggable: Option<Slot<Pluggable>>,
    /// Sockets between guest and host.
    pub sockets: Option<Slot<Sockets>>,
    /// Directories of the host.
    pub shared: Vec<Slot<Shared>>,
    /// A network device with all its queues and offloads, and its slot.
    pub wide: Option<Wide>,
    /// Network devices that answer frames by themselves.
    pub echoing: Vec<bool>,
    /// The PCI bus.
    pub bus: Access,
    /// What comes and goes on it.
    pub hotplug: Hotplug,
    /// Processors that come and go.
    pub cpu_hotplug: CpuHotplug,
    /// Network devices whose cable was in when it was looked at last.
    links: Vec<bool>,
    /// Sectors of the disks when they were looked at last.
    sizes: Vec<u64>,
    cpu: u8,
    /// ACPI interrupts that were looked at.
    served: u64,
    failed: Vec<(u8, virtio_drivers::Error)>,
}

impl Machine {
    /// Looks around and starts every device.
    pub fn discover() -> Self {
        let info = StartInfo::read();
        lapic::enable();
        clock::start();
        let acpi = Acpi::read(info.rsdp);
        cpus::prepare();
        if acpi.cpus > 1 {
            cpus::start_others();
        }
        let cpu = lapic::id();
        let power = Power::new(acpi.power, cpu);
        serial::enable_interrupts(cpu);
        let served = interrupts::count(SCI);
        let hotplug = Hotplug::new(acpi.hotplug);
        let bus = Access::choose(acpi.ecam);
        let devices = Devices::discover(bus, cpu);
        Self {
            bus,
            hotplug,
            cpu_hotplug: CpuHotplug::new(acpi.cpu_hotplug),
            possible_cpus: acpi.possible_cpus,
            links: devices.networks.iter().map(|slot| slot.link_up()).collect(),
            sizes: devices.disks.iter().map(|slot| slot.capacity()).collect(),
            cpu,
            served,
            total_memory: info.memory.iter().map(|range: &Range| range.bytes).sum(),
            memory: TestMemory::new(&info.memory),
            command_line: info.command_line,
            expected_cpus: acpi.cpus,
            consoles: Consoles::new(devices.console),
            power,
            sockets: devices.sockets,
            shared: devices.shared,
            wide: None,
            echoing: devices.networks.iter().map(|_| false).collect(),
            disks: devices.disks,
            networks: devices.networks,
            entropy: devices.entropy,
            agent: Agent::default(),
            balloon: devices.balloon,
            pluggable: devices.pluggable,
            failed: devices.failed,
        }
    }

    /// Says on every console that commands are welcome.
    pub fn greet(&mut self) {
        for (slot, error) in core::mem::take(&mut self.failed) {
            self.say_failed(slot, error);
        }
        if boot::wakes() > 0 {
            let line = format!("reeve-guest: woke up, wakes={}", boot::wakes());
            self.consoles.say(Origin::CommandLine, &line);
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

    fn say_failed(&mut self, slot: u8, error: virtio_drivers::Error) {
        self.consoles
            .say(Origin::CommandLine, &format!("reeve-guest: device in slot {slot} failed: {error}"));
    }

    /// Does what is due: the power button, the balloon, echoes, commands. False if there was nothing.
    pub fn serve(&mut self) -> bool {
        let mut busy = self.serve_acpi();
        self.serve_links();
        self.serve_sizes();
        if let Some(slot) = &mut self.balloon
            && slot.interrupted()
            && let Err(error) = slot.device.serve(&mut self.memory)
        {
            self.consoles.say(Origin::CommandLine, &format!("reeve-guest: balloon: {error}"));
        }
        self.serve_pluggable();
        busy |= commands::echo_frames(self);
        busy |= agent::serve(self);
        busy |= self.serve_sockets();
        for (origin, line) in self.consoles.lines() {
            busy = true;
            commands::run(self, origin, &line);
        }
        busy
    }

    fn serve_sockets(&mut self) -> bool {
        let Some(slot) = self.sockets.as_mut() else { return false };
        slot.device.serve().unwrap_or_else(|error| {
            self.consoles.say(Origin::CommandLine, &format!("reeve-guest: sockets: {error}"));
            false
        })
    }

    /// Takes and gives memory as the host wants it.
    fn serve_pluggable(&mut self) {
        let Some(slot) = self.pluggable.as_mut() else { return };
        if !slot.interrupted() {
            return;
        }
        let said = match slot.device.follow() {
            Ok(true) => {
                let (address, ..) = slot.device.place();
                paging::map(address, slot.device.bytes());
                format!("reeve-guest: {} bytes are plugged", slot.device.bytes())
            }
            Ok(false) => return,
            Err(error) => format!("reeve-guest: plugged memory: {error}"),
        };
        self.consoles.say(Origin::CommandLine, &said);
    }

    /// Looks at everything that ACPI interrupts for until nothing is left.
    fn serve_acpi(&mut self) -> bool {
        let count = interrupts::count(SCI);
        if count == core::mem::replace(&mut self.served, count) {
            return false;
        }
        loop {
            let (pressed, news) = (self.power.button_pressed(), self.hotplug.news());
            let cpu_news = self.cpu_hotplug.news();
            if let Some(news) = cpu_news.filter(|_| self.cpu_hotplug.automatic) {
                self.follow_cpus(news);
            }
            if pressed && !self.power.ignore_button {
                self.consoles.say(Origin::CommandLine, "reeve-guest: power button, powering off");
                self.power.off();
            }
            if let Some(news) = news.filter(|_| self.hotplug.automatic) {
                self.follow(news);
            }
            if !pressed && news.is_none() && cpu_news.is_none() {
                return true;
            }
        }
    }

    fn follow(&mut self, news: News) {
        // What is new in a slot means that what was there is gone.
        slots(news.leaving | news.plugged).for_each(|slot| self.remove(slot));
        if news.leaving != 0 {
            self.hotplug.eject(news.leaving);
        }
        if news.plugged != 0 {
            self.rescan();
        }
    }

    /// Starts processors that came, and lets go of those that the host wants back.
    fn follow_cpus(&mut self, news: CpuNews) {
        for number in 0..cpus::MAX as u8 {
            if news.plugged >> number & 1 == 1 {
                cpus::start(number);
                self.expected_cpus += 1;
                self.consoles.say(Origin::CommandLine, &format!("reeve-guest: cpu {number} has come"));
            }
            if news.leaving >> number & 1 == 1 {
                self.let_cpu_go(number);
            }
        }
    }

    /// Gives a processor back to the host; false when it is still there.
    pub fn let_cpu_go(&mut self, number: u8) -> bool {
        let there = |machine: &Self| machine.cpu_hotplug.present() >> number & 1 == 1;
        let before = there(self);
        self.cpu_hotplug.eject(1 << number);
        if before && !there(self) {
            cpus::goes();
            self.expected_cpus -= 1;
            self.consoles.say(Origin::CommandLine, &format!("reeve-guest: cpu {number} is gone"));
        }
        !there(self)
    }

    /// Says when a cable was pulled out or put in.
    fn serve_links(&mut self) {
        for index in 0..self.networks.len() {
            let slot = &mut self.networks[index];
            if slot.interrupted() && slot.link_up() != self.links[index] {
                self.links[index] = !self.links[index];
                let state = if self.links[index] { "up" } else { "down" };
                self.consoles.say(Origin::CommandLine, &format!("reeve-guest: net {index} is {state}"));
            }
        }
    }

    /// Says when a disk was given another size.
    fn serve_sizes(&mut self) {
        for index in 0..self.disks.len() {
            let slot = &mut self.disks[index];
            if slot.interrupted() && slot.capacity() != self.sizes[index] {
                self.sizes[index] = slot.capacity();
                let line = format!("reeve-guest: disk {index} has {} sectors", self.sizes[index]);
                self.consoles.say(Origin::CommandLine, &line);
            }
        }
    }

    /// What is in which slot.
    pub fn slots(&self) -> impl Iterator<Item = (u8, String)> {
        let disks = self.disks.iter().enumerate().map(|(index, disk)| (disk.slot, format!("disk{index}")));
        let nets = self.networks.iter().enumerate().map(|(index, net)| (net.slot, format!("net{index}")));
        let console = self.consoles.virtio_slot().map(|slot| (slot, "console".into()));
        let entropy = self.entropy.as_ref().map(|entropy| (entropy.slot, "rng".into()));
        let balloon = self.balloon.as_ref().map(|balloon| (balloon.slot, "balloon".into()));
        let memory = self.pluggable.as_ref().map(|memory| (memory.slot, "memory".into()));
        let sockets = self.sockets.as_ref().map(|sockets| (sockets.slot, "sockets".into()));
        let shared = self.shared.iter().enumerate().map(|(index, one)| (one.slot, format!("shared{index}")));
        let others = console.into_iter().chain(entropy).chain(balloon).chain(memory).chain(sockets);
        disks.chain(nets).chain(others).chain(shared)
    }

    /// Starts disks and network devices that came, and forgets those that went.
    pub fn rescan(&mut self) {
        let functions = self.bus.functions();
        let gone: Vec<u8> = self.slots().map(|(slot, _)| slot).collect();
        for slot in gone.into_iter().filter(|slot| !functions.iter().any(|function| function.slot() == *slot))
        {
            self.remove(slot);
        }
        for function in functions {
            if self.slots().any(|(slot, _)| slot == function.slot()) {
                continue;
            }
            let mut vectors = interrupts::FIRST_PCI..interrupts::SPURIOUS;
            let Some(vector) = vectors.find(|vector| !self.vectors().any(|used| used == *vector)) else {
                return;
            };
            let mut found = Devices::default();
            found.open(function, vector, self.cpu);
            for (slot, error) in found.failed {
                self.say_failed(slot, error);
            }
            for disk in found.disks {
                let line = format!("reeve-guest: disk {} is in slot {}", self.disks.len(), disk.slot);
                self.consoles.say(Origin::CommandLine, &line);
                self.sizes.push(disk.capacity());
                self.disks.push(disk);
            }
            for network in found.networks {
                let line = format!("reeve-guest: net {} is in slot {}", self.networks.len(), network.slot);
                self.consoles.say(Origin::CommandLine, &line);
                self.links.push(network.link_up());
                self.echoing.push(false);
                self.networks.push(network);
            }
        }
    }

    /// Takes the network device of a slot with all its queues, instead of its simple driver.
    pub fn open_wide(&mut self, slot: u8, features: u64) -> Result<&mut Wide, String> {
        let index = self.networks.iter().position(|network| network.slot == slot);
        let index = index.ok_or_else(|| format!("there is no network device in slot {slot}"))?;
        let vector = self.networks[index].vector;
        self.remove(slot);
        let function = self.bus.functions().into_iter().find(|function| function.slot() == slot);
        let function = function.ok_or_else(|| format!("slot {slot} is empty"))?;
        let opened = Devices::open_wide(function, vector, self.cpu, features);
        Ok(self.wide.insert(opened.map_err(|error| format!("{error}"))?))
    }

    fn vectors(&self) -> impl Iterator<Item = u8> {
        let disks = self.disks.iter().map(|slot| slot.vector);
        let nets = self.networks.iter().map(|slot| slot.vector);
        let others = [
            self.consoles.virtio_vector(),
            self.entropy.as_ref().map(|slot| slot.vector),
            self.balloon.as_ref().map(|slot| slot.vector),
            self.pluggable.as_ref().map(|slot| slot.vector),
            self.sockets.as_ref().map(|slot| slot.vector),
        ];
        let shared = self.shared.iter().map(|slot| slot.vector);
        disks.chain(nets).chain(shared).chain(others.into_iter().flatten())
    }

    /// Stops the disk or network device in a slot and forgets it.
    pub fn remove(&mut self, slot: u8) {
        if let Some(index) = self.disks.iter().position(|disk| disk.slot == slot) {
            self.disks.remove(index).stop();
            self.sizes.remove(index);
        } else if let Some(index) = self.networks.iter().position(|network| network.slot == slot) {
            self.networks.remove(index).stop();
            self.links.remove(index);
            self.echoing.remove(index);
        } else {
            return;
        }
        self.consoles.say(Origin::CommandLine, &format!("reeve-guest: slot {slot} is empty"));
    }
}
