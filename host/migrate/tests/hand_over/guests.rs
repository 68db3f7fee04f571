//! Guests that are memory, a state and who runs them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use reeve_migrate::{
    Begin, DiskShape, GuestError, Happened, LateMemory, MemoryMap, Missing, PAGE, Phase, Piece, RoundStats,
    SECTOR, SourceDisks, SourceGuest, SourcePages, TargetDisks, TargetGuest, TargetPages,
};

pub const STATE: &[u8] = b"registers of a guest";
/// Two ranges with a gap.
pub const RANGES: [Range<u64>; 2] = [0..24 * PAGE, 64 * PAGE..72 * PAGE];

pub fn map() -> MemoryMap {
    MemoryMap::new(RANGES.to_vec()).unwrap()
}

/// What the world knows of one guest: who runs it, and what the source has written down.
#[derive(Default)]
pub struct World {
    pub source_runs: AtomicBool,
    pub target_runs: AtomicBool,
    /// The source's journal: it has given the guest up.
    pub given_up: AtomicBool,
    /// Most sides that ran the guest at the same time.
    pub most_running: AtomicU32,
}

impl World {
    pub fn new() -> Arc<Self> {
        let world = Self::default();
        world.source_runs.store(true, Ordering::SeqCst);
        Arc::new(world)
    }

    pub fn set(&self, side: &AtomicBool, runs: bool) {
        side.store(runs, Ordering::SeqCst);
        let both = self.source_runs.load(Ordering::SeqCst) && self.target_runs.load(Ordering::SeqCst);
        self.most_running.fetch_max(1 + u32::from(both), Ordering::SeqCst);
    }
}

/// Memory of a guest, for the threads of all streams.
#[derive(Clone)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl SourcePages for Memory {
    fn read(&self, address: u64, pages: &mut [u8]) {
        let range = bytes_of(&(address..address + pages.len() as u64));
        pages.copy_from_slice(&self.lock()[range]);
    }
}

impl TargetPages for Memory {
    fn write(&self, address: u64, pages: &[u8]) {
        self.lock()[bytes_of(&(address..address + pages.len() as u64))].copy_from_slice(pages);
    }

    fn zero(&self, run: Range<u64>) {
        self.lock()[bytes_of(&run)].fill(0);
    }
}

/// A source whose guest writes some pages each time somebody looks.
pub struct Source {
    pub world: Arc<World>,
    pub memory: Memory,
    /// Pages that it writes between two looks, a list a look; the last one stays.
    pub writes: Vec<Vec<u64>>,
    dirty: Vec<u64>,
    looks: usize,
    pub throttled: u8,
    pub rounds: Vec<RoundStats>,
    pub fail: Option<&'static str>,
    /// Content of the disks that go along.
    pub disks: Vec<Vec<u8>>,
    /// Sectors that were written, of each disk.
    written: Vec<Vec<u64>>,
    /// What the guest wrote to disks so far.
    pub disk_writes: u64,
    /// How far they were, each time it was told.
    pub told: Vec<(u64, u64)>,
}

fn index(page: u64) -> usize {
    // Pages of the second range follow those of the first.
    (if page < 24 { page } else { page - 40 }) as usize * PAGE as usize
}

fn bytes_of(run: &Range<u64>) -> Range<usize> {
    let start = index(run.start / PAGE);
    start..start + (run.end - run.start) as usize
}

impl Source {
    pub fn new(world: &Arc<World>) -> Self {
        let mut memory = vec![0; map().bytes() as usize];
        // Every third page has something in it.
        for page in (0..memory.len() / PAGE as usize).step_by(3) {
            memory[page * PAGE as usize..][..100].fill(page as u8 + 1);
        }
        Self {
            world: Arc::clone(world),
            memory: Memory(Arc::new(Mutex::new(memory))),
            writes: vec![vec![1, 2, 65], vec![2], vec![3]],
            dirty: Vec::new(),
            looks: 0,
            throttled: 0,
            rounds: Vec::new(),
            fail: None,
            disks: Vec::new(),
            written: Vec::new(),
            disk_writes: 0,
            told: Vec::new(),
        }
    }

    /// With a disk of some content and one that is nearly empty.
    pub fn with_disks(self) -> Self {
        let mut full: Vec<u8> = (0..DISKS[0]).map(|at| (at / SECTOR * 7 % 251) as u8).collect();
        full[64 * 512..200 * 512].fill(0);
        let mut empty = vec![0; DISKS[1] as usize];
        empty[512..1024].fill(9);
        Self { disks: vec![full, empty], ..self }
    }

    /// The guest writes a sector of each disk, now and then with zeros.
    fn guest_writes_disks(&mut self) {
        if !self.world.source_runs.load(Ordering::SeqCst) {
            return;
        }
        for (disk, content) in self.disks.iter_mut().enumerate() {
            self.disk_writes += 1;
            let sector = self.disk_writes * 5 % (content.len() as u64 / SECTOR);
            let byte = if self.disk_writes.is_multiple_of(4) { 0 } else { self.disk_writes as u8 };
            content[(sector * SECTOR) as usize..][..SECTOR as usize].fill(byte);
            if let Some(written) = self.written.get_mut(disk) {
                written.push(sector);
            }
        }
    }

