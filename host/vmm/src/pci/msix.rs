//! MSI-X: the table and pending bits in a BAR, the capability in configuration space, and masking.
//!
//! A vector that fires while it is masked (by its own bit, by the function's, or because MSI-X is off) is remembered in
//! the pending bits and fires when the mask goes. Routes are given to the machine only when a vector could fire with
//! them, so a guest that programs a table entry field by field costs one update.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Capability id.
pub const CAPABILITY_ID: u8 = 0x11;
/// Offset of the message control word in the capability.
pub const CONTROL: usize = 2;
/// Most vectors a table here has; table and pending bits share one page.
pub const MAX_VECTORS: usize = 128;
/// Offset of the pending bits in the BAR page; the table starts at zero.
pub const PBA_OFFSET: u32 = 0x800;

const CONTROL_ENABLE: u16 = 1 << 15;
const CONTROL_MASK_ALL: u16 = 1 << 14;
const ENTRY_SIZE: usize = 16;
const ENTRY_MASKED: u32 = 1;

/// What a vector writes where when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiMessage {
    /// Address of the write: names the local APIC.
    pub address: u64,
    /// Data of the write: names vector and delivery mode.
    pub data: u32,
}

/// One interrupt line of the machine that delivers a message.
pub trait MsiLine: Send + Sync {
    /// From now on the line delivers `message`.
    fn route(&self, message: MsiMessage) -> io::Result<()>;

    /// Delivers the message. Called from device threads; never blocks.
    fn raise(&self);
}

/// Where lines come from: the machine.
pub trait MsiLines {
    /// A new line, without a route.
    fn create(&self) -> io::Result<Box<dyn MsiLine>>;
}

/// One table entry, as saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryState {
    /// Message address.
    pub address: u64,
    /// Message data.
    pub data: u32,
    /// Vector control; bit 0 masks.
    pub control: u32,
    /// Fired while masked.
    pub pending: bool,
}

impl EntryState {
    /// An entry after power-on.
    const RESET: Self = Self { address: 0, data: 0, control: ENTRY_MASKED, pending: false };
}

/// MSI-X as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MsixState {
    /// The table with pending bits, in order of vectors.
    pub entries: Vec<EntryState>,
    /// Message control word.
    pub control: u16,
}

/// Saved MSI-X state has another number of vectors than the device.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("saved MSI-X table has {found} vectors instead of {expected}")]
pub struct MsixStateError {
    /// Vectors of the device.
    pub expected: usize,
    /// Vectors in the saved state.
    pub found: usize,
}

struct Vector {
    entry: EntryState,
    line: Box<dyn MsiLine>,
    routed: Option<MsiMessage>,
}

struct Table {
    vectors: Vec<Vector>,
    control: u16,
}

/// MSI-X of one function, shared by the vCPU threads that program it and the device threads that raise vectors.
pub struct Msix {
    table: Mutex<Table>,
}

impl Msix {
    /// A table of `count` masked vectors, each with a line of its own.
    pub fn new(count: usize, lines: &dyn MsiLines) -> io::Result<Self> {
        assert!((1..=MAX_VECTORS).contains(&count), "a device has between 1 and 128 vectors");
        let vectors = (0..count)
            .map(|_| lines.create().map(|line| Vector { entry: EntryState::RESET, line, routed: None }))
            .collect::<io::Result<_>>()?;
        Ok(Self { table: Mutex::new(Table { vectors, control: 0 }) })
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.lock().vectors.len()
    }

