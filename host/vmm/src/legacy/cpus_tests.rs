use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

struct Bench {
    controller: Arc<CpuHotplug>,
    rings: Arc<AtomicUsize>,
    ejected: Arc<Mutex<Vec<u32>>>,
}

impl Bench {
    fn new(count: u32) -> Self {
        let (rings, ejected) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<u32>>>::default());
        let (bell, gone) = (Arc::clone(&rings), Arc::clone(&ejected));
        let controller = CpuHotplug::new(
            count,
            move || {
                bell.fetch_add(1, Ordering::SeqCst);
            },
            move |number| gone.lock().unwrap().push(number),
        );
        Self { controller, rings, ejected }
    }

    fn read(&self, register: u64, word: u64) -> u32 {
        let mut data = [0; 4];
        self.controller.read(register * REGISTER + word * 4, &mut data);
        u32::from_le_bytes(data)
    }

    fn eject(&self, word: u64, value: u32) {
        self.controller.write(EJECT * REGISTER + word * 4, &value.to_le_bytes());
    }

    fn ejected(&self) -> Vec<u32> {
        self.ejected.lock().unwrap().clone()
    }
}

#[test]
fn a_vcpu_that_comes_is_seen_once_and_stays_there() {
    let bench = Bench::new(33);
    bench.controller.announce(33);
    assert_eq!(
        (bench.rings.load(Ordering::SeqCst), bench.read(PLUGGED, 1), bench.read(PLUGGED, 1)),
        (1, 2, 0)
    );
    assert_eq!((bench.read(PRESENT, 0), bench.read(PRESENT, 1), bench.read(PRESENT, 2)), (u32::MAX, 3, 0));
    assert_eq!(bench.controller.present().count(), 34);
}

#[test]
fn a_guest_gives_back_what_it_was_asked_for_and_nothing_else() {
    let bench = Bench::new(4);
    bench.eject(0, u32::MAX);
    assert_eq!(bench.ejected(), [0; 0], "nothing was asked for");
    bench.controller.request(2);
    assert_eq!((bench.read(LEAVING, 0), bench.read(LEAVING, 0)), (0b1100, 0));
    bench.eject(0, 0b0110);
    assert_eq!((bench.ejected(), bench.read(PRESENT, 0)), (vec![2], 0b1011));
    bench.eject(0, 0b0100);
    assert_eq!(bench.ejected(), [2], "once");
    bench.controller.request(0);
    bench.eject(0, u32::MAX);
    assert_eq!(bench.ejected(), [2], "it is not asked any more");
    bench.controller.request(9);
    bench.eject(0, u32::MAX);
    assert_eq!((bench.ejected(), bench.read(PRESENT, 0)), (vec![2, 1, 3], 1), "the first stays");
}

#[test]
fn a_reset_takes_what_was_asked_for() {
    let bench = Bench::new(3);
    bench.controller.announce(3);
    bench.controller.request(1);
    assert_eq!(bench.controller.reset().iter().collect::<Vec<_>>(), [3]);
    assert_eq!(bench.controller.state(), CpuHotplugState::first(3));
    assert_eq!((bench.controller.reset().count(), bench.ejected()), (0, vec![]));
}

#[test]
fn no_access_of_any_size_or_place_takes_more_than_was_asked_for() {
    let bench = Bench::new(40);
    bench.controller.request(1);
    for offset in 0..LEN + 8 {
        for size in [1, 2, 4, 8] {
            if (offset, size) != (EJECT * REGISTER + 4, 4) {
                bench.controller.write(offset, &vec![0xff; size]);
            }
            if (offset, size) != (LEAVING * REGISTER + 4, 4) {
                bench.controller.read(offset, &mut vec![0; size]);
            }
        }
    }
    assert_eq!((bench.ejected(), bench.read(LEAVING, 1)), (vec![], 1 << 7));
    bench.eject(1, u32::MAX);
    assert_eq!((bench.ejected(), bench.controller.present().count()), (vec![39], 39));
}

#[test]
fn state_of_no_such_machine_does_not_fit() {
    let fits = |change: &dyn Fn(&mut CpuHotplugState)| {
        let mut state = CpuHotplugState::first(2);
        change(&mut state);
        state.fits(4)
    };
    assert!(
        fits(&|_| {}) && fits(&|state| state.present.insert(3)) && fits(&|state| state.plugged.insert(1))
    );
    assert!(!fits(&|state| state.present.insert(4)), "more than it can have");
    assert!(!fits(&|state| state.present.remove(0)), "the first is always there");
    assert!(!fits(&|state| state.requested.insert(0)), "the first is never asked for");
    assert!(!fits(&|state| state.leaving.insert(2)), "what is not there can't leave");
}
