//! The root complex: configuration mechanisms, slots, and BARs on the memory bus.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::PciAddress;
use super::config::{BARS, CONFIG_SIZE, ConfigSpace, ConfigState, ConfigStateError};
use super::function::PciFunction;
use super::host_bridge::HostBridge;
use crate::bus::{Bus, BusDevice};

/// Bytes of configuration space a function has in ECAM.
const ECAM_FUNCTION_SIZE: u64 = 4096;
/// Header type register; bit 7 says that the slot has more functions.
const HEADER_TYPE: usize = 0x0e;
const MULTI_FUNCTION: u8 = 0x80;

/// Why a function cannot be put on the bus.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PciError {
    /// The address is taken.
    #[error("PCI address {0} is already used by another device")]
    Taken(PciAddress),
    /// All 31 slots are taken.
    #[error("PCI bus 0000:00 has no free slot")]
    Full,
    /// The memory window has no room for the BARs.
    #[error("PCI memory window has no {size:#x} bytes left for a BAR of {address}")]
    NoMemory {
        /// The function.
        address: PciAddress,
        /// Size of the BAR in bytes.
        size: u32,
    },
}

struct Slot {
    function: Arc<Mutex<dyn PciFunction>>,
    /// Where each BAR was put when the function was attached.
    assigned: [u32; BARS],
    /// Where each BAR is on the memory bus.
    mapped: [Option<u64>; BARS],
}

impl Slot {
    fn new(function: Arc<Mutex<dyn PciFunction>>, assigned: [u32; BARS]) -> Self {
        Self { function, assigned, mapped: [None; BARS] }
    }

    /// Programs the BARs as they were assigned.
    fn assign_bars(&self) {
        let mut function = lock(&self.function);
        for (bar, base) in self.assigned.iter().enumerate().filter(|(_, base)| **base != 0) {
            function.config_mut().set_bar(bar, *base);
        }
    }
}

struct Slots {
    functions: BTreeMap<PciAddress, Slot>,
}

impl Slots {
    /// Every range of the window that a BAR has, or had when it was attached and gets back at a reset; in order.
    fn taken(&self) -> Vec<Range<u64>> {
        let mut taken = Vec::new();
        for slot in self.functions.values() {
            let function = lock(&slot.function);
            for (bar, (assigned, mapped)) in slot.assigned.iter().zip(slot.mapped).enumerate() {
                let size = u64::from(function.config().bar_size(bar));
                let bases = [Some(u64::from(*assigned)).filter(|_| size > 0), mapped];
                taken.extend(bases.into_iter().flatten().map(|base| base..base + size));
            }
        }
        taken.sort_by_key(|range| range.start);
        taken
    }
}

/// The first place in `window` for `size` bytes at a multiple of it, beside what is taken (in order).
fn first_fit(window: &Range<u64>, taken: &[Range<u64>], size: u64) -> Option<u64> {
    let mut base = window.start.next_multiple_of(size);
    for range in taken {
        if base + size <= range.start {
            break;
        }
        base = base.max(range.end.next_multiple_of(size));
    }
    (base + size <= window.end).then_some(base)
}

/// Bus 0 with its functions. Shared by the configuration mechanisms and whoever plugs devices.
pub struct RootComplex {
    memory_bus: Arc<Bus>,
    window: Range<u64>,
    slots: Mutex<Slots>,
}

impl RootComplex {
    /// A root complex with a host bridge. BARs live in `window` (below 4 GiB) of `memory_bus`.
    pub fn new(memory_bus: Arc<Bus>, window: Range<u64>) -> Arc<Self> {
        let bridge = Slot::new(Arc::new(Mutex::new(HostBridge::new())), [0; BARS]);
        let functions = BTreeMap::from([(PciAddress::HOST_BRIDGE, bridge)]);
        let slots = Slots { functions };
        Arc::new(Self { memory_bus, window, slots: Mutex::new(slots) })
    }