    fn guest_writes(&mut self) {
        if !self.world.source_runs.load(Ordering::SeqCst) {
            return;
        }
        let pages = self.writes.get(self.looks).or(self.writes.last()).cloned().unwrap_or_default();
        self.looks += 1;
        let mut memory = self.memory.lock();
        for page in pages {
            // Now and then a page becomes empty again.
            let byte = if self.looks.is_multiple_of(3) { 0 } else { self.looks as u8 };
            memory[index(page)..][..PAGE as usize].fill(byte);
            self.dirty.push(page);
        }
    }

    fn may(&self, what: &'static str) -> Result<(), GuestError> {
        if self.fail == Some(what) { Err(GuestError(format!("can't {what}"))) } else { Ok(()) }
    }
}

impl SourcePages for Source {
    fn read(&self, address: u64, pages: &mut [u8]) {
        self.memory.read(address, pages);
    }
}

impl SourceGuest for Source {
    fn memory(&self) -> MemoryMap {
        map()
    }

    fn track(&mut self) -> Result<(), GuestError> {
        self.may("track")
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, GuestError> {
        self.may("take dirty")?;
        self.guest_writes();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        Ok(dirty.into_iter().map(|page| page * PAGE..(page + 1) * PAGE).collect())
    }

    fn throttle(&mut self, percent: u8) {
        self.throttled = percent;
    }

    fn stop(&mut self) -> Result<(), GuestError> {
        self.guest_writes();
        self.guest_writes_disks();
        self.world.set(&self.world.source_runs, false);
        self.may("stop")
    }

    fn state(&mut self) -> Result<Vec<u8>, GuestError> {
        assert!(!self.world.source_runs.load(Ordering::SeqCst), "a state is of a guest that stands");
        self.may("save").map(|()| STATE.to_vec())
    }

    fn give_up(&mut self) -> Result<(), GuestError> {
        self.may("give up")?;
        self.world.given_up.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn keep(&mut self) {
        assert!(!self.world.given_up.load(Ordering::SeqCst), "it was given up");
        self.throttled = 0;
        self.world.set(&self.world.source_runs, true);
    }

    fn report(&mut self, phase: &Phase) {
        match phase {
            Phase::Round(stats) => self.rounds.push(*stats),
            Phase::Disks(stats) => self.told.push((stats.processed, stats.remaining)),
            Phase::Within(_) | Phase::Stopped | Phase::Ready { .. } | Phase::Late(_) => {}
        }
    }
}

impl SourceDisks for Source {
    fn disks(&self) -> Vec<DiskShape> {
        let shape = |(number, content): (usize, &Vec<u8>)| DiskShape {
            name: format!("disk{number}"),
            size: content.len() as u64,
        };
        self.disks.iter().enumerate().map(shape).collect()
    }

    fn track_disks(&mut self) -> Result<(), GuestError> {
        self.written = vec![Vec::new(); self.disks.len()];
        self.may("track disks")
    }

    fn take_written(&mut self) -> Result<Vec<Vec<Range<u64>>>, GuestError> {
        self.guest_writes_disks();
        let ranges = |mut sectors: Vec<u64>| {
            sectors.sort_unstable();
            sectors.dedup();
            sectors.into_iter().map(|sector| sector * SECTOR..(sector + 1) * SECTOR).collect()
        };
        Ok(self.written.iter_mut().map(std::mem::take).map(ranges).collect())
    }

    fn piece(&mut self, disk: usize, range: Range<u64>) -> Result<Piece, GuestError> {
        // The guest writes while it is read.
        if self.written[disk].len() < 4 {
            self.guest_writes_disks();
        }
        self.may("read disks")?;
        let content = &self.disks[disk][range.start as usize..range.end as usize];
        let zeros = content.iter().take_while(|byte| **byte == 0).count() as u64 / SECTOR * SECTOR;
        if zeros > 0 {
            return Ok(Piece::Zero(zeros));
        }
        Ok(Piece::Data(content[..content.len().min(16 << 10)].to_vec()))
    }
}

/// Bytes of the disks of a guest that has some.
pub const DISKS: [u64; 2] = [300 * SECTOR, 5 * SECTOR];

/// A destination.
pub struct Target {
    pub world: Arc<World>,
    pub memory: Memory,
    pub loaded: bool,
    pub fail: Option<&'static str>,
    pub missing: Missing,
    /// What is touched while it is loaded or begins to run, and then how that ended.
    happens: VecDeque<Happened>,
    /// Pages that somebody waits for.
    waits: Vec<u64>,
    /// Pages in the order in which they were placed.
    pub placed: Vec<u64>,
    pub is_whole: bool,
    /// Content of the disks that come, and what of it would last.
    pub disks: Vec<Vec<u8>>,
    pub synced: Vec<Vec<u8>>,
    pub settled: bool,
}

impl Target {
    pub fn new(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            memory: Memory(Arc::new(Mutex::new(vec![0; map().bytes() as usize]))),
            loaded: false,
            fail: None,
            missing: Missing::new(map()),
            happens: VecDeque::new(),
            waits: Vec::new(),
            placed: Vec::new(),
            is_whole: false,
            disks: Vec::new(),
            synced: Vec::new(),
            settled: false,
        }
    }

    /// Waits for the disks of [`Source::with_disks`], with something else in them.
    pub fn with_disks(self) -> Self {
        let disks = DISKS.map(|size| vec![0xdd; size as usize]);
        Self { disks: disks.to_vec(), ..self }
    }

    fn put(&mut self, run: &Range<u64>, bytes: Option<&[u8]>) {
        for page in run.clone().step_by(PAGE as usize) {
            assert!(self.missing.contains(page), "a page is placed once");
            self.placed.push(page / PAGE);
        }
        match bytes {
            Some(bytes) => self.memory.write(run.start, bytes),
            None => self.memory.zero(run.clone()),
        }
        self.missing.remove(run);
        self.waits.retain(|page| !run.contains(page));
    }
}

impl LateMemory for Target {
    fn miss(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        assert!(!self.loaded);
        // What was there is no more.
        self.memory.lock()[bytes_of(&run)].fill(0xee);
        self.missing.insert(&run);
        if self.fail == Some("miss") { Err(GuestError("can't miss".to_owned())) } else { Ok(()) }
    }

