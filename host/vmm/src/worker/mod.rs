//! The worker process: one machine behind one control socket (see [`crate::protocol`]).
//!
//! The daemon makes the listening socket and hands it over as descriptor 3. The worker serves one connection at a time and
//! goes on without one, so a daemon that was killed finds it again. It ends only when a daemon says Release.

mod connection;
mod history;
mod life;
mod locks;
mod sessions;

use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use rustix::net::sockopt;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use crate::config::{FdIndex, VmConfig};
use crate::machine::Signals;
use crate::migration::Mailbox;
use crate::protocol::{
    Answer, Call, ErrorCode, Failure, Frame, FrameError, Hello, Message, MigrationOrder, Request, VERSION,
    decode,
};
use connection::{Connection, Filled};
use life::Life;
use sessions::Sessions;

/// Descriptor of the listening control socket.
pub const CONTROL_FD: RawFd = 3;

const LISTENER: u64 = 0;
const CONNECTION: u64 = 1;
const SIGNALS: u64 = 2;
const WATCHDOG: u64 = 3;
const MIGRATION: u64 = 4;
const CLOCK: u64 = 5;
const FIRST_CONSOLE: u64 = 16;
const EVENTS_AT_ONCE: usize = 32;

/// Why a worker could not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Descriptor 3 is not what it should be.
    #[error("descriptor 3 of the worker is not a listening control socket")]
    NoListener,
    /// The event loop failed.
    #[error("the event loop of the worker failed: {0}")]
    Loop(#[from] io::Error),
}

/// Runs a worker on descriptor 3 until a daemon releases it. For a process that was started for this alone.
pub fn main() -> ExitCode {
    // Started from a descriptor it would be called by a number.
    let _ = rustix::thread::set_name(c"reeve-worker");
    // A worker that leads a process group already has a session of its own or is none of the terminal's business.
    let _ = rustix::process::setsid();
    match listener().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is no other place to say it, and nobody to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "reeve worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listener() -> Result<UnixListener, WorkerError> {
    // SAFETY: the descriptor is only looked at; the call fails when it is not open.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(CONTROL_FD) };
    if !sockopt::socket_acceptconn(fd).unwrap_or(false) {
        return Err(WorkerError::NoListener);
    }
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).map_err(io::Error::from)?;
    // SAFETY: it is open, was handed over to this process, and nothing else in it uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(CONTROL_FD) }.into())
}

/// Serves daemons that connect to `listener` until one releases the worker.
pub fn run(listener: UnixListener) -> Result<(), WorkerError> {
    listener.set_nonblocking(true)?;
    let life = Life::new(Signals::new()?, Mailbox::new()?);
    let poll = Epoll::new()?;
    watch(&poll, life.mail_fd(), EventSet::IN, MIGRATION)?;
    watch(&poll, life.signals_fd(), EventSet::IN, SIGNALS)?;
    watch(&poll, listener.as_raw_fd(), EventSet::IN, LISTENER)?;
    let mut worker =
        Worker { listener, poll, life, connection: None, sessions: Sessions::new(FIRST_CONSOLE) };
    worker.run()
}

fn watch(poll: &Epoll, fd: RawFd, events: EventSet, token: u64) -> io::Result<()> {
    poll.ctl(ControlOperation::Add, fd, EpollEvent::new(events, token))
}

struct Worker {
    listener: UnixListener,
    poll: Epoll,
    life: Life,
    connection: Option<Connection>,
    sessions: Sessions,
}

/// What to do with the process after a request.
enum Next {
    GoOn,
    Leave,
}

impl Worker {
    fn run(&mut self) -> Result<(), WorkerError> {
        let mut events = [EpollEvent::default(); EVENTS_AT_ONCE];
        loop {
            let timeout = self.life.clock_wait().map_or(-1, |wait| wait.as_millis() as i32 + 1);
            let ready = match self.poll.wait(timeout, &mut events) {
                Ok(ready) => ready,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..ready] {
                let next = match event.data() {
                    LISTENER => self.accept().map(|()| Next::GoOn)?,
                    CONNECTION => self.serve(),
                    SIGNALS => {
                        let _ = self.life.attend();
                        Next::GoOn
                    }
                    MIGRATION => {
                        self.life.read_mail();
                        Next::GoOn
                    }
                    WATCHDOG => {
                        self.life.watchdog_expired();
                        Next::GoOn
                    }
                    CLOCK => {
                        self.life.clock_expired();
                        Next::GoOn
                    }
                    session => {
                        self.sessions.ready(&self.poll, session, event.event_set());
                        Next::GoOn
                    }
                };
                if matches!(next, Next::Leave) {
                    return Ok(());
                }
                self.life.look_at_jobs();
                if self.connection.as_ref().is_some_and(|connection| connection.greeted) {
                    self.life.tell_dials();
                }
                self.send_fresh_events();
            }
            self.life.tell_clock(false);
            self.send_fresh_events();
        }
    }

