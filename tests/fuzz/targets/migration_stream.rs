//! What another host sends: a source as the destination hears it, and a destination as the source does. Nothing is run that was not given up.
#![no_main]

use std::io::{self, Cursor, Read, Write};
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use reeve_migrate::{
    Begin, Capabilities, Controls, GuestError, Happened, LateMemory, Limits, MemoryMap, Missing, Offer, PAGE,
    Phase, PreCopy, Received, Sent, SourceGuest, Subject, TargetGuest, receive, receive_rest, send,
    send_rest,
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
    missing: Missing,
    ended: Option<Result<(), GuestError>>,
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
    };
    let peer = || Peer(Cursor::new(bytes));
    let migration = Uuid::nil();
    let mut target = guest();
    let received = receive(peer(), migration, Capabilities::OURS, &mut target);
    assert!(!matches!(received, Ok(Received::Running | Received::Interrupted(_))) || target.loaded);
    let mut late = guest();
    late.missing.insert(&(2 * PAGE..9 * PAGE));
    let received = receive_rest(peer(), migration, &mut late);
    assert_eq!(matches!(received, Received::Running), late.missing.count() == 0);
    let subject = Subject { name: "guest".to_owned(), memory: PAGES * PAGE };
    let offer = Offer { migration, capabilities: Capabilities::OURS, subject };
    let mut strategy = PreCopy::new(std::time::Duration::from_secs(60));
    let _ = send(peer(), &offer, &mut guest(), &mut strategy, &Controls::default());
    let limits = Limits { post_copy: true, post_copy_after: Some(1), ..Limits::default() };
    let _ = send(peer(), &offer, &mut guest(), &mut strategy, &Controls::new(limits));
    assert!(!matches!(send_rest(peer(), &offer, &mut guest(), &Controls::default()), Sent::Unconfirmed(_)));
});
