//! The process that looks at guests' frames. It is the only code that parses them, so it has nothing to lose: no files, no privileges, no
//! way out but lines to the daemon, and it ends with the daemon.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use reeve_model::MacAddress;
use reeve_sys::packet::PacketSocket;
use reeve_sys::sandbox::{Sandbox, SandboxError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::frame;
use super::wire::{Order, Received, receive_order, send_report};
use crate::tree::LearningMode;

/// Ports that are watched at once.
const MAX_PORTS: u64 = 16_384;
/// Frames of a port that are looked at in one go after a pause.
const BURST: u32 = 20;
/// The time in which one more may be. A client of DHCP sends a few packets a lease, so this is only met by a flood.
const PAUSE: Duration = Duration::from_millis(100);

/// The sniffer could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SnifferError {
    /// It can't be locked in.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It can't speak to the daemon.
    #[error("the daemon can't be heard")]
    Control(#[source] io::Error),
}

/// Runs until the daemon closes the other end of the socket. The process must have one thread only.
pub fn run(control: OwnedFd, user: Option<(u32, u32)>) -> Result<(), SnifferError> {
    let calls = [libc::SYS_poll, libc::SYS_ppoll, libc::SYS_recvmsg, libc::SYS_sendto, libc::SYS_sendmsg];
    Sandbox { user, descriptors: MAX_PORTS + 16, calls: calls.to_vec() }.enter()?;
    watch(control).map_err(SnifferError::Control)
}

/// A port that is watched.
struct Port {
    socket: PacketSocket,
    mac: MacAddress,
    mode: LearningMode,
    /// Frames that may be looked at now, and since when it is so many.
    budget: u32,
    since: Instant,
}

/// The loop of the sniffer.
pub(super) fn watch(control: OwnedFd) -> io::Result<()> {
    let mut ports: BTreeMap<u32, Port> = BTreeMap::new();
    loop {
        let now = Instant::now();
        ports.values_mut().for_each(|port| port.refill(now));
        // A port that has used its budget waits: the kernel throws away what does not fit into its queue.
        let listened: Vec<u32> =
            ports.iter().filter(|(_, port)| port.budget > 0).map(|(number, _)| *number).collect();
        let paused = listened.len() < ports.len();
        let mut fds = vec![PollFd::new(&control, PollFlags::IN)];
        fds.extend(
            listened.iter().map(|number| PollFd::from_borrowed_fd(ports[number].socket.fd(), PollFlags::IN)),
        );
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE.subsec_nanos()) };
        match poll(&mut fds, paused.then_some(&pause)) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for number in listened.iter().zip(&ready[1..]).filter(|(_, ready)| **ready).map(|(number, _)| number)
        {
            if let Some(port) = ports.get_mut(number) {
                port.look(*number, control.as_fd())?;
            }
        }
        if ready[0] && !obey(&control, &mut ports)? {
            return Ok(());
        }
    }
}

/// Takes one order; false when there will be no more.
fn obey(control: &OwnedFd, ports: &mut BTreeMap<u32, Port>) -> io::Result<bool> {
    match receive_order(control)? {
        Received::End => return Ok(false),
        Received::Message(Some((Order::Watch { port, mac, mode }, Some(socket)))) => {
            let (socket, since) = (PacketSocket::from_fd(socket), Instant::now());
            ports.insert(port, Port { socket, mac, mode, budget: BURST, since });
        }
        Received::Message(Some((Order::Forget(port), _))) => {
            ports.remove(&port);
        }
        Received::Message(_) | Received::Nothing => {}
    }
    Ok(true)
}

impl Port {
    fn refill(&mut self, now: Instant) {
        let pauses = now.duration_since(self.since).as_millis() / PAUSE.as_millis();
        if pauses > 0 {
            self.budget = self.budget.saturating_add(u32::try_from(pauses).unwrap_or(BURST)).min(BURST);
            self.since = now;
        }
    }

    /// Looks at one frame.
    fn look(&mut self, number: u32, control: impl AsFd) -> io::Result<()> {
        self.budget = self.budget.saturating_sub(1);
        // A link that went down or away says so once; the daemon knows, and takes the port back.
        let Ok(Some(frame)) = self.socket.receive(Duration::ZERO) else { return Ok(()) };
        let seen = match self.mode {
            LearningMode::Any if frame.outgoing => None,
            LearningMode::Any => frame::address(&frame.bytes, self.mac),
            LearningMode::Dhcp => frame::dhcp(&frame.bytes, frame.outgoing, self.mac),
        };
        match seen {
            Some(seen) => send_report(control, (number, seen)),
            None => Ok(()),
        }
    }
}
