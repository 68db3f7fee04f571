//! Allocator: blocks of powers of two from one region, each size with its own free list. And the four memory
//! functions that the compiler calls, which no C library provides here.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::cell::UnsafeCell;
use core::ptr::null_mut;

const BYTES: usize = 8 << 20;
const SMALLEST: u32 = 4;
const SIZES: usize = 20;

#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; BYTES]>);

// SAFETY: handed out block by block by `Heap`, which only the boot CPU uses.
unsafe impl Sync for Region {}

#[unsafe(link_section = ".uncleared")]
static REGION: Region = Region(UnsafeCell::new([0; BYTES]));

struct State {
    next: usize,
    free: [*mut u8; SIZES],
}

struct Heap(UnsafeCell<State>);

// SAFETY: the other CPUs allocate nothing (cpus.rs).
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { next: 0, free: [null_mut(); SIZES] }));

/// Index of the free list for a layout, and the size of its blocks.
fn size_class(layout: Layout) -> (usize, usize) {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST).next_power_of_two();
    ((bytes.trailing_zeros() - SMALLEST) as usize, bytes)
}

// SAFETY: blocks are disjoint, aligned to their size (the region to a page, the largest alignment asked for) and
// reused only after `dealloc`.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (class, bytes) = size_class(layout);
        // SAFETY: only the boot CPU is here, and not recursively.
        let state = unsafe { &mut *self.0.get() };
        let Some(list) = state.free.get_mut(class) else { return null_mut() };
        if !list.is_null() {
            let block = *list;
            // SAFETY: a free block's first word is the link to the next one.
            *list = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        let start = state.next.next_multiple_of(bytes.min(4096));
        if start + bytes > BYTES {
            return null_mut();
        }
        state.next = start + bytes;
        REGION.0.get().cast::<u8>().wrapping_add(start)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (class, _) = size_class(layout);
        // SAFETY: as in `alloc`; the block is at least a word and no longer used.
        unsafe {
            let list = &mut (&mut *self.0.get()).free[class];
            block.cast::<*mut u8>().write(*list);
            *list = block;
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(target: *mut u8, source: *const u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller promises two disjoint ranges.
    unsafe { asm!("rep movsb", inout("rcx") bytes => _, inout("rdi") target => _, inout("rsi") source => _) };
    target
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(target: *mut u8, source: *const u8, bytes: usize) -> *mut u8 {
    if (target as usize).wrapping_sub(source as usize) >= bytes {
        // SAFETY: copying upwards reads every byte before it is overwritten.
        return unsafe { memcpy(target, source, bytes) };
    }
    // SAFETY: the ranges overlap with the target above, so copy downwards.
    unsafe {
        asm!("std", "rep movsb", "cld",
            inout("rcx") bytes => _,
            inout("rdi") target.wrapping_add(bytes).wrapping_sub(1) => _,
            inout("rsi") source.wrapping_add(bytes).wrapping_sub(1) => _);
    }
    target
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(target: *mut u8, value: i32, bytes: usize) -> *mut u8 {
    // SAFETY: the caller promises the range.
    unsafe { asm!("rep stosb", inout("rcx") bytes => _, inout("rdi") target => _, in("al") value as u8) };
    target
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    for index in 0..bytes {
        // SAFETY: the caller promises both ranges.
        let (a, b) = unsafe { (left.add(index).read_volatile(), right.add(index).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, bytes) }
}
