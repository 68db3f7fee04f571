//! A descriptor chain after every address and length in it was checked.

use virtio_queue::DescriptorChain;
use vm_memory::bitmap::Bitmap;
use vm_memory::{Bytes, GuestAddress, GuestMemory, Permissions};

use super::Memory;

/// Most bytes one chain may hold. More than any driver asks for, and small enough to be added up in 32 bits.
pub const MAX_CHAIN_BYTES: u64 = 1 << 30;

/// Why a descriptor chain breaks the rules (virtio 1.2, 2.7).
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum ChainError {
    /// The chain has no end, or its next descriptor or indirect table cannot be read.
    #[error("descriptor chain {0} is cut off or loops")]
    Unterminated(u16),
    /// A descriptor has no length.
    #[error("descriptor chain {0} has an empty descriptor")]
    Empty(u16),
    /// A buffer is not guest memory.
    #[error("descriptor chain {head} names {length} bytes at {address:#x}, which is not guest memory")]
    OutOfRange {
        /// Head of the chain.
        head: u16,
        /// Start of the buffer.
        address: u64,
        /// Length of the buffer.
        length: u32,
    },
    /// A device-readable descriptor follows a device-writable one.
    #[error("descriptor chain {0} has a readable descriptor after a writable one")]
    Order(u16),
    /// The buffers add up to more than [`MAX_CHAIN_BYTES`].
    #[error("descriptor chain {0} holds more than 1 GiB")]
    TooLong(u16),
}

/// Buffers of one direction, in order; consumed from the front. Every one is guest memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    parts: Vec<(GuestAddress, u32)>,
    /// Parts before this one are used up.
    first: usize,
    length: u32,
}

/// One request of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Index of the first descriptor; names the chain in the used ring.
    pub head: u16,
    /// What the device reads.
    pub readable: Segments,
    /// What the device writes.
    pub writable: Segments,
}

impl Chain {
    /// Walks the descriptors of `raw` and checks each.
    pub fn parse(raw: DescriptorChain<&Memory>, memory: &Memory) -> Result<Self, ChainError> {
        let head = raw.head_index();
        let mut chain = Self { head, readable: Segments::default(), writable: Segments::default() };
        let mut ended = false;
        let mut total = 0u64;
        for descriptor in raw {
            let (address, length) = (descriptor.addr(), descriptor.len());
            ended = !descriptor.has_next();
            total += u64::from(length);
            if length == 0 {
                return Err(ChainError::Empty(head));
            }
            if total > MAX_CHAIN_BYTES {
                return Err(ChainError::TooLong(head));
            }
            let access = if descriptor.is_write_only() { Permissions::Write } else { Permissions::Read };
            if !GuestMemory::check_range(memory, address, length as usize, access) {
                return Err(ChainError::OutOfRange { head, address: address.0, length });
            }
            if descriptor.is_write_only() {
                chain.writable.push(address, length);
            } else if chain.writable.is_empty() {
                chain.readable.push(address, length);
            } else {
                return Err(ChainError::Order(head));
            }
        }
        if ended { Ok(chain) } else { Err(ChainError::Unterminated(head)) }
    }
}

impl Segments {
    fn push(&mut self, address: GuestAddress, length: u32) {
        self.parts.push((address, length));
        self.length += length;
    }

    /// Bytes left.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The buffers that are left.
    pub fn parts(&self) -> &[(GuestAddress, u32)] {
        &self.parts[self.first..]
    }

    /// Takes up to `length` bytes off the front.
    pub fn take(&mut self, length: u32) -> Self {
        let mut taken = Self::default();
        while taken.length < length
            && let Some((address, available)) = self.parts.get_mut(self.first)
        {
            let part = (length - taken.length).min(*available);
            taken.push(*address, part);
            self.length -= part;
            if part == *available {
                self.first += 1;
            } else {
                *address = GuestAddress(address.0 + u64::from(part));
                *available -= part;
            }
        }
        taken
    }

    /// Takes the last byte off the end and returns where it is.
    pub fn take_last_byte(&mut self) -> Option<GuestAddress> {
        if self.is_empty() {
            return None;
        }
        let (address, length) = self.parts.last_mut()?;
        *length -= 1;
        self.length -= 1;
        let last = GuestAddress(address.0 + u64::from(*length));
        if *length == 0 {
            self.parts.pop();
        }
        Some(last)
    }

    /// Copies from guest memory into `buffer` until one of both ends; returns the bytes copied.
    pub fn read(&mut self, memory: &Memory, buffer: &mut [u8]) -> usize {
        let wanted = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let mut done = 0;
        for (address, length) in self.take(wanted).parts() {
            let target = &mut buffer[done..done + *length as usize];
            memory.read_slice(target, *address).expect("segments were checked to be guest memory");
            done += target.len();
        }
        done
    }

    /// Copies `bytes` into guest memory until one of both ends; returns the bytes copied.
    pub fn write(&mut self, memory: &Memory, bytes: &[u8]) -> usize {
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut done = 0;
        for (address, length) in self.take(wanted).parts() {
            let source = &bytes[done..done + *length as usize];
            memory.write_slice(source, *address).expect("segments were checked to be guest memory");
            done += source.len();
        }
        done
    }

    /// Notes that the buffers that are left were written by way of [`iovecs`](Self::iovecs). After the write: noted
    /// before, the page could be sent in between.
    pub fn note_written(&self, memory: &Memory) {
        for (address, length) in self.parts() {
            let slices = GuestMemory::get_slices(memory, *address, *length as usize, Permissions::Write)
                .expect("segments were checked to be guest memory");
            for slice in slices {
                let slice = slice.expect("segments were checked to be guest memory");
                slice.bitmap().mark_dirty(0, slice.len());
            }
        }
    }

    /// The buffers that are left as host addresses. They are valid as long as `memory` (or a clone of it) lives.
    pub fn iovecs(&self, memory: &Memory) -> Vec<libc::iovec> {
        let mut iovecs = Vec::with_capacity(self.parts().len());
        for (address, length) in self.parts() {
            let slices = GuestMemory::get_slices(memory, *address, *length as usize, Permissions::ReadWrite)
                .expect("segments were checked to be guest memory");
            for slice in slices {
                let slice = slice.expect("segments were checked to be guest memory");
                iovecs.push(libc::iovec {
                    iov_base: slice.ptr_guard_mut().as_ptr().cast(),
                    iov_len: slice.len(),
                });
            }
        }
        iovecs
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
