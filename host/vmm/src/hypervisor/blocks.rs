//! Guest memory that comes and goes in blocks, each of which is a memory slot of its own: what the guest does not have is no memory
//! for its vCPUs.

use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvm_bindings::{KVM_MEM_LOG_DIRTY_PAGES, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;
use vm_memory::bitmap::Bitmap;
use vm_memory::mmap::GuestRegionMmap;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::{HypervisorError, Tried};
use crate::config::MemoryRegion;
use crate::layout::PAGE_SIZE;
use crate::memory::{self, DeviceWrites, Memory};

/// Why blocks stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// They are none of the region, or not all of them can change so.
    #[error("these blocks can't change so")]
    Invalid,
    /// The guest is being moved, which takes memory that stays.
    #[error("the guest is being moved")]
    Busy,
    /// The host refused it.
    #[error(transparent)]
    Host(#[from] HypervisorError),
}

/// The blocks of one region of guest memory.
pub struct MemoryBlocks {
    fd: Arc<VmFd>,
    /// Keeps the mapping alive.
    memory: Memory,
    region: MemoryRegion,
    first_slot: u32,
    state: Mutex<State>,
}

struct State {
    plugged: Vec<bool>,
    tracked: bool,
}

impl MemoryBlocks {
    /// Blocks of a region that is part of `memory`, none of them plugged.
    pub(super) fn new(fd: Arc<VmFd>, memory: Memory, region: MemoryRegion, first_slot: u32) -> Self {
        let state = State { plugged: vec![false; region.blocks() as usize], tracked: false };
        Self { fd, memory, region, first_slot, state: Mutex::new(state) }
    }

    /// Where it is.
    pub fn region(&self) -> MemoryRegion {
        self.region
    }

    /// Bytes that are plugged.
    pub fn plugged(&self) -> u64 {
        self.lock().plugged.iter().filter(|plugged| **plugged).count() as u64 * self.region.block
    }

    /// Runs of blocks that are plugged.
    pub fn runs(&self) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for (number, _) in (0..).zip(&self.lock().plugged).filter(|(_, plugged)| **plugged) {
            match runs.last_mut() {
                Some(last) if last.end == number => last.end += 1,
                _ => runs.push(number..number + 1),
            }
        }
        runs
    }

    /// How many of these blocks are plugged; none when they are not all of the region.
    pub fn count(&self, blocks: Range<u32>) -> Option<usize> {
        let state = self.lock();
        let blocks = state.plugged.get(blocks.start as usize..blocks.end as usize)?;
        Some(blocks.iter().filter(|plugged| **plugged).count())
    }

    /// Plugs blocks that are not, as long as no more than `limit` bytes are plugged then. All of them or none.
    pub fn plug(&self, blocks: Range<u32>, limit: u64) -> Result<bool, BlockError> {
        let mut state = self.changeable()?;
        let there = state.plugged.iter().filter(|plugged| **plugged).count() as u64;
        let wanted = state.plugged.get_mut(blocks.start as usize..blocks.end as usize);
        let wanted = wanted.filter(|wanted| !wanted.is_empty() && wanted.iter().all(|plugged| !plugged));
        let wanted = wanted.ok_or(BlockError::Invalid)?;
        if (there + wanted.len() as u64).saturating_mul(self.region.block) > limit {
            return Ok(false);
        }
        for number in blocks.clone() {
            if let Err(error) = self.set_slot(number, self.region.block, 0) {
                // What was plugged a moment ago can be taken again.
                (blocks.start..number).for_each(|number| drop(self.set_slot(number, 0, 0)));
                return Err(error.into());
            }
        }
        wanted.fill(true);
        Ok(true)
    }

    /// Unplugs blocks that all are plugged, and gives their memory back to the host.
    pub fn unplug(&self, blocks: Range<u32>) -> Result<(), BlockError> {
        let mut state = self.changeable()?;
        let wanted = state.plugged.get_mut(blocks.start as usize..blocks.end as usize);
        let wanted = wanted.filter(|wanted| !wanted.is_empty() && wanted.iter().all(|plugged| *plugged));
        let wanted = wanted.ok_or(BlockError::Invalid)?;
        for (number, plugged) in blocks.zip(wanted) {
            self.set_slot(number, 0, 0)?;
            self.free(number);
            *plugged = false;
        }
        Ok(())
    }

    /// Takes all blocks, whether somebody notes what is written or not. No vCPU runs.
    pub fn reset(&self) -> Result<(), HypervisorError> {
        let mut state = self.lock();
        for (number, plugged) in (0..).zip(&mut state.plugged).filter(|(_, plugged)| **plugged) {
            self.set_slot(number, 0, 0)?;
            self.free(number);
            *plugged = false;
        }
        Ok(())
    }

    /// Unplugs all blocks.
    pub fn unplug_all(&self) -> Result<(), BlockError> {
        self.runs().into_iter().try_for_each(|run| self.unplug(run))
    }

    /// Starts or stops noting which pages of plugged blocks are written. No block comes or goes meanwhile.
    pub(super) fn track(&self, on: bool) -> Result<(), HypervisorError> {
        let mut state = self.lock();
        state.tracked = on;
        if let Some((mapping, _)) = self.mapping(0) {
            mapping.deref().bitmap().track(on);
        }
        let flags = if on { KVM_MEM_LOG_DIRTY_PAGES } else { 0 };
        let plugged = (0..).zip(&state.plugged).filter(|(_, plugged)| **plugged);
        plugged
            .map(|(number, _)| number)
            .try_for_each(|number| self.set_slot(number, self.region.block, flags))
    }

    /// Pages that vCPUs have written, one bit a page of the whole region.
    pub(super) fn take_dirty(&self) -> Result<Vec<u64>, HypervisorError> {
        let state = self.lock();
        let words = self.region.block as usize / PAGE_SIZE as usize / u64::BITS as usize;
        let mut all = Vec::with_capacity(words * state.plugged.len());
        for (number, plugged) in (0..).zip(&state.plugged) {
            if *plugged {
                let slot = self.first_slot + number;
                let dirty = self.fd.get_dirty_log(slot, self.region.block as usize);
                all.extend(dirty.tried_to("list the pages the guest has written")?);
            } else {
                all.resize(all.len() + words, 0);
            }
        }
        if let Some((mapping, _)) = self.mapping(0) {
            mapping.deref().bitmap().take_into(&mut all);
        }
        Ok(all)
    }

    fn changeable(&self) -> Result<MutexGuard<'_, State>, BlockError> {
        let state = self.lock();
        if state.tracked { Err(BlockError::Busy) } else { Ok(state) }
    }

    /// Makes a block memory of the guest, or none with a size of 0.
    fn set_slot(&self, number: u32, size: u64, flags: u32) -> Result<(), HypervisorError> {
        let start = self.region.start + u64::from(number) * self.region.block;
        let Some((mapping, offset)) = self.mapping(number) else {
            return Err(HypervisorError::Missing("mapping for a block of memory"));
        };
        let slot = kvm_userspace_memory_region {
            slot: self.first_slot + number,
            flags,
            guest_phys_addr: start,
            memory_size: size,
            userspace_addr: mapping.as_ptr() as u64 + offset,
        };
        // SAFETY: the range is within a mapping that `self.memory` keeps alive as long as the VM's descriptor here, and blocks of a region
        // overlap neither each other nor RAM.
        unsafe { self.fd.set_user_memory_region(slot) }.tried_to("give the guest a block of memory")
    }

    /// Gives the memory of a block back to the host: it is all zero when it comes again.
    fn free(&self, number: u32) {
        let Some((mapping, offset)) = self.mapping(number) else { return };
        let start = self.region.start + offset;
        // What a host keeps all the same is the guest's own.
        let _ = memory::discard(&self.memory, &(start..start + self.region.block));
        mapping.bitmap().mark_dirty(offset as usize, self.region.block as usize);
    }

    fn mapping(&self, number: u32) -> Option<(&GuestRegionMmap<DeviceWrites>, u64)> {
        let mapping = self.memory.find_region(GuestAddress(self.region.start))?;
        let offset = u64::from(number) * self.region.block;
        (offset + self.region.block <= mapping.len()).then_some((mapping, offset))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
