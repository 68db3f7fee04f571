//! A guest's memory and the registers of its vCPUs as an ELF core (guide 14.5.22), as crash(8) and debuggers read it.
//!
//! ```text
//!   0       ELF header and program headers: PT_NOTE, then PT_LOAD for each range of RAM, by its guest-physical address
//!           notes: NT_PRSTATUS of each vCPU, then the control registers of each
//!   page    RAM, one range after the other; what is zero may be a hole of the file
//! ```
//!
//! The guest may run meanwhile: memory is copied before it is looked at.

mod elf;
mod notes;

use std::fs::File;
use std::os::unix::fs::FileExt;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use crate::hypervisor::VcpuRegisters;
use crate::memory::Memory;
use crate::state::{BLOCK, Progress, StateError, block, runs};

/// Writes a core to a file, from its start.
pub fn write_core(
    file: &File,
    vcpus: &[VcpuRegisters],
    memory: &Memory,
    progress: &Progress,
) -> Result<(), StateError> {
    let ranges: Vec<_> = memory.iter().map(|region| (region.start_addr().0, region.len())).collect();
    let head = elf::head(&ranges, &notes::notes(vcpus));
    let mut buffer = block();
    let mut at = 0;
    for piece in head.chunks(BLOCK) {
        let block = &mut buffer.bytes()[..piece.len()];
        block.copy_from_slice(piece);
        file.write_all_at(block, at).map_err(StateError::Write)?;
        at += piece.len() as u64;
    }
    let last = ranges.len().saturating_sub(1);
    for (number, (start, length)) in ranges.into_iter().enumerate() {
        for offset in (0..length).step_by(BLOCK) {
            let count = (length - offset).min(BLOCK as u64) as usize;
            let block = &mut buffer.bytes()[..count];
            let lost = |error| StateError::Write(std::io::Error::other(error));
            memory.read_slice(block, GuestAddress(start + offset)).map_err(lost)?;
            for run in runs(block) {
                let place = at + offset + run.start as u64;
                file.write_all_at(&block[run.clone()], place).map_err(StateError::Write)?;
                progress.add_data(run.len());
            }
            if number == last && offset + count as u64 == length {
                // The file must not end before its last page, be that zero.
                let page = count - elf::PAGE as usize;
                file.write_all_at(&block[page..], at + offset + page as u64).map_err(StateError::Write)?;
            }
            progress.advance(count)?;
        }
        at += length;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