    /// Takes the next daemon, if the last one is gone.
    fn accept(&mut self) -> io::Result<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        let socket = match self.listener.accept() {
            Ok((socket, _)) => socket,
            // It went away again, or there is no descriptor for it now.
            Err(_) => return Ok(()),
        };
        let connection = Connection::new(socket)?;
        let events = EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
        watch(&self.poll, connection.as_raw_fd(), events, CONNECTION)?;
        // The next daemon waits in the socket's queue meanwhile.
        self.poll.ctl(ControlOperation::Delete, self.listener.as_raw_fd(), EpollEvent::default())?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Ends the connection and listens for the next.
    fn hang_up(&mut self) {
        if self.connection.take().is_some() {
            // The listener was watched before; only a lack of memory can refuse it now, and then the next daemon waits.
            let _ = watch(&self.poll, self.listener.as_raw_fd(), EventSet::IN, LISTENER);
        }
    }

    /// Reads and answers what the daemon sent.
    fn serve(&mut self) -> Next {
        loop {
            let Some(connection) = &mut self.connection else { return Next::GoOn };
            let filled = connection.flush().and_then(|()| connection.fill());
            loop {
                let Some(connection) = &mut self.connection else { return Next::GoOn };
                match connection.next_frame() {
                    Ok(Some(frame)) => {
                        if matches!(self.handle(frame), Next::Leave) {
                            return Next::Leave;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        self.hang_up();
                        return Next::GoOn;
                    }
                }
            }
            match filled {
                Ok(Filled::All) => return Next::GoOn,
                Ok(Filled::More) => {}
                Ok(Filled::Closed) | Err(_) => {
                    self.hang_up();
                    return Next::GoOn;
                }
            }
        }
    }

    fn handle(&mut self, frame: Frame) -> Next {
        let Frame { body, fds } = frame;
        let Request { id, call } = match decode(&body) {
            Ok(request) => request,
            Err(error) => {
                self.answer(
                    request_id(&body),
                    Err(Failure::new(ErrorCode::BadRequest, error.to_string())),
                    None,
                );
                return Next::GoOn;
            }
        };
        let greeted = self.connection.as_ref().is_some_and(|connection| connection.greeted);
        match call {
            Call::Hello { version, events_after } => {
                if self.greet(id, version) {
                    self.replay(events_after);
                }
            }
            _ if !greeted => {
                let failure =
                    Failure::new(ErrorCode::BadRequest, "the first request on a connection must be hello");
                self.answer(id, Err(failure), None);
            }
            Call::OpenConsole { alias, exclusive } => {
                let console = self.life.console(&alias);
                let opened =
                    console.and_then(|console| self.sessions.open_console(&self.poll, &console, exclusive));
                self.answer_with(id, opened);
            }
            Call::OpenChannel { alias } => {
                let console = self.life.console(&alias);
                let opened = console.and_then(|console| self.sessions.open_channel(&self.poll, &console));
                self.answer_with(id, opened);
            }
            Call::Release => match self.life.release() {
                Ok(()) => {
                    self.answer(id, Ok(Answer::Done), None);
                    self.connection.take().into_iter().for_each(Connection::finish);
                    return Next::Leave;
                }
                Err(failure) => self.answer(id, Err(failure), None),
            },
            call => {
                let result = self.carry_out(call, fds);
                self.answer(id, result, None);
            }
        }
        Next::GoOn
    }

    fn launch(&mut self, config: VmConfig, fds: Vec<OwnedFd>, saved: Option<FdIndex>) -> Result<(), Failure> {
        self.life.launch(config, fds, saved)?;
        self.serve_machine()
    }

    /// Watches what a machine that was just made has for the event loop: its watchdog, its clock and the sockets of its consoles.
    fn serve_machine(&mut self) -> Result<(), Failure> {
        if let Some(timer) = self.life.watchdog_fd() {
            watch(&self.poll, timer, EventSet::IN, WATCHDOG).map_err(|error| {
                Failure::new(ErrorCode::Host, format!("the watchdog can't be watched: {error}"))
            })?;
        }
        if let Some(timer) = self.life.clock_fd() {
            watch(&self.poll, timer, EventSet::IN, CLOCK).map_err(|error| {
                Failure::new(ErrorCode::Host, format!("the real-time clock can't be watched: {error}"))
            })?;
        }
        for (console, end) in self.life.take_ends() {
            self.sessions.serve(&self.poll, console, end).map_err(|error| {
                Failure::new(ErrorCode::Host, format!("a console's socket can't be served: {error}"))
            })?;
        }
        Ok(())
    }

    fn carry_out(&mut self, call: Call, fds: Vec<OwnedFd>) -> Result<Answer, Failure> {
        let harmless = matches!(
            call,
            Call::Status
                | Call::Stats
                | Call::BlockJobs
                | Call::SaveStatus
                | Call::CancelSave
                | Call::AnswerDial { .. }
                | Call::Resume
                | Call::Quit
        );
        if self.life.is_saving() && !harmless {
            return Err(Failure::new(ErrorCode::State, "the machine is being saved or dumped"));
        }
        if changes_machine(&call) {
            self.life.refuse_migrating()?;
        }
        self.refuse_while_images_move(&call)?;
        match call {
            Call::Launch { config } => self.launch(*config, fds, None)?,
            Call::Restore { config, state } => self.launch(*config, fds, Some(state))?,
            Call::Save => self.life.save(fds)?,
            Call::Dump { live } => self.life.dump(fds, live)?,
            Call::CancelSave => self.life.cancel_save()?,
            Call::SaveStatus => return Ok(Answer::Save(self.life.save_status()?)),
            Call::Pause => self.life.pause()?,
            Call::Resume => self.life.resume()?,
            Call::Reset => self.life.reset()?,
            Call::Wake => self.life.wake()?,
            Call::PowerButton => self.life.press_power_button()?,
            Call::Quit => self.life.quit()?,
            Call::SetBalloon { bytes } => self.life.set_balloon(bytes)?,
            Call::SetStatsPeriod { seconds } => self.life.set_stats_period(seconds)?,
            Call::InjectNmi => self.life.inject_nmi()?,
            Call::SetVcpus { count } => self.life.set_vcpus(count)?,
            Call::AddIothread { id } => self.life.add_iothread(id)?,
            Call::RemoveIothread { id } => self.life.remove_iothread(id)?,
            Call::RequestMemory { alias, bytes } => self.life.request_memory(&alias, bytes)?,
            Call::Status => return Ok(Answer::Status(self.life.status())),
            Call::Config => return Ok(Answer::Config(Box::new(self.life.launched_config()?))),
            Call::Stats => return Ok(Answer::Stats(Box::new(self.life.stats()))),
            Call::AttachDevice { device } => self.life.attach_device(device, fds)?,
            Call::DetachDevice { alias, force } => self.life.detach_device(&alias, force)?,
            Call::ResizeDisk { alias, bytes, shrink } => self.life.resize_disk(&alias, bytes, shrink)?,
            Call::LimitDisk { alias, limits } => self.life.limit_disk(&alias, limits)?,
            Call::BlockJob { alias, order } => self.life.block_job(&alias, order, fds)?,
            Call::BlockJobs => return Ok(Answer::BlockJobs { jobs: self.life.block_jobs() }),
            Call::SwitchDisks { disks } => self.life.switch_disks(&disks, fds)?,
            Call::ChangeMedium { medium } => self.life.change_medium(&medium, fds)?,
            Call::SnapshotDisks { aliases, name, taken } => {
                self.life.snapshot_disks(&aliases, &name, taken)?;
            }
            Call::DropDiskSnapshots { aliases, name, taken } => {
                self.life.drop_disk_snapshots(&aliases, &name, taken)?;
            }
            Call::AnswerDial { alias, number } => self.life.answer_dial(&alias, number, fds)?,
            Call::SetLink { alias, up } => self.life.set_link(&alias, up)?,
            Call::Migrate { order } => {
                let comes = matches!(order, MigrationOrder::Receive { .. });
                self.life.migrate(order, fds)?;
                if comes {
                    self.serve_machine()?;
                }
            }
            Call::Hello { .. } | Call::OpenConsole { .. } | Call::OpenChannel { .. } | Call::Release => {
                unreachable!("handled where the connection is at hand")
            }
        }
        Ok(Answer::Done)
    }

    /// Refuses what can't be while a job works on the images of a disk.
    fn refuse_while_images_move(&self, call: &Call) -> Result<(), Failure> {
        let life = &self.life;
        match call {
            Call::Save | Call::Migrate { order: MigrationOrder::Send { .. } } => {
                life.busy_disk().map_or(Ok(()), |alias| life.refuse_busy(alias))
            }
            Call::ResizeDisk { alias, .. } | Call::DetachDevice { alias, .. } => life.refuse_busy(alias),
            Call::SwitchDisks { disks } => disks.iter().try_for_each(|disk| life.refuse_busy(&disk.alias)),
            Call::ChangeMedium { medium } => life.refuse_busy(&medium.alias),
            Call::SnapshotDisks { aliases, .. } | Call::DropDiskSnapshots { aliases, .. } => {
                aliases.iter().try_for_each(|alias| life.refuse_busy(alias))
            }
            _ => Ok(()),
        }
    }

    /// Answers a Hello. False when the daemon can't be talked to.
    fn greet(&mut self, id: u64, version: u32) -> bool {
        if version != VERSION {
            let reason =
                format!("the daemon speaks version {version} of the worker protocol, the worker {VERSION}");
            self.answer(id, Err(Failure::new(ErrorCode::Version, reason)), None);
            return false;
        }
        let hello = Hello {
            version: VERSION,
            pid: std::process::id(),
            status: self.life.status(),
            config: self.life.config().cloned(),
            last_event: self.life.history.last(),
            lost: self.life.losses(),
        };
        self.answer(id, Ok(Answer::Hello(Box::new(hello))), None);
        true
    }

    fn replay(&mut self, events_after: u64) {
        let missed: Vec<_> = self.life.history.after(events_after).cloned().collect();
        if let Some(connection) = &mut self.connection {
            connection.greeted = true;
        }
        // All of them are in the history.
        self.life.fresh.clear();
        for (seq, event) in missed {
            self.send(&Message::Event { seq, event }, None);
        }
    }

    /// Answers with a descriptor.
    fn answer_with(&mut self, id: u64, opened: Result<OwnedFd, Failure>) {
        match opened {
            Ok(fd) => self.answer(id, Ok(Answer::Done), Some(fd)),
            Err(failure) => self.answer(id, Err(failure), None),
        }
    }

    fn answer(&mut self, id: u64, result: Result<Answer, Failure>, fd: Option<OwnedFd>) {
        self.send(&Message::Answer { id, result }, fd);
    }

    fn send_fresh_events(&mut self) {
        let fresh = std::mem::take(&mut self.life.fresh);
        if self.connection.as_ref().is_some_and(|connection| connection.greeted) {
            for (seq, event) in fresh {
                self.send(&Message::Event { seq, event }, None);
            }
        }
    }

    fn send(&mut self, message: &Message, fd: Option<OwnedFd>) {
        let sent: Result<(), FrameError> = match &mut self.connection {
            Some(connection) => connection.send(message, fd),
            None => return,
        };
        if sent.is_err() {
            self.hang_up();
        }
    }
}

/// Whether a call changes what a migration is moving.
fn changes_machine(call: &Call) -> bool {
    matches!(
        call,
        Call::Pause
            | Call::Resume
            | Call::Reset
            | Call::Wake
            | Call::AttachDevice { .. }
            | Call::DetachDevice { .. }
            | Call::ResizeDisk { .. }
            | Call::LimitDisk { .. }
            | Call::BlockJob { .. }
            | Call::SwitchDisks { .. }
            | Call::ChangeMedium { .. }
            | Call::SnapshotDisks { .. }
            | Call::DropDiskSnapshots { .. }
            | Call::SetLink { .. }
            | Call::InjectNmi
            | Call::SetVcpus { .. }
            | Call::AddIothread { .. }
            | Call::RemoveIothread { .. }
            | Call::RequestMemory { .. }
            | Call::Save
            | Call::Dump { .. }
    )
}

/// Id of a request that could not be understood otherwise.
fn request_id(body: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Id {
        id: u64,
    }
    decode::<Id>(body).map_or(0, |id| id.id)
}
