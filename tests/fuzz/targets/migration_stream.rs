//! What another host sends: a source as the destination hears it, and a destination as the source does. Nothing is run that was not given up.
#![no_main]

use std::io::{self, Cursor, Read, Write};
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use reeve_migrate::{
    Capabilities, Controls, GuestError, MemoryMap, Offer, PAGE, Phase, PreCopy, Received, SourceGuest,
    Subject, TargetGuest, receive, send,
};
use uuid::Uuid;

const PAGES: u64 = 16;

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
}

#[allow(clippy::single_range_in_vec_init, reason = "a list of one range")]
fn map() -> MemoryMap {
    MemoryMap::new(vec![0..PAGES * PAGE]).expect("whole pages")
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
        assert!(self.loaded, "a guest runs when all of it is here");
        Ok(())
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
    let guest = || Guest { memory: vec![1; (PAGES * PAGE) as usize], loaded: false };
    let migration = Uuid::nil();
    let mut target = guest();
    let received = receive(Peer(Cursor::new(bytes)), migration, Capabilities::OURS, &mut target);
    assert!(!matches!(received, Ok(Received::Running)) || target.loaded);
    let subject = Subject { name: "guest".to_owned(), memory: PAGES * PAGE };
    let offer = Offer { migration, capabilities: Capabilities::OURS, subject };
    let mut strategy = PreCopy::new(std::time::Duration::from_secs(60));
    let _ = send(Peer(Cursor::new(bytes)), &offer, &mut guest(), &mut strategy, &Controls::default());
});