    /// Puts a function at `address`, or into the first free slot, and assigns its BARs. Returns where it is.
    pub fn attach(
        &self,
        address: Option<PciAddress>,
        function: Arc<Mutex<dyn PciFunction>>,
    ) -> Result<PciAddress, PciError> {
        let mut slots = self.slots();
        let address = match address {
            Some(address) if slots.functions.contains_key(&address) => return Err(PciError::Taken(address)),
            Some(address) => address,
            None => PciAddress::candidates()
                .find(|candidate| !slots.functions.keys().any(|taken| taken.slot() == candidate.slot()))
                .ok_or(PciError::Full)?,
        };
        let mut taken = slots.taken();
        let mut assigned = [0; BARS];
        for (bar, assigned) in assigned.iter_mut().enumerate() {
            let size = lock(&function).config().bar_size(bar);
            if size == 0 {
                continue;
            }
            let (wanted, no_memory) = (u64::from(size), PciError::NoMemory { address, size });
            let base = first_fit(&self.window, &taken, wanted).ok_or(no_memory)?;
            let at = taken.partition_point(|range| range.start < base);
            taken.insert(at, base..base + wanted);
            *assigned = base as u32;
        }
        let mut slot = Slot::new(function, assigned);
        slot.assign_bars();
        self.map(&mut slot);
        slots.functions.insert(address, slot);
        Ok(address)
    }

    /// Takes a function off the bus while the guest runs: its configuration space and BARs answer no more. None when
    /// there is none. The host bridge stays.
    pub fn detach(&self, address: PciAddress) -> Option<Arc<Mutex<dyn PciFunction>>> {
        if address == PciAddress::HOST_BRIDGE {
            return None;
        }
        let mut slots = self.slots();
        let mut slot = slots.functions.remove(&address)?;
        let mapped: Vec<usize> = (0..BARS).filter(|bar| slot.mapped[*bar].is_some()).collect();
        self.unmap(&mut slot);
        mapped.into_iter().for_each(|bar| lock(&slot.function).bar_moved(bar, None));
        Some(slot.function)
    }

    /// Whether any function is in a slot.
    pub fn has_slot(&self, number: u8) -> bool {
        self.slots().functions.keys().any(|address| address.slot() == number)
    }

    /// Resets the machine's functions and puts their BARs back where they were at power-on.
    pub fn reset(&self) {
        let mut slots = self.slots();
        for slot in slots.functions.values_mut() {
            lock(&slot.function).reset();
            self.unmap(slot);
            slot.assign_bars();
        }
        slots.functions.values_mut().for_each(|slot| self.map(slot));
    }

    /// Configuration space of the host bridge, to be saved. The other functions save their own.
    pub fn bridge(&self) -> ConfigState {
        self.with_bridge(|config| config.state())
    }

    /// Loads what the host bridge was saved as.
    pub fn restore_bridge(&self, state: &ConfigState) -> Result<(), ConfigStateError> {
        self.with_bridge(|config| config.restore(state))
    }

    fn with_bridge<T>(&self, what: impl FnOnce(&mut ConfigSpace) -> T) -> T {
        let slots = self.slots();
        let bridge =
            slots.functions.get(&PciAddress::HOST_BRIDGE).expect("the host bridge is never detached");
        what(lock(&bridge.function).config_mut())
    }

    /// Brings the memory bus in line with the BARs of all functions, after configuration space was restored. All of them leave
    /// their places before the first takes its own: they may have changed places.
    pub fn remap(&self) {
        let mut slots = self.slots();
        for slot in slots.functions.values_mut() {
            let mapped: Vec<usize> = (0..BARS).filter(|bar| slot.mapped[*bar].is_some()).collect();
            self.unmap(slot);
            mapped.into_iter().for_each(|bar| lock(&slot.function).bar_moved(bar, None));
        }
        slots.functions.values_mut().for_each(|slot| self.map(slot));
    }

    fn read_config(&self, address: PciAddress, offset: usize, data: &mut [u8]) {
        let slots = self.slots();
        let Some(slot) = slots.functions.get(&address) else {
            data.fill(0xff);
            return;
        };
        if offset >= CONFIG_SIZE {
            data.fill(0);
            return;
        }
        lock(&slot.function).read_config(offset, data);
        let more = slots.functions.keys().any(|other| other.slot() == address.slot() && *other != address);
        if more && let Some(byte) = HEADER_TYPE.checked_sub(offset).and_then(|at| data.get_mut(at)) {
            *byte |= MULTI_FUNCTION;
        }
    }

    fn write_config(&self, address: PciAddress, offset: usize, data: &[u8]) {
        if let Some(slot) = self.slots().functions.get_mut(&address)
            && offset < CONFIG_SIZE
        {
            lock(&slot.function).write_config(offset, data);
            self.map(slot);
        }
    }