    fn missing(&self) -> &Missing {
        &self.missing
    }

    fn place(&mut self, address: u64, pages: &[u8]) -> Result<(), GuestError> {
        self.put(&(address..address + pages.len() as u64), Some(pages));
        Ok(())
    }

    fn place_zeros(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        self.put(&run, None);
        Ok(())
    }

    fn begin(&mut self, what: Begin) {
        let (touched, outcome) = match what {
            Begin::Load(state) => ([70, 2], self.load(&state)),
            Begin::Run => ([23, 66], self.run()),
        };
        self.happens.extend(touched.map(|page| Happened::Touched(page * PAGE)));
        self.happens.push_back(Happened::Ended(outcome));
    }

    fn happened(&mut self, _wait: bool) -> Option<Happened> {
        let front = self.happens.front()?;
        // Who waits for a page does not end before it has it.
        if matches!(front, Happened::Ended(_)) && !self.waits.is_empty() {
            return None;
        }
        if let Happened::Touched(page) = front
            && self.missing.contains(*page)
        {
            self.waits.push(*page);
        }
        self.happens.pop_front()
    }

    fn waited_for(&self) -> Vec<u64> {
        self.waits.clone()
    }

    fn abandon(&mut self) {
        assert!(!self.world.given_up.load(Ordering::SeqCst), "it is this side's");
        self.waits.clear();
    }

    fn whole(&mut self) {
        assert_eq!(self.missing.count(), 0);
        self.is_whole = true;
    }
}

impl TargetDisks for Target {
    fn disks(&self) -> Vec<DiskShape> {
        let shape = |(number, content): (usize, &Vec<u8>)| DiskShape {
            name: format!("disk{number}"),
            size: content.len() as u64,
        };
        self.disks.iter().enumerate().map(shape).collect()
    }

    fn write_disk(&mut self, disk: usize, offset: u64, bytes: &[u8]) -> Result<(), GuestError> {
        assert!(!self.settled && !self.loaded);
        if self.fail == Some("write disks") {
            return Err(GuestError("no space left".to_owned()));
        }
        self.disks[disk][offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn zero_disk(&mut self, disk: usize, range: Range<u64>) -> Result<(), GuestError> {
        assert!(!self.settled && !self.loaded);
        self.disks[disk][range.start as usize..range.end as usize].fill(0);
        Ok(())
    }

    fn sync_disks(&mut self) -> Result<(), GuestError> {
        self.synced = self.disks.clone();
        if self.fail == Some("sync disks") { Err(GuestError("i/o error".to_owned())) } else { Ok(()) }
    }

    fn settle_disks(&mut self) -> Result<(), GuestError> {
        self.settled = true;
        self.sync_disks()
    }
}

impl TargetPages for Target {
    fn write(&self, address: u64, pages: &[u8]) {
        assert!(!self.loaded);
        self.memory.write(address, pages);
    }

    fn zero(&self, run: Range<u64>) {
        self.memory.zero(run);
    }
}

impl TargetGuest for Target {
    fn memory(&self) -> MemoryMap {
        map()
    }

    fn load(&mut self, state: &[u8]) -> Result<(), GuestError> {
        if self.fail == Some("load") || state != STATE {
            return Err(GuestError("this is no state".to_owned()));
        }
        self.loaded = true;
        Ok(())
    }

    fn run(&mut self) -> Result<(), GuestError> {
        assert!(self.loaded && self.settled && self.disks == self.synced);
        assert!(self.world.given_up.load(Ordering::SeqCst), "it is not this side's");
        if self.fail == Some("run") {
            return Err(GuestError("its disks are in use".to_owned()));
        }
        self.world.set(&self.world.target_runs, true);
        Ok(())
    }
}
