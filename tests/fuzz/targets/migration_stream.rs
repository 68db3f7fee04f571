//! What another host sends: a source as the destination hears it, and a destination as the source does, in frames whose checksums are right. Nothing is
//! run that was not given up.
#![no_main]

use std::io::{self, Cursor, Read, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reeve_fuzz::frames::{Said, Shape, encode};
use reeve_migrate::{
    Begin, Capabilities, Controls, DiskShape, GuestError, Happened, LateMemory, Limits, MAX_STREAMS,
    MemoryMap, Missing, Offer, PAGE, Phase, Piece, PreCopy, ReceiveStreams, Received, SendStreams, Sent,
    SourceDisks, SourceGuest, SourcePages, Subject, TargetDisks, TargetGuest, TargetPages, receive,
    receive_rest, send, send_rest,
};
use uuid::Uuid;

const PAGES: u64 = 16;
const DISK: usize = 64 << 10;

/// What one peer says.
#[derive(Debug, Arbitrary)]
struct Conversation {
    first: Vec<Said>,
    /// Over a stream beside the first one.
    beside: Vec<Said>,
}

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

/// Memory for the threads of all streams.
#[derive(Clone)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn with<T>(&self, range: Range<usize>, what: impl FnOnce(&mut [u8]) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[range])
    }
}

impl SourcePages for Memory {
    fn read(&self, address: u64, pages: &mut [u8]) {
        let at = address as usize;
        self.with(at..at + pages.len(), |bytes| pages.copy_from_slice(bytes));
    }
}

impl TargetPages for Memory {
    fn write(&self, address: u64, pages: &[u8]) {
        let at = address as usize;
        self.with(at..at + pages.len(), |bytes| bytes.copy_from_slice(pages));
    }

    fn zero(&self, run: Range<u64>) {
        self.with(run.start as usize..run.end as usize, |bytes| bytes.fill(0));
    }
}

struct Guest {
    memory: Memory,
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

impl TargetPages for Guest {
    fn write(&self, address: u64, pages: &[u8]) {
        self.memory.write(address, pages);
    }

    fn zero(&self, run: Range<u64>) {
        self.memory.zero(run);
    }
}

impl TargetGuest for Guest {
    fn memory(&self) -> MemoryMap {
        map()
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

impl SourcePages for Guest {
    fn read(&self, address: u64, pages: &mut [u8]) {
        self.memory.read(address, pages);
    }
}

impl SourceGuest for Guest {
    fn memory(&self) -> MemoryMap {
        map()
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

/// A destination that waits so long for a stream which has not come.
fn coming(patience: Duration) -> Arc<ReceiveStreams> {
    ReceiveStreams::new(Uuid::nil(), map(), MAX_STREAMS, patience)
}

fuzz_target!(|conversation: Conversation| {
    let shape = Shape { pages: PAGES, disk: DISK as u64 };
    let (bytes, beside) = (encode(&conversation.first, shape), encode(&conversation.beside, shape));
    let guest = || Guest {
        memory: Memory(Arc::new(Mutex::new(vec![1; (PAGES * PAGE) as usize]))),
        loaded: false,
        missing: Missing::new(map()),
        ended: None,
        disk: Vec::new(),
        settled: false,
    };
    let with_disk = || Guest { disk: vec![7; DISK], ..guest() };
    let peer = || Peer(Cursor::new(bytes.as_slice()));
    let migration = Uuid::nil();
    for (mut target, with) in [(guest(), false), (with_disk(), true)] {
        let received = receive(peer(), &coming(Duration::ZERO), migration, Capabilities::OURS, &mut target);
        assert!(!matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.loaded);
        assert!(
            !with || !matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.settled
        );
    }
    // With another stream beside the first one.
    let mut target = guest();
    let streams = coming(Duration::from_millis(2));
    let ticket = streams.add().expect("there is room for one");
    std::thread::scope(|scope| {
        let memory = target.memory.clone();
        let other = scope.spawn(move || ticket.run(Peer(Cursor::new(beside.as_slice())), &memory));
        let received = receive(peer(), &streams, migration, Capabilities::OURS, &mut target);
        assert!(!matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.loaded);
        // A scope ends when the functions of its threads have. A thread that is still at its end then can look like a leak: see the README.
        other.join().expect("a stream does not panic");
    });
    let mut late = guest();
    // Its disks came before.
    late.settled = true;
    late.missing.insert(&(2 * PAGE..9 * PAGE));
    let received = receive_rest(peer(), migration, &mut late);
    assert_eq!(matches!(received, Received::Running), late.missing.count() == 0);
    let subject = Subject { name: "guest".to_owned(), memory: PAGES * PAGE };
    let offer = Offer { migration, capabilities: Capabilities::OURS, subject };
    let mut strategy = PreCopy::new(Duration::from_secs(60));
    let _ = send(peer(), &SendStreams::new(), &offer, &mut guest(), &mut strategy, &Controls::default());
    let _ = send(peer(), &SendStreams::new(), &offer, &mut with_disk(), &mut strategy, &Controls::default());
    let limits = Limits { post_copy: true, post_copy_after: Some(1), ..Limits::default() };
    let _ = send(peer(), &SendStreams::new(), &offer, &mut guest(), &mut strategy, &Controls::new(limits));
    assert!(!matches!(send_rest(peer(), &offer, &mut guest(), &Controls::default()), Sent::Unconfirmed(_)));
});
