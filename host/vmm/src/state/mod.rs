//! A machine's whole state as plain data with versions, and its memory, over any stream.
//!
//! ```text
//!   MachineState::write_to   Shape │ Vm │ Vcpu… │ Board │ Device… │ End        some ten KiB a vCPU
//!   write_memory             Pages… │ MemoryEnd                               zero pages are left out
//! ```
//!
//! The two parts are independent: a save image has the state first, a migration sends memory while the guest runs and the
//! state last. Each is a sequence of frames ([`section`]).
//!
//! What comes back is hostile. Frames are bounded before memory is taken for them; [`MachineState::check`] compares with the
//! configuration; what belongs to a device is checked by that device, registers of a vCPU by KVM, and the rings of a queue
//! when it starts. State that passes can do no more than its guest could have done.

mod device;
mod memory;
pub mod section;
mod stream;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::VmConfig;
use crate::hypervisor::{VcpuState, VmState};
use crate::layout;
use crate::legacy::{CpuHotplugState, PowerState, RtcState, SerialState};
use crate::pci::{ConfigState, HotplugState};
pub use device::{DeviceState, FunctionState};
pub(crate) use memory::runs;
pub use memory::{Progress, read_memory, write_memory};
use section::Kind;
pub(crate) use stream::{BLOCK, block};
pub use stream::{StreamReader, StreamWriter};

/// Most devices: one a slot.
const MAX_DEVICES: u32 = 31;

/// Why state can't be written or read, or is none of this machine.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Writing failed.
    #[error("the state of the machine can't be written: {0}")]
    Write(#[source] io::Error),
    /// Reading failed.
    #[error("the saved state can't be read: {0}")]
    Read(#[source] io::Error),
    /// It ends too early.
    #[error("the saved state ends too early")]
    Truncated,
    /// It does not end where it should.
    #[error("the saved state is followed by something else")]
    Trailing,
    /// The start of a section is damaged.
    #[error("the saved state is damaged: a section has no valid start")]
    Header,
    /// Nobody knows this kind of section.
    #[error("the saved state has a section of the unknown kind {0}; a later version of Reeve wrote it")]
    Unknown(u32),
    /// The section has another version.
    #[error(
        "section {kind} of the saved state has version {version}, which this version of Reeve can't read"
    )]
    Version {
        /// Kind of section.
        kind: u32,
        /// Its version.
        version: u16,
    },
    /// The section is too long, or of a length that it can't have.
    #[error("the saved state is damaged: section {kind} has {length} bytes")]
    Length {
        /// Kind of section.
        kind: u32,
        /// Its bytes.
        length: u64,
    },
    /// The section is not what was written.
    #[error("the saved state is damaged: the checksum of section {0} is wrong")]
    Checksum(u32),
    /// Another section was expected.
    #[error("the saved state is damaged: section {found} is where section {expected} should be")]
    Order {
        /// Kind that should be there.
        expected: u32,
        /// Kind that is there.
        found: u32,
    },
    /// The section can't be understood.
    #[error("section {kind} of the saved state can't be understood: {source}")]
    Body {
        /// Kind of section.
        kind: u32,
        /// Reason.
        source: serde_json::Error,
    },
    /// It is of a machine that differs in a number.
    #[error("the saved guest has {found} {what}, the configuration {expected}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many were saved.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// It has a device that the configuration has not, or has it twice.
    #[error("the saved guest has a device '{0}', which the configuration doesn't have")]
    Device(String),
    /// A device is in another slot.
    #[error(
        "device '{alias}' was in PCI slot {found} when the guest was saved, and is in slot {expected} now"
    )]
    Slot {
        /// The device.
        alias: String,
        /// Slot that was saved.
        found: u8,
        /// Slot of the configuration.
        expected: u8,
    },
    /// Something on the board can't be in such a state.
    #[error("the saved state of the {0} is of no such device")]
    Board(&'static str),
    /// Pages are not guest memory, or not in order.
    #[error("the saved state has {length} bytes of memory at {address:#x}, where the guest has none")]
    Pages {
        /// Where they should go.
        address: u64,
        /// Bytes.
        length: u64,
    },
    /// Somebody asked for the end of it.
    #[error("it was cancelled")]
    Cancelled,
}

/// Everything about a machine but its memory.
#[derive(Clone)]
pub struct MachineState {
    /// What kind of machine.
    pub shape: Shape,
    /// Paravirtual clock in nanoseconds.
    pub clock: u64,
    /// Interrupt controllers and timer.
    pub vm: VmState,
    /// vCPUs that are there, in order. Shared: the thread of each takes its own.
    pub vcpus: Arc<Vec<VcpuState>>,
    /// What is on the board besides PCI devices.
    pub board: BoardState,
    /// PCI devices.
    pub devices: Vec<DeviceState>,
}

/// What must be the same for state to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Bytes of guest memory.
    pub memory: u64,
    /// vCPUs that are there.
    pub vcpus: u32,
}

/// What is on the board besides PCI devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardState {
    /// Serial ports, COM1 first.
    pub serials: Vec<SerialState>,
    /// ACPI power management.
    pub power: PowerState,
    /// Real-time clock, where there is one.
    #[serde(default)]
    pub rtc: Option<RtcState>,
    /// Address register of the PCI configuration ports.
    pub config_address: u32,
    /// Host bridge.
    pub bridge: ConfigState,
    /// PCI hot-plug controller.
    pub hotplug: HotplugState,
    /// vCPU hot-plug controller; none in what earlier versions saved, whose vCPUs are the first ones.
    #[serde(default)]
    pub cpus: Option<CpuHotplugState>,
}

