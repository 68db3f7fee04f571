//! What another host sends: a source as the destination hears it, and a destination as the source does. Nothing is run that was not given up.
#![no_main]

use std::io::{self, Cursor, Read, Write};
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use reeve_migrate::{
    Begin, Capabilities, Controls, DiskShape, GuestError, Happened, LateMemory, Limits, MemoryMap, Missing,
    Offer, PAGE, Phase, Piece, PreCopy, Received, Sent, SourceDisks, SourceGuest, Subject, TargetDisks,
    TargetGuest, receive, receive_rest, send, send_rest,
};
use uuid::Uuid;

const PAGES: u64 = 16;
const DISK: usize = 64 << 10;

/// A peer that has said all of it already.
struct Peer<'a>(Cursor<&'a [u8]>);

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Guest {
    memory: Vec<u8>,
    loaded: bool,
    missing: Missing,
    ended: Option<Result<(), GuestError>>,
    /// A disk that goes along, where there is one.
    disk: Vec<u8>,
    settled: bool,
}

#[allow(clippy::single_range_in_vec_init, reason = "a list of one range")]
fn map() -> MemoryMap {
    MemoryMap::new(vec![0..PAGES * PAGE]).expect("whole pages")
}

impl Guest {
    fn shapes(&self) -> Vec<DiskShape> {
        let shape = DiskShape { name: "disk".to_owned(), size: DISK as u64 };
        if self.disk.is_empty() { Vec::new() } else { vec![shape] }
    }
}

impl TargetDisks for Guest {
    fn disks(&self) -> Vec<DiskShape> {
        self.shapes()
    }

    fn write_disk(&mut self, _disk: usize, offset: u64, bytes: &[u8]) -> Result<(), GuestError> {
        assert!(!self.settled);
        self.disk[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn zero_disk(&mut self, _disk: usize, range: Range<u64>) -> Result<(), GuestError> {
        assert!(!self.settled);
        self.disk[range.start as usize..range.end as usize].fill(0);
        Ok(())
    }

    fn sync_disks(&mut self) -> Result<(), GuestError> {
        Ok(())
    }

    fn settle_disks(&mut self) -> Result<(), GuestError> {
        self.settled = true;
        Ok(())
    }
}

impl SourceDisks for Guest {
    fn disks(&self) -> Vec<DiskShape> {
        self.shapes()
    }

    fn track_disks(&mut self) -> Result<(), GuestError> {
        Ok(())
    }

    fn take_written(&mut self) -> Result<Vec<Vec<Range<u64>>>, GuestError> {
        Ok(self.shapes().iter().map(|_| Vec::new()).collect())
    }

    fn piece(&mut self, _disk: usize, range: Range<u64>) -> Result<Piece, GuestError> {
        Ok(Piece::Data(self.disk[range.start as usize..][..512].to_vec()))
    }
}

impl TargetGuest for Guest {
    fn memory(&self) -> MemoryMap {
        map()
    }

    fn write(&mut self, address: u64, pages: &[u8]) {
        self.memory[address as usize..][..pages.len()].copy_from_slice(pages);
    }

    fn zero(&mut self, run: Range<u64>) {
        self.memory[run.start as usize..run.end as usize].fill(0);
    }

    fn load(&mut self, _state: &[u8]) -> Result<(), GuestError> {
        self.loaded = true;
        Ok(())
    }

    fn run(&mut self) -> Result<(), GuestError> {
        assert!(self.loaded && self.settled, "a guest runs when all of it is here");
        Ok(())
    }
}

impl LateMemory for Guest {
    fn miss(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        self.zero(run.clone());
        self.missing.insert(&run);
        Ok(())
    }

    fn missing(&self) -> &Missing {
        &self.missing
    }

    fn place(&mut self, address: u64, pages: &[u8]) -> Result<(), GuestError> {
        let run = address..address + pages.len() as u64;
        assert!(
            run.clone().step_by(PAGE as usize).all(|page| self.missing.contains(page)),
            "only what is missing"
        );
        self.write(address, pages);
        self.missing.remove(&run);
        Ok(())
    }

    fn place_zeros(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        assert!(
            run.clone().step_by(PAGE as usize).all(|page| self.missing.contains(page)),
            "only what is missing"
        );
        self.zero(run.clone());
        self.missing.remove(&run);
        Ok(())
    }

    fn begin(&mut self, what: Begin) {
        self.ended = Some(match what {
            Begin::Load(state) => self.load(&state),
            Begin::Run => self.run(),
        });
    }

    fn happened(&mut self, _wait: bool) -> Option<Happened> {
        self.ended.take().map(Happened::Ended)
    }

    fn waited_for(&self) -> Vec<u64> {
        vec![3 * PAGE]
    }

    fn abandon(&mut self) {}

    fn whole(&mut self) {
        assert_eq!(self.missing.count(), 0);
    }
}

impl SourceGuest for Guest {
    fn memory(&self) -> MemoryMap {
        map()
    }

    fn read(&self, address: u64, pages: &mut [u8]) {
        pages.copy_from_slice(&self.memory[address as usize..][..pages.len()]);
    }

    fn track(&mut self) -> Result<(), GuestError> {
        Ok(())
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, GuestError> {
        Ok(vec![PAGE..2 * PAGE])
    }

    fn throttle(&mut self, _percent: u8) {}

    fn stop(&mut self) -> Result<(), GuestError> {
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<u8>, GuestError> {
        self.loaded = true;
        Ok(vec![1; 100])
    }

    fn give_up(&mut self) -> Result<(), GuestError> {
        assert!(self.loaded, "a guest is given up when all of it was sent");
        Ok(())
    }

    fn keep(&mut self) {}

    fn report(&mut self, _phase: &Phase) {}
}

fuzz_target!(|bytes: &[u8]| {
    let guest = || Guest {
        memory: vec![1; (PAGES * PAGE) as usize],
        loaded: false,
        missing: Missing::new(map()),
        ended: None,
        disk: Vec::new(),
        settled: false,
    };
    let with_disk = || Guest { disk: vec![7; DISK], ..guest() };
    let peer = || Peer(Cursor::new(bytes));
    let migration = Uuid::nil();
    let mut target = guest();
    let received = receive(peer(), migration, Capabilities::OURS, &mut target);
    assert!(!matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.loaded);
    let mut target = with_disk();
    let received = receive(peer(), migration, Capabilities::OURS, &mut target);
    assert!(!matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.settled);
    let mut late = guest();
    // Its disks came before.
    late.settled = true;
    late.missing.insert(&(2 * PAGE..9 * PAGE));
    let received = receive_rest(peer(), migration, &mut late);
    assert_eq!(matches!(received, Received::Running), late.missing.count() == 0);
    let subject = Subject { name: "guest".to_owned(), memory: PAGES * PAGE };
    let offer = Offer { migration, capabilities: Capabilities::OURS, subject };
    let mut strategy = PreCopy::new(std::time::Duration::from_secs(60));
    let _ = send(peer(), &offer, &mut guest(), &mut strategy, &Controls::default());
    let _ = send(peer(), &offer, &mut with_disk(), &mut strategy, &Controls::default());
    let limits = Limits { post_copy: true, post_copy_after: Some(1), ..Limits::default() };
    let _ = send(peer(), &offer, &mut guest(), &mut strategy, &Controls::new(limits));
    assert!(!matches!(send_rest(peer(), &offer, &mut guest(), &Controls::default()), Sent::Unconfirmed(_)));
});
