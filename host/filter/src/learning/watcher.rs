//! The daemon's side of the sniffer: a thread that keeps it running, takes its reports and lets leases end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use reeve_sys::link::LinkName;
use reeve_sys::packet::PacketSocket;
use reeve_sys::process::{Process, Program};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tracing::{info, warn};

use super::wire::{Order, Received, Report, receive_report, send_order};
use super::{Lease, Port, Shared, SnifferProgram, State, now};

/// How long the thread sleeps at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// Pause before a sniffer that ended is started again; doubled each time it ends soon.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The process.
pub(super) struct Sniffer {
    process: Process,
    control: OwnedFd,
}

impl Sniffer {
    fn start(program: &SnifferProgram) -> io::Result<Self> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (control, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
        let args = program.args.iter().map(OsStr::new).collect();
        let spawned = Program { path: &program.path, args, stderr: None, fds: vec![theirs.as_fd()] };
        let process = Process::spawn(&spawned).map_err(io::Error::other)?;
        Ok(Self { process, control })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.process.kill();
        // Killed, or ended already: it does not take long.
        self.process.wait(Duration::from_secs(10));
        let pid = self.process.pid();
        match self.process.reap() {
            Some(exit) => info!(pid, %exit, "the sniffer has ended"),
            None => warn!(pid, "the sniffer does not end"),
        }
    }
}

impl Sniffer {
    /// Hands a port to it. When that fails it is ending, or does not do its work and has to end; its successor gets the port.
    pub(super) fn watch(&self, port: &Port, socket: &PacketSocket) {
        let order = Order::Watch { port: port.number, mac: port.watch.mac, mode: port.watch.mode };
        if let Err(error) = send_order(&self.control, order, Some(socket.fd())) {
            warn!(link = %port.watch.link, %error, "an address can't be learned before the sniffer is started again");
            self.process.kill();
        }
    }
}

impl State {
    pub(super) fn forget(&self, number: u32) {
        if let Some(sniffer) = &self.sniffer {
            // When that fails the sniffer is ending.
            let _ = send_order(&sniffer.control, Order::Forget(number), None);
        }
    }
}

/// Runs until the other end of the pipe is closed.
pub(super) fn run(shared: &Shared, mut wake: io::PipeReader) {
    let mut pause = FIRST_PAUSE;
    let mut again = Instant::now();
    loop {
        let sleep = expire(shared);
        let mut sleep = sleep.min(tend(shared, &mut again, &mut pause));
        // The descriptor is copied so that nothing is locked while the thread sleeps.
        let control = shared.state().sniffer.as_ref().and_then(|sniffer| sniffer.control.try_clone().ok());
        let mut fds = vec![PollFd::new(&wake, PollFlags::IN)];
        fds.extend(control.as_ref().map(|control| PollFd::new(control, PollFlags::IN)));
        sleep = sleep.min(LONGEST_SLEEP);
        let timeout = Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: i64::from(sleep.subsec_nanos()) };
        if let Err(error) = poll(&mut fds, Some(&timeout))
            && error != rustix::io::Errno::INTR
        {
            warn!(%error, "addresses of guests are not learned any more");
            return;
        }
        let (woken, reported) =
            (!fds[0].revents().is_empty(), fds.get(1).is_some_and(|fd| !fd.revents().is_empty()));
        if woken && !matches!(wake.read(&mut [0; 64]), Ok(1..)) {
            return;
        }
        if let Some(control) = control.filter(|_| reported) {
            match receive_report(&control) {
                Ok(Received::Message(Some(report))) => take(shared, report),
                Ok(Received::Message(None) | Received::Nothing) => {}
                Ok(Received::End) | Err(_) => {
                    warn!("the sniffer ended; it is started again");
                    drop(shared.state().sniffer.take());
                    again = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Ends the sniffer when there is nothing to watch; starts it when there is, it does not run, and it is time to. How long until it is
/// time.
fn tend(shared: &Shared, again: &mut Instant, pause: &mut Duration) -> Duration {
    let mut state = shared.state();
    if !state.ports.values().any(Port::is_open) {
        if state.sniffer.take().is_some() {
            *again = Instant::now();
        }
        return LONGEST_SLEEP;
    }
    if state.sniffer.is_some() {
        return LONGEST_SLEEP;
    }
    let left = again.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        return left;
    }
    // It ran for a while: the next end is no sign of trouble.
    if again.elapsed() > LONGEST_PAUSE {
        *pause = FIRST_PAUSE;
    }
    *again = Instant::now() + *pause;
    let sniffer = match Sniffer::start(&shared.program) {
        Ok(sniffer) => sniffer,
        Err(error) => {
            warn!(%error, "the sniffer can't be started");
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            return *pause;
        }
    };
    info!(pid = sniffer.process.pid(), "the sniffer is started");
    for port in state.ports.values_mut().filter(|port| port.is_open()) {
        match port.waiting.take().map_or_else(|| port.watch.open(), Ok) {
            Ok(socket) => sniffer.watch(port, &socket),
            // Its link is gone; whoever took it away forgets the port.
            Err(error) => warn!(%error, "an address can't be learned"),
        }
    }
    state.sniffer = Some(sniffer);
    LONGEST_SLEEP
}

fn take(shared: &Shared, (number, seen): Report) {
    let mut state = shared.state();
    let Some(port) = state.ports.values_mut().find(|port| port.number == number) else { return };
    let before: BTreeSet<IpAddr> = port.addresses().into_iter().collect();
    if !port.take(seen, now()) {
        return;
    }
    let (link, leases, addresses) = (port.watch.link.clone(), port.leases.clone(), port.addresses());
    if !port.is_open() {
        state.forget(number);
    }
    drop(state);
    tell(shared, &link, &leases, &before, &addresses);
}

/// Lets leases end. How long until the next one does.
fn expire(shared: &Shared) -> Duration {
    let now = now();
    let mut changed: Vec<(LinkName, Vec<Lease>, Vec<IpAddr>)> = Vec::new();
    let mut state = shared.state();
    for (link, port) in &mut state.ports {
        if port.expire(now) {
            changed.push((link.clone(), port.leases.clone(), port.addresses()));
        }
    }
    let ends = state.ports.values().flat_map(|port| &port.leases).filter_map(|lease| lease.expires);
    let next = ends.min().map_or(LONGEST_SLEEP, |end| Duration::from_secs(end.saturating_sub(now)));
    drop(state);
    for (link, leases, addresses) in changed {
        shared.save(&link, &leases);
        shared.sink.changed(&link, &addresses);
    }
    next
}

/// Saves leases, and says so where the addresses are others: a lease that was renewed changes no rule.
fn tell(shared: &Shared, link: &LinkName, leases: &[Lease], before: &BTreeSet<IpAddr>, now: &[IpAddr]) {
    shared.save(link, leases);
    if now.iter().copied().collect::<BTreeSet<_>>() != *before {
        shared.sink.changed(link, now);
    }
}
