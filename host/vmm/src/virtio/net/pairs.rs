//! Pairs of queues: which of them are used, and the tap's queue behind each (virtio 1.2, 5.1.6.5.5).
//!
//! The kernel spreads frames over all queues of a tap that are attached, so those of pairs that the driver does not use are detached. The
//! thread of the first pair serves the control queue; it attaches and detaches for the others and wakes them by their [`Signal`].

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::tap::Tap;
use crate::virtio::Memory;
use crate::virtio::chain::Chain;

/// Class and command of the one thing that can be asked for, and its answers.
const MQ: u8 = 4;
const PAIRS_SET: u8 = 0;
const OK: u8 = 0;
const REFUSED: u8 = 1;

/// What the other threads tell the one of a pair.
#[derive(Debug)]
pub(super) struct Signal {
    /// Whether the cable was pulled out since the thread last asked.
    pulled: AtomicBool,
    /// Readable when the link or the number of pairs has changed.
    pub event: EventFd,
}

/// Shared by the threads of all pairs and the control plane.
#[derive(Debug)]
pub(super) struct Pairs {
    link_up: AtomicBool,
    /// One a pair.
    signals: Vec<Signal>,
    /// The tap's queues where there are several, and whether each is attached.
    taps: Mutex<Vec<(Tap, bool)>>,
    active: AtomicU16,
}

impl Pairs {
    /// For the queues of a tap, all attached, of which the first is used; or for a single pair.
    pub(super) fn new(count: usize, taps: Vec<Tap>, link_up: bool) -> io::Result<Self> {
        let signal = |_| Ok(Signal { pulled: AtomicBool::new(false), event: EventFd::new(EFD_NONBLOCK)? });
        let pairs = Self {
            link_up: AtomicBool::new(link_up),
            signals: (0..count).map(signal).collect::<io::Result<_>>()?,
            taps: Mutex::new(taps.into_iter().map(|tap| (tap, true)).collect()),
            active: AtomicU16::new(1),
        };
        pairs.attach()?;
        Ok(pairs)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u16 {
        self.signals.len() as u16
    }

    /// How many the driver uses.
    pub(super) fn active(&self) -> u16 {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether there can be so many in use.
    pub(super) fn can_be(&self, count: u16) -> bool {
        (1..=self.count()).contains(&count)
    }

    /// Says how many are used; the tap's queues follow at [`attach`](Self::attach).
    pub(super) fn set_active(&self, count: u16) {
        self.active.store(count, Ordering::Relaxed);
    }

    /// Attaches the tap's queues of pairs that are used, and detaches the others.
    pub(super) fn attach(&self) -> io::Result<()> {
        let active = usize::from(self.active());
        let mut taps = self.taps.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, (tap, attached)) in taps.iter_mut().enumerate() {
            let wanted = number < active;
            if wanted != *attached {
                tap.set_attached(wanted)?;
                *attached = wanted;
            }
        }
        Ok(())
    }

    /// Plugs the cable in or out. True when that changed something.
    pub(super) fn set_link(&self, up: bool) -> bool {
        if self.link_up.swap(up, Ordering::Relaxed) == up {
            return false;
        }
        self.signals.iter().for_each(|signal| _ = signal.pulled.fetch_or(!up, Ordering::Relaxed));
        self.wake();
        true
    }

    /// Whether the cable is in.
    pub(super) fn link_is_up(&self) -> bool {
        self.link_up.load(Ordering::Relaxed)
    }

    /// Whether it was pulled out since the thread of this pair asked last.
    pub(super) fn link_went_down(&self, pair: u16) -> bool {
        self.signals[usize::from(pair)].pulled.swap(false, Ordering::Relaxed)
    }

    /// What wakes the thread of a pair.
    pub(super) fn event(&self, pair: u16) -> io::Result<EventFd> {
        self.signals[usize::from(pair)].event.try_clone()
    }

    fn wake(&self) {
        for signal in &self.signals {
            // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
            let _ = signal.event.write(1);
        }
    }

    /// Carries out a request of the control queue; bytes of the answer. Where the driver does not know of `several` pairs, one is all it gets:
    /// frames of others would reach nobody.
    pub(super) fn control(&self, memory: &Memory, request: &mut Chain, several: bool) -> u32 {
        let mut command = [0; 4];
        let read = request.readable.read(memory, &mut command);
        let [class, kind, low, high] = command;
        let count = u16::from_le_bytes([low, high]);
        let before = self.active();
        let mut answer = REFUSED;
        if several && read == command.len() && (class, kind) == (MQ, PAIRS_SET) && self.can_be(count) {
            self.set_active(count);
            answer = match self.attach() {
                Ok(()) => OK,
                Err(_) => {
                    self.set_active(before);
                    // What was attached before can be again; where it can't, its frames are lost as on a cable that is out.
                    let _ = self.attach();
                    REFUSED
                }
            };
            self.wake();
        }
        request.writable.write(memory, &[answer]) as u32
    }
}