    /// Moves BARs to where the guest put them. One that left the window or overlaps something answers nowhere.
    fn map(&self, slot: &mut Slot) {
        let mut function = lock(&slot.function);
        for (bar, mapped) in slot.mapped.iter_mut().enumerate() {
            let wanted = function
                .config()
                .decoded_bar(bar)
                .filter(|range| range.start >= self.window.start && range.end <= self.window.end);
            let base = wanted.as_ref().map(|range| range.start);
            if base == *mapped {
                continue;
            }
            if let Some(old) = mapped.take() {
                self.memory_bus.remove(old);
            }
            if let Some(range) = wanted {
                let device = Arc::new(Bar { function: Arc::clone(&slot.function), bar });
                if self.memory_bus.insert(range.start, range.end - range.start, device).is_ok() {
                    *mapped = Some(range.start);
                }
            }
            function.bar_moved(bar, *mapped);
        }
    }

    /// Takes all BARs of a function off the bus, without telling the function.
    fn unmap(&self, slot: &mut Slot) {
        for base in slot.mapped.iter_mut().filter_map(Option::take) {
            self.memory_bus.remove(base);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<'a>(function: &'a Arc<Mutex<dyn PciFunction>>) -> MutexGuard<'a, dyn PciFunction + 'static> {
    function.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One BAR on the memory bus.
struct Bar {
    function: Arc<Mutex<dyn PciFunction>>,
    bar: usize,
}

impl BusDevice for Bar {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(&self.function).read_bar(self.bar, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        lock(&self.function).write_bar(self.bar, offset, data);
    }
}

/// The memory-mapped configuration mechanism (PCI Express ECAM) of bus 0: 1 MiB.
pub struct Ecam(Arc<RootComplex>);

impl Ecam {
    /// ECAM of `root`, to be put on the memory bus.
    pub fn new(root: Arc<RootComplex>) -> Self {
        Self(root)
    }
}

impl BusDevice for Ecam {
    fn read(&self, offset: u64, data: &mut [u8]) {
        match ecam_target(offset) {
            Some((address, register)) => self.0.read_config(address, register, data),
            None => data.fill(0xff),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if let Some((address, register)) = ecam_target(offset) {
            self.0.write_config(address, register, data);
        }
    }
}

fn ecam_target(offset: u64) -> Option<(PciAddress, usize)> {
    let devfn = u8::try_from(offset / ECAM_FUNCTION_SIZE).ok()?;
    Some((PciAddress::from_devfn(devfn), (offset % ECAM_FUNCTION_SIZE) as usize))
}

/// The port-mapped configuration mechanism: address at 0xcf8, data at 0xcfc to 0xcff. Eight ports from 0xcf8.
pub struct ConfigPorts {
    root: Arc<RootComplex>,
    address: Mutex<u32>,
}

/// Offset of the data register from 0xcf8.
const DATA: u64 = 4;
const ADDRESS_ENABLE: u32 = 1 << 31;

impl ConfigPorts {
    /// Configuration ports of `root`, to be put on the port bus at 0xcf8.
    pub fn new(root: Arc<RootComplex>) -> Self {
        Self { root, address: Mutex::new(0) }
    }

    /// What to save.
    pub fn address(&self) -> u32 {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads what was saved.
    pub fn set_address(&self, address: u32) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Function and register a data access means, None when the address register points nowhere.
    fn target(&self, offset: u64) -> Option<(PciAddress, usize)> {
        let address = self.address();
        let bus = address >> 16 & 0xff;
        if address & ADDRESS_ENABLE == 0 || bus != 0 {
            return None;
        }
        let register = (address & 0xfc) as usize + offset.checked_sub(DATA)? as usize;
        Some((PciAddress::from_devfn((address >> 8) as u8), register))
    }
}

impl BusDevice for ConfigPorts {
    fn read(&self, offset: u64, data: &mut [u8]) {
        if offset == 0 && data.len() == 4 {
            let address = self.address();
            data.copy_from_slice(&address.to_le_bytes());
        } else if let Some((address, register)) = self.target(offset) {
            self.root.read_config(address, register, data);
        } else {
            data.fill(0xff);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if offset == 0
            && let Ok(bytes) = data.try_into()
        {
            self.set_address(u32::from_le_bytes(bytes));
        } else if let Some((address, register)) = self.target(offset) {
            self.root.write_config(address, register, data);
        }
    }
}

#[cfg(test)]
#[path = "root_tests.rs"]
pub(super) mod tests;
