//! The allocator of a policy: a small arena inside the module's own memory, then the system's allocator.
//!
//! Every call of a policy is a fresh instance, so what it allocates is gone a few microseconds later anyway. Growing the memory,
//! which the system's allocator begins with, costs the host more than the whole decision: two changes of page protection and a
//! fault for every new page. The first 128 KiB therefore come from a static arena and are never given back, except for the
//! newest block, which may grow, shrink and go (the way strings and vectors behave). Whoever needs more, and an instance that
//! lives long, gets it from the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;

const ARENA: usize = 128 * 1024;

/// The arena and how much of it is used.
pub struct Arena {
    bytes: UnsafeCell<[u8; ARENA]>,
    used: UnsafeCell<usize>,
}

// SAFETY: a policy has one thread; the allocator is installed on wasm32 only, without the threads proposal.
unsafe impl Sync for Arena {}

impl Arena {
    /// An empty arena; all zero, so it takes no room in the module.
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; ARENA]), used: UnsafeCell::new(0) }
    }

    fn start(&self) -> usize {
        self.bytes.get() as usize
    }

    /// Where a block lies in the arena; none for a block of the system's allocator.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        (block as usize).checked_sub(self.start()).filter(|offset| *offset < ARENA)
    }

    /// True when nothing was allocated after this block.
    fn is_newest(&self, offset: usize, size: usize) -> bool {
        // SAFETY: one thread, and no reference to `used` outlives an expression.
        offset + size == unsafe { *self.used.get() }
    }

    fn set_used(&self, used: usize) {
        // SAFETY: as above.
        unsafe { *self.used.get() = used };
    }
}

// SAFETY: blocks of the arena are disjoint, aligned and stay valid for ever; all others are the system's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `is_newest`.
        let used = unsafe { *self.used.get() };
        let address = (self.start() + used).next_multiple_of(layout.align());
        let offset = address - self.start();
        if ARENA.checked_sub(offset).is_some_and(|room| room >= layout.size()) {
            self.set_used(offset + layout.size());
            return self.bytes.get().cast::<u8>().wrapping_add(offset);
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(offset) if self.is_newest(offset, layout.size()) => self.set_used(offset),
            Some(_) => {}
            // SAFETY: not of the arena, so the system made it.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(offset) = self.offset(block) else {
            // SAFETY: not of the arena, so the system made it.
            return unsafe { System.realloc(block, layout, new_size) };
        };
        if self.is_newest(offset, layout.size()) && new_size <= ARENA - offset {
            self.set_used(offset + new_size);
            return block;
        }
        // SAFETY: the caller promises a size that is valid for the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: a new block, disjoint from the old one, and both hold what is copied.
        unsafe {
            let new_block = self.alloc(new_layout);
            if !new_block.is_null() {
                new_block.copy_from_nonoverlapping(block, layout.size().min(new_size));
            }
            new_block
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    #[test]
    fn the_newest_block_grows_in_place_and_an_older_one_moves() {
        let arena = Box::new(Arena::new());
        // SAFETY: every block is used within its layout.
        unsafe {
            let first = arena.alloc(layout(10, 1));
            first.write_bytes(7, 10);
            assert_eq!(arena.realloc(first, layout(10, 1), 20), first);
            let second = arena.alloc(layout(8, 8));
            assert_eq!(second as usize % 8, 0);
            let moved = arena.realloc(first, layout(20, 1), 30);
            assert_ne!(moved, first);
            assert_eq!(*moved.add(9), 7, "the contents move along");
            arena.dealloc(moved, layout(30, 1));
            assert_eq!(arena.alloc(layout(1, 1)), moved, "room of the newest block is used again");
        }
    }

    #[test]
    fn what_does_not_fit_is_the_systems() {
        let arena = Box::new(Arena::new());
        // SAFETY: every block is used within its layout.
        unsafe {
            let small = arena.alloc(layout(ARENA - 8, 1));
            let large = arena.alloc(layout(64, 1));
            assert!(arena.offset(small).is_some() && arena.offset(large).is_none());
            let larger = arena.realloc(large, layout(64, 1), 4096);
            arena.dealloc(larger, layout(4096, 1));
            let moved = arena.realloc(small, layout(ARENA - 8, 1), ARENA + 1);
            assert!(arena.offset(moved).is_none());
            arena.dealloc(moved, layout(ARENA + 1, 1));
        }
    }
}
