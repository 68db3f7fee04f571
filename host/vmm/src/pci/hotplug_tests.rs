use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::root::tests::{Probe, WINDOW};
use super::*;
use crate::bus::Bus;

struct Bench {
    root: Arc<RootComplex>,
    controller: Arc<HotplugController>,
    rings: Arc<AtomicUsize>,
    ejected: Arc<Mutex<Vec<u8>>>,
}

impl Bench {
    /// Functions in slots 1 to 3.
    fn new() -> Self {
        let root = RootComplex::new(Arc::new(Bus::new()), WINDOW);
        for _ in 0..3 {
            root.attach(None, Probe::new()).unwrap();
        }
        let (rings, ejected) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (bell, gone) = (Arc::clone(&rings), Arc::clone(&ejected));
        let controller = HotplugController::new(
            Arc::clone(&root),
            move || {
                bell.fetch_add(1, Ordering::SeqCst);
            },
            move |function| gone.lock().unwrap().push(function.slot),
        );
        Self { root, controller, rings, ejected }
    }

    fn read(&self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.controller.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    fn eject(&self, slots: u32) {
        self.controller.write(EJECT, &slots.to_le_bytes());
    }

    fn ejected(&self) -> Vec<u8> {
        self.ejected.lock().unwrap().clone()
    }
}

#[test]
fn a_guest_gives_back_what_it_was_asked_for_and_nothing_else() {
    let bench = Bench::new();
    bench.eject(u32::MAX);
    assert_eq!(bench.ejected(), [0; 0], "nothing was asked for");
    bench.controller.request(2);
    assert_eq!(
        (bench.rings.load(Ordering::SeqCst), bench.read(PLUGGED), bench.read(LEAVING)),
        (1, 0, 1 << 2)
    );
    assert_eq!(bench.read(LEAVING), 0, "reading clears");
    bench.eject(u32::MAX);
    assert_eq!(bench.ejected(), [2]);
    assert!(!bench.root.has_slot(2) && bench.root.has_slot(1) && bench.root.has_slot(3));
    bench.eject(1 << 2);
    assert_eq!(bench.ejected(), [2], "once");
    assert!(bench.controller.is_free(2) && !bench.controller.is_free(1));
}

#[test]
fn a_request_that_is_not_answered_can_be_repeated_and_ends_at_a_reset() {
    let bench = Bench::new();
    bench.controller.request(1);
    bench.read(LEAVING);
    bench.controller.request(1);
    assert_eq!(bench.read(LEAVING), 1 << 1);
    let gone: Vec<_> = bench.controller.reset().into_iter().map(|ejected| ejected.slot).collect();
    assert_eq!(gone, [1]);
    bench.eject(u32::MAX);
    assert_eq!((bench.ejected(), bench.controller.reset().len()), (vec![], 0));
}

#[test]
fn a_slot_that_was_taken_is_free_once_the_guest_has_seen_it() {
    let bench = Bench::new();
    bench.root.detach(PciAddress::new(0, 0, 3, 0).unwrap()).unwrap();
    bench.controller.announce_loss(3);
    assert!(!bench.controller.is_free(3), "its driver may still be there");
    bench.eject(1 << 3);
    assert_eq!((bench.ejected(), bench.read(LEAVING)), (vec![], 1 << 3));
    assert!(bench.controller.is_free(3));
    bench.root.attach(Some(PciAddress::new(0, 0, 3, 0).unwrap()), Probe::new()).unwrap();
    bench.controller.announce(3);
    assert_eq!((bench.read(PLUGGED), bench.read(PLUGGED)), (1 << 3, 0));
}

#[test]
fn no_access_of_any_size_or_value_takes_more_than_was_asked_for() {
    let bench = Bench::new();
    bench.controller.request(1);
    for offset in 0..LEN + 8 {
        for size in [1, 2, 4, 8] {
            if (offset, size) != (EJECT, 4) {
                bench.controller.write(offset, &vec![0xff; size]);
            }
            if !(offset == LEAVING && size == 4) {
                bench.controller.read(offset, &mut vec![0; size]);
            }
        }
    }
    assert_eq!((bench.ejected(), bench.read(LEAVING)), (vec![], 1 << 1));
    for slot in [0, 32, 255] {
        bench.controller.request(slot);
    }
    bench.eject(u32::MAX);
    assert_eq!(bench.ejected(), [1], "the host bridge stays");
    assert!(bench.root.has_slot(0));
}
