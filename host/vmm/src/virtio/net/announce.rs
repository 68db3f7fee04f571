//! Where a guest is now that came from elsewhere: bridges learn it from a frame with its address (a reverse ARP request, RFC 903),
//! which no station answers.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::timerfd::TimerFd;

use crate::virtio::worker::Poll;

/// Event of the timer.
pub(super) const ANNOUNCE: u64 = 3;
/// How often it is said, and how far apart: a bridge forwards nothing of a port in the first second after it has a carrier.
pub(super) const TIMES: u32 = 5;
const EVERY: Duration = Duration::from_millis(400);

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE: [u8; 2] = [0x80, 0x35];
/// Hardware Ethernet, protocol IPv4, and the lengths of their addresses; then "request reverse".
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 3];
/// Shortest frame without its checksum.
const LENGTH: usize = 60;

/// What is said of a guest that came from elsewhere.
pub(super) struct Announcement {
    frame: [u8; LENGTH],
    left: u32,
    timer: TimerFd,
}

impl Announcement {
    /// For the interface with this address.
    pub fn new(mac: [u8; 6]) -> io::Result<Self> {
        let mut frame = [0; LENGTH];
        frame[..6].copy_from_slice(&BROADCAST);
        frame[6..12].copy_from_slice(&mac);
        frame[12..14].copy_from_slice(&ETHERTYPE);
        frame[14..22].copy_from_slice(&REQUEST);
        frame[22..28].copy_from_slice(&mac);
        frame[32..38].copy_from_slice(&mac);
        Ok(Self { frame, left: TIMES, timer: TimerFd::new()? })
    }

    /// Begins; [`ANNOUNCE`] comes each time that it is to be said again.
    pub fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.add(self.timer.as_raw_fd(), EventSet::IN, ANNOUNCE)?;
        Ok(self.timer.reset(EVERY, Some(EVERY))?)
    }

    /// The timer went off.
    pub fn woken(&mut self) {
        // It is readable, so this does not block.
        let _ = self.timer.wait();
    }

    /// The frame to send now; none when that was often enough.
    pub fn next(&mut self) -> Option<&[u8]> {
        let Some(left) = self.left.checked_sub(1) else {
            // At worst it wakes the thread for nothing.
            let _ = self.timer.clear();
            return None;
        };
        self.left = left;
        Some(&self.frame)
    }
}