/// Section [`Kind::Shape`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeSection {
    shape: Shape,
    /// Sections of devices that follow.
    devices: u32,
}

/// Section [`Kind::Vm`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VmSection<T> {
    clock: u64,
    vm: T,
}

/// Sections without content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl MachineState {
    /// Writes all sections.
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), StateError> {
        let devices = self.devices.len() as u32;
        section::write(out, Kind::Shape, &ShapeSection { shape: self.shape, devices })?;
        section::write(out, Kind::Vm, &VmSection { clock: self.clock, vm: &self.vm })?;
        self.vcpus.iter().try_for_each(|vcpu| section::write(out, Kind::Vcpu, vcpu))?;
        section::write(out, Kind::Board, &self.board)?;
        self.devices.iter().try_for_each(|device| section::write(out, Kind::Device, device))?;
        section::write(out, Kind::End, &Empty {})
    }

    /// Reads all sections, and no byte more. What is in them is for [`check`](Self::check) to judge.
    pub fn read_from(input: &mut impl Read) -> Result<Self, StateError> {
        let ShapeSection { shape, devices } = section::read(input, Kind::Shape)?;
        if shape.vcpus == 0 || shape.vcpus > VmConfig::MAX_VCPUS {
            return Err(count("vCPUs", shape.vcpus, VmConfig::MAX_VCPUS));
        }
        if devices > MAX_DEVICES {
            return Err(count("devices", devices, MAX_DEVICES));
        }
        let VmSection { clock, vm } = section::read(input, Kind::Vm)?;
        let vcpus =
            (0..shape.vcpus).map(|_| section::read(input, Kind::Vcpu)).collect::<Result<Vec<_>, _>>()?;
        let board = section::read(input, Kind::Board)?;
        let devices = (0..devices).map(|_| section::read(input, Kind::Device)).collect::<Result<_, _>>()?;
        let Empty {} = section::read(input, Kind::End)?;
        Ok(Self { shape, clock, vm, vcpus: Arc::new(vcpus), board, devices })
    }

    /// All sections as bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// The state in `bytes`, and nothing behind it.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, StateError> {
        let state = Self::read_from(&mut bytes)?;
        if bytes.is_empty() { Ok(state) } else { Err(StateError::Trailing) }
    }

    /// Gives the devices of a configuration the slots they had. What doesn't fit is left for [`check`](Self::check).
    pub fn settle_slots(&self, config: &mut VmConfig) {
        for device in &mut config.devices {
            if let Some(saved) = self.devices.iter().find(|saved| saved.alias == device.alias) {
                device.slot = Some(saved.slot);
            }
        }
    }

    /// Gives a configuration as many vCPUs as there are: a guest may let go of some at any time. What it can't have is left for
    /// [`check`](Self::check).
    pub fn settle_vcpus(&self, config: &mut VmConfig) {
        if config.max_vcpus.is_some_and(|max| (1..=max).contains(&self.shape.vcpus)) {
            config.vcpus = self.shape.vcpus;
        }
    }

    /// Which vCPUs are there, and what host and guest want of each other.
    pub fn cpus(&self) -> CpuHotplugState {
        self.board.cpus.unwrap_or_else(|| CpuHotplugState::first(self.shape.vcpus))
    }

    /// Whether it is of a machine with this configuration: as much memory, as many vCPUs and serial ports, the same devices in
    /// the same slots.
    pub fn check(&self, config: &VmConfig) -> Result<(), StateError> {
        if self.shape.memory != config.memory.bytes {
            let (found, expected) = (self.shape.memory, config.memory.bytes);
            return Err(StateError::Count { what: "bytes of memory", found, expected });
        }
        if self.shape.vcpus != config.vcpus || self.vcpus.len() != config.vcpus as usize {
            return Err(count("vCPUs", self.shape.vcpus, config.vcpus));
        }
        let cpus = self.cpus();
        if !cpus.fits(config.vcpu_limit()) || cpus.present.count() != config.vcpus {
            return Err(StateError::Board("vCPU hot-plug controller"));
        }
        if self.board.serials.len() != config.serials.len() {
            return Err(count("serial ports", self.board.serials.len() as u32, config.serials.len() as u32));
        }
        let clock = &config.clock;
        if self.board.rtc.is_some() != clock.rtc.is_some() {
            return Err(StateError::Board("real-time clock"));
        }
        if self.vm.has_pit() != clock.pit.is_some() {
            return Err(StateError::Board("interval timer"));
        }
        let mut seen = BTreeSet::new();
        for saved in &self.devices {
            let device = config.devices.iter().find(|device| device.alias == saved.alias);
            let device = device.filter(|_| seen.insert(&saved.alias));
            let device = device.ok_or_else(|| StateError::Device(saved.alias.clone()))?;
            if let Some(expected) = device.slot.filter(|slot| *slot != saved.slot) {
                return Err(StateError::Slot { alias: saved.alias.clone(), found: saved.slot, expected });
            }
        }
        if self.devices.len() != config.devices.len() {
            return Err(count("devices", self.devices.len() as u32, config.devices.len() as u32));
        }
        Ok(())
    }
}

fn count(what: &'static str, found: u32, expected: u32) -> StateError {
    StateError::Count { what, found: found.into(), expected: expected.into() }
}

/// Bytes of a page.
const PAGE: usize = layout::PAGE_SIZE as usize;

#[cfg(test)]
mod tests;
