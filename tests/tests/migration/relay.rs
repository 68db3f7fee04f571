//! A bad network between two hosts: it carries bytes, slowly, breaks off, or turns a bit over.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is wrong with it. Bytes are those from the source, over all connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Nothing,
    /// Bytes a second.
    Slow(u64),
    /// All connections break at this byte, once.
    Cut(u64),
    /// The connection that was opened last breaks once it has carried so many bytes from the source itself.
    CutNewest(u64),
    /// A bit of this byte is another one.
    Flip(u64),
    /// From this byte on nothing goes over, and no connection ends.
    Stall(u64),
}

/// As much as only memory and disks of a guest are.
const PART: usize = 4096;

pub struct Relay {
    /// Where it is.
    pub at: SocketAddr,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    fault: Fault,
    carried: AtomicU64,
    /// Connections that were opened.
    opened: AtomicU64,
    done: AtomicBool,
    /// A bit of the next large part from the source is to be another one.
    flip: AtomicBool,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A relay at an address of this machine that carries to another.
    pub fn start(at: &str, to: SocketAddr, fault: Fault) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((at, 0))?;
        let at = listener.local_addr()?;
        let state = Arc::new(State {
            to,
            fault,
            carried: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            done: AtomicBool::new(false),
            flip: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let ours = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if ours.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = TcpStream::connect(ours.to) else { continue };
                let pair = [near.try_clone(), far.try_clone(), near.try_clone(), far.try_clone()];
                let [Ok(a), Ok(b), Ok(c), Ok(d)] = pair else { continue };
                ours.open().extend([c, d]);
                let (one, other) = (Arc::clone(&ours), Arc::clone(&ours));
                let number = ours.opened.fetch_add(1, Ordering::SeqCst) + 1;
                std::thread::spawn(move || one.carry(near, far, Some(number)));
                std::thread::spawn(move || other.carry(b, a, None));
            }
        });
        Ok(Self { at, state })
    }

    /// Bytes from the source by now.
    pub fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::SeqCst)
    }

    /// From now on a bit is to turn over in what the source sends next of its guest's memory.
    pub fn flip(&self) {
        self.state.flip.store(true, Ordering::SeqCst);
    }

    /// Whether what was to go wrong did.
    pub fn has_failed(&self) -> bool {
        self.state.done.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.state.cut();
        // So that the thread looks.
        let _ = TcpStream::connect(self.at);
    }
}

impl State {
    /// Carries one direction of a connection; of those from the source its number is told.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, number: Option<u64>) {
        let mut buffer = vec![0; 32 << 10];
        let begun = Instant::now();
        let mut passed = 0;
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 {
                break;
            }
            let mut bytes = &mut buffer[..length];
            if let Some(number) = number {
                let before = self.carried.fetch_add(length as u64, Ordering::SeqCst);
                // What hosts ask each other is short.
                if length > PART && self.flip.swap(false, Ordering::SeqCst) {
                    bytes[length / 2] ^= 4;
                    self.done.store(true, Ordering::SeqCst);
                }
                let here = |at: u64| (before..before + length as u64).contains(&at);
                match self.fault {
                    Fault::Stall(at) if before + length as u64 > at => {
                        self.done.store(true, Ordering::SeqCst);
                        while !self.ended.load(Ordering::SeqCst) {
                            std::thread::park_timeout(Duration::from_millis(50));
                        }
                        return;
                    }
                    Fault::Cut(at) if here(at) => {
                        bytes = &mut bytes[..(at - before) as usize];
                        let _ = to.write_all(bytes);
                        self.done.store(true, Ordering::SeqCst);
                        self.cut();
                        return;
                    }
                    Fault::CutNewest(at) if passed > at && number == self.opened.load(Ordering::SeqCst) => {
                        self.done.store(true, Ordering::SeqCst);
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                        return;
                    }
                    Fault::Flip(at) if here(at) => {
                        bytes[(at - before) as usize] ^= 4;
                        self.done.store(true, Ordering::SeqCst);
                    }
                    _ => {}
                }
            }
            if to.write_all(bytes).is_err() {
                break;
            }
            passed += length as u64;
            if let Fault::Slow(rate) = self.fault {
                let due = Duration::from_secs_f64(passed as f64 / rate as f64);
                std::thread::park_timeout(due.saturating_sub(begun.elapsed()));
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for stream in self.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
