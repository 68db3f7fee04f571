//! The file without a guest: a thread for each request that may be on its way, past the page cache.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{DEPTH, Done, Load, MS, RUNS, SIZE};

const ALIGNMENT: usize = 4096;
const PIECE: usize = 1 << 20;

/// Writes the disk full, so that every block of it is allocated.
pub fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    let mut word = 1_u64;
    let mut piece = vec![0_u8; PIECE];
    for _ in 0..SIZE / PIECE as u64 {
        for place in piece.as_chunks_mut::<8>().0 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *place = word.to_le_bytes();
        }
        file.write_all(&piece)?;
    }
    Ok(file.sync_all()?)
}

/// The load by threads of this process.
pub fn run(path: &Path, load: Load) -> Result<Vec<Done>> {
    let options = File::options().read(true).write(load.write).custom_flags(libc::O_DIRECT).open(path);
    let file = options.with_context(|| format!("{} can't be opened past the page cache", path.display()))?;
    (0..RUNS).map(|_| once(&file, load)).collect()
}

fn once(file: &File, load: Load) -> Result<Done> {
    let (next, requests) = (AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads = (0..DEPTH).map(|_| scope.spawn(|| work(file, load, begun, &next, &requests)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("threads of the bench do not panic"))
    })?;
    Ok(Done { requests: requests.into_inner(), time: begun.elapsed() })
}

fn work(file: &File, load: Load, begun: Instant, next: &AtomicU64, requests: &AtomicU64) -> Result<()> {
    let mut storage = vec![0x5a_u8; load.bytes + ALIGNMENT];
    let start = storage.as_ptr().align_offset(ALIGNMENT);
    let data = &mut storage[start..][..load.bytes];
    let blocks = SIZE / load.bytes as u64;
    while begun.elapsed() < Duration::from_millis(MS) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        // A multiplication spreads the numbers over the disk.
        let number = if load.random { number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16 } else { number };
        let offset = number % blocks * load.bytes as u64;
        if load.write {
            file.write_all_at(data, offset)?
        } else {
            file.read_exact_at(data, offset)?
        };
        requests.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