    /// False: there is always at least one vector.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Body of the capability (what follows id and next pointer) for a table in `bar`.
    pub fn capability(&self, bar: u8) -> [u8; 10] {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&(self.len() as u16 - 1).to_le_bytes());
        body[2..6].copy_from_slice(&u32::from(bar).to_le_bytes());
        body[6..].copy_from_slice(&(PBA_OFFSET | u32::from(bar)).to_le_bytes());
        body
    }

    /// Bits of the message control word the guest may write.
    pub fn control_mask() -> [u8; 2] {
        (CONTROL_ENABLE | CONTROL_MASK_ALL).to_le_bytes()
    }

    /// The guest wrote the message control word.
    pub fn set_control(&self, control: u16) {
        let mut table = self.lock();
        let control = control & (CONTROL_ENABLE | CONTROL_MASK_ALL);
        if table.control != control {
            table.control = control;
            for vector in 0..table.vectors.len() {
                table.settle(vector);
            }
        }
    }

    /// Fires a vector, or remembers it while it is masked. A vector that does not exist is ignored.
    pub fn raise(&self, vector: u16) {
        let mut table = self.lock();
        if let Some(target) = table.vectors.get_mut(usize::from(vector)) {
            target.entry.pending = true;
            table.settle(usize::from(vector));
        }
    }

    /// Reads table or pending bits; `offset` is from the start of the BAR.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        let table = self.lock();
        for (byte, at) in data.iter_mut().zip(offset..) {
            *byte = table.byte(at);
        }
    }

    /// Writes the table. The specification allows aligned four- and eight-byte accesses; others are dropped, as are
    /// writes to the pending bits.
    pub fn write(&self, offset: u64, data: &[u8]) {
        if !matches!(data.len(), 4 | 8) || !offset.is_multiple_of(data.len() as u64) {
            return;
        }
        let mut table = self.lock();
        for (field, bytes) in (offset as usize / 4..).zip(data.chunks_exact(4)) {
            let value = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let index = field * 4 / ENTRY_SIZE;
            let Some(vector) = table.vectors.get_mut(index) else { return };
            let entry = &mut vector.entry;
            match field % 4 {
                0 => entry.address = entry.address & !0xffff_ffff | u64::from(value & !3),
                1 => entry.address = entry.address & 0xffff_ffff | u64::from(value) << 32,
                2 => entry.data = value,
                _ => entry.control = value & ENTRY_MASKED,
            }
            table.settle(index);
        }
    }

    /// Back to what it was at power-on: off, every vector masked.
    pub fn reset(&self) {
        let mut table = self.lock();
        table.control = 0;
        table.vectors.iter_mut().for_each(|vector| vector.entry = EntryState::RESET);
    }

    /// What to save.
    pub fn state(&self) -> MsixState {
        let table = self.lock();
        MsixState {
            entries: table.vectors.iter().map(|vector| vector.entry).collect(),
            control: table.control,
        }
    }

    /// Loads saved state and fires what is pending and no longer masked.
    pub fn restore(&self, state: &MsixState) -> Result<(), MsixStateError> {
        let mut table = self.lock();
        if state.entries.len() != table.vectors.len() {
            return Err(MsixStateError { expected: table.vectors.len(), found: state.entries.len() });
        }
        table.control = state.control & (CONTROL_ENABLE | CONTROL_MASK_ALL);
        for (index, entry) in state.entries.iter().enumerate() {
            table.vectors[index].entry = EntryState { control: entry.control & ENTRY_MASKED, ..*entry };
            table.settle(index);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Gives an unmasked vector its route and fires it if it is pending. A vector whose route the machine refuses
    /// stays pending.
    fn settle(&mut self, index: usize) {
        let open = self.control & (CONTROL_ENABLE | CONTROL_MASK_ALL) == CONTROL_ENABLE;
        let vector = &mut self.vectors[index];
        if !open || vector.entry.control & ENTRY_MASKED != 0 {
            return;
        }
        let message = MsiMessage { address: vector.entry.address, data: vector.entry.data };
        if vector.routed != Some(message) {
            vector.routed = vector.line.route(message).is_ok().then_some(message);
        }
        if vector.entry.pending && vector.routed.is_some() {
            vector.entry.pending = false;
            vector.line.raise();
        }
    }

    fn byte(&self, offset: u64) -> u8 {
        let offset = offset as usize;
        if let Some(pending) = offset.checked_sub(PBA_OFFSET as usize) {
            let bits = self.vectors.iter().skip(pending * 8).take(8);
            return bits
                .enumerate()
                .fold(0, |byte, (bit, vector)| byte | u8::from(vector.entry.pending) << bit);
        }
        let Some(vector) = self.vectors.get(offset / ENTRY_SIZE) else { return 0 };
        let entry = &vector.entry;
        let word = match offset % ENTRY_SIZE / 4 {
            0 => entry.address as u32,
            1 => (entry.address >> 32) as u32,
            2 => entry.data,
            _ => entry.control,
        };
        word.to_le_bytes()[offset % 4]
    }
}

#[cfg(test)]
#[path = "msix_tests.rs"]
pub(crate) mod tests;
