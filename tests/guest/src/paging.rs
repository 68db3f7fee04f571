//! Identity mapping above the 4 GiB that the static tables cover, one page directory a GiB, made when asked for.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::ring0;

const GIB: u64 = 1 << 30;
const LARGE_PAGE: u64 = 2 << 20;
const ENTRIES: usize = 512;
/// Present, writable, open to level 3.
const TABLE: u64 = 0x07;
const LARGE: u64 = 0x87;
/// How many GiB can be added.
const SPARE: usize = 24;

#[repr(C, align(4096))]
struct Table([u64; ENTRIES]);

unsafe extern "C" {
    static mut page_directory_pointers: [u64; ENTRIES];
}

static mut SPARE_TABLES: [Table; SPARE] = [const { Table([0; ENTRIES]) }; SPARE];
static USED: AtomicUsize = AtomicUsize::new(0);

/// Makes the range accessible at its own address; false if there is no table left or it lies beyond 512 GiB.
pub fn map(start: u64, bytes: u64) -> bool {
    let last = start + bytes.max(1) - 1;
    (start / GIB..=last / GIB).all(map_gib)
}

fn map_gib(gib: u64) -> bool {
    if gib as usize >= ENTRIES {
        return false;
    }
    // SAFETY: the boot CPU alone changes page tables, and an entry only goes from absent to present.
    unsafe {
        let slot = (&raw mut page_directory_pointers).cast::<u64>().add(gib as usize);
        if slot.read_volatile() != 0 {
            return true;
        }
        let used = USED.fetch_add(1, Ordering::Relaxed);
        if used >= SPARE {
            return false;
        }
        let table = (&raw mut SPARE_TABLES).cast::<u64>().add(used * ENTRIES);
        for entry in 0..ENTRIES {
            table.add(entry).write_volatile((gib * GIB + entry as u64 * LARGE_PAGE) | LARGE);
        }
        slot.write_volatile(table as u64 | TABLE);
    }
    ring0::reload_page_map();
    true
}
