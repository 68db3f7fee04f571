//! The life of the machine in a worker.
//!
//! ```text
//!            launch            pause / preserve
//!   Empty ──────────> Running <────────────────> Paused        restart, reset: back to Running
//!                        │  power-off, crash, quit  │
//!                        └───────────> Ended <──────┘          memory is freed; the worker waits for Release
//! ```

mod block_jobs;
mod disks;
mod guard;
mod iothreads;
mod late;
mod migrate;
mod plug;
mod save;
mod sleep;
mod streams;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use super::history::History;
use super::locks::DiskLocks;
use super::sessions::OwnSocket;
use crate::config::{ConsoleEnd, DeviceKind, FdIndex, LifecycleAction, VmConfig};
use crate::console::Console;
use crate::machine::{
    Consoles, FdError, FdTable, GuestStop, Happened, Machine, MachineError, Parts, Signals,
    pin_current_thread,
};
use crate::migration::Mailbox;
use crate::pci::Ejected;
use crate::protocol::{End, ErrorCode, Event, Failure, PauseReason, Stats, Status};
use crate::sandbox::{self, SandboxError, ThreadFilter, ThreadMaker, ThreadRole};
use block_jobs::Jobs;
use migrate::{Arrival, Migrating};
use save::{Image, Saving};

/// The machine of a worker, before, during and after its life.
pub(super) struct Life {
    state: State,
    config: Option<VmConfig>,
    consoles: Consoles,
    ends: Ends,
    signals: Arc<Signals>,
    launched: Instant,
    locked_in: bool,
    last_stats: Stats,
    mailbox: Arc<Mailbox>,
    migration: Option<Migrating>,
    locks: DiskLocks,
    saving: Option<Saving>,
    jobs: Jobs,
    /// A job came to another state since they were looked at.
    jobs_moved: bool,
    /// Programs of the guest want connections that the daemon was not told of.
    dialed: bool,
    /// What a guest did to itself of which pages are missing.
    stopped_late: Option<GuestStop>,
    /// What it let go of then.
    ejected_late: Vec<Ejected>,
    /// What the guest has set its clock to and nobody was told yet, and when somebody was last.
    clock_untold: Option<i64>,
    clock_told: Option<Instant>,
    /// The guest has said since it booted that it looks after its panic.
    panic_told: bool,
    /// When somebody was told of a watchdog that expires and lets the guest run.
    watchdog_told: Option<Instant>,
    /// Says that a guest that came here has run.
    witness: Option<File>,
    pub(super) history: History,
    /// Events that were not sent to a daemon yet.
    pub(super) fresh: Vec<(u64, Event)>,
}

/// Own sockets of consoles.
type Ends = Vec<(Arc<Console>, OwnSocket)>;

enum State {
    Empty,
    Running(Box<Machine>),
    Paused(Box<Machine>, PauseReason),
    Incoming(Box<Machine>, Box<Arrival>),
    Ended(End),
}

impl Life {
    pub(super) fn new(signals: Signals, mailbox: Mailbox) -> Self {
        Self {
            state: State::Empty,
            config: None,
            consoles: Consoles::new(),
            ends: Ends::new(),
            signals: Arc::new(signals),
            launched: Instant::now(),
            locked_in: false,
            last_stats: Stats::default(),
            mailbox: Arc::new(mailbox),
            migration: None,
            locks: DiskLocks::default(),
            saving: None,
            jobs: Jobs::new(),
            jobs_moved: false,
            dialed: false,
            stopped_late: None,
            ejected_late: Vec::new(),
            clock_untold: None,
            clock_told: None,
            panic_told: false,
            watchdog_told: None,
            witness: None,
            history: History::default(),
            fresh: Vec::new(),
        }
    }

    /// Readable when [`Life::attend`] has something to do.
    pub(super) fn signals_fd(&self) -> RawFd {
        self.signals.as_raw_fd()
    }

    /// Readable when [`Life::read_mail`] has something to do.
    pub(super) fn mail_fd(&self) -> RawFd {
        self.mailbox.as_raw_fd()
    }

    /// The configuration of the machine that is there.
    pub(super) fn launched_config(&self) -> Result<VmConfig, Failure> {
        let none = || Failure::new(ErrorCode::State, "no machine was launched yet");
        self.config.clone().ok_or_else(none)
    }

    pub(super) fn config(&self) -> Option<&VmConfig> {
        self.config.as_ref()
    }

    pub(super) fn status(&self) -> Status {
        if let Some(interrupted) = self.late() {
            return Status::Late { interrupted };
        }
        match &self.state {
            State::Empty => Status::Empty,
            State::Running(_) => Status::Running,
            State::Paused(_, reason) => Status::Paused { reason: reason.clone() },
            State::Incoming(_, arrival) => Status::Incoming { whole: arrival.whole },
            State::Ended(end) => Status::Ended { end: end.clone() },
        }
    }

    fn push(&mut self, event: Event) {
        let seq = self.history.push(event.clone());
        self.fresh.push((seq, event));
    }

    fn machine(&self) -> Result<&Machine, Failure> {
        match &self.state {
            State::Running(machine) | State::Paused(machine, _) => Ok(machine),
            State::Empty => Err(Failure::new(ErrorCode::State, "no machine was launched yet")),
            State::Incoming(..) => Err(Failure::new(ErrorCode::State, "the guest is still on its way here")),
            State::Ended(_) => Err(Failure::new(ErrorCode::State, "the machine has ended")),
        }
    }

    /// Builds the machine and starts it, from its kernel or from saved state.
    pub(super) fn launch(
        &mut self,
        mut config: VmConfig,
        fds: Vec<OwnedFd>,
        saved: Option<FdIndex>,
    ) -> Result<(), Failure> {
        self.begin(&config)?;
        let fds = FdTable::new(fds);
        let vcpus = config.vcpus;
        let image = saved.map(|index| Image::open(&fds, index, &mut config)).transpose()?;
        let slots = config.validate().map_err(MachineError::from).map_err(machine_failure)?;
        plug::settle_slots(&mut config, &slots);
        let (machine, consoles) = self.raise(&config, &fds, |parts| match image {
            Some(image) => image.build(parts),
            None => Machine::build(parts),
        })?;
        self.locks.note(&config.devices, &fds).map_err(|error| machine_failure(error.into()))?;
        drop(fds);
        self.consoles = consoles;
        if config.start_paused {
            self.state = State::Paused(Box::new(machine), PauseReason::Asked);
        } else {
            machine.resume();
            self.state = State::Running(Box::new(machine));
        }
        self.config = Some(VmConfig { vcpus, ..config });
        self.count_vcpus();
        Ok(())
    }

    /// The first thing in the life of a machine. The process is locked in before anything is read that a guest has made.
    fn begin(&mut self, config: &VmConfig) -> Result<(), Failure> {
        if !matches!(self.state, State::Empty) {
            return Err(Failure::new(ErrorCode::State, "a machine was launched already"));
        }
        self.launched = Instant::now();
        config.validate().map_err(MachineError::from).map_err(machine_failure)?;
        if !self.locked_in {
            sandbox::enter(&config.sandbox).map_err(sandbox_failure)?;
            self.locked_in = true;
        }
        Ok(())
    }

    /// Makes the machine, and gives up what was needed only for that.
    fn raise(
        &mut self,
        config: &VmConfig,
        fds: &FdTable,
        make: impl FnOnce(Parts<'_>) -> Result<Machine, MachineError>,
    ) -> Result<(Machine, Consoles), Failure> {
        let (consoles, ends) = self.consoles(config, fds)?;
        let mode = config.sandbox.seccomp;
        let vcpu_filter = ThreadFilter::new(mode, ThreadRole::Vcpu).map_err(sandbox_failure)?;
        let signals = Arc::clone(&self.signals);
        let iothread_filter = match config.iothreads.is_empty() {
            true => ThreadFilter::none(),
            false => ThreadFilter::new(mode, ThreadRole::Device).map_err(sandbox_failure)?,
        };
        let parts = Parts { config, fds, consoles: &consoles, signals, vcpu_filter, iothread_filter };
        let machine = make(parts).map_err(machine_failure)?;
        pin_current_thread(&config.emulator_pinning).map_err(|error| {
            Failure::new(ErrorCode::Config, format!("the worker can't be pinned: {error}"))
        })?;
        ThreadMaker::start(mode).map_err(sandbox_failure)?;
        let own_filter = ThreadFilter::new(mode, ThreadRole::EventLoop).map_err(sandbox_failure)?;
        own_filter.apply().map_err(|source| {
            sandbox_failure(SandboxError::Step { step: "filter its system calls", source })
        })?;
        self.ends = ends;
        Ok((machine, consoles))
    }

    /// Makes the consoles of a machine, and what is to be served on the host for them.
    fn consoles(&self, config: &VmConfig, fds: &FdTable) -> Result<(Consoles, Ends), Failure> {
        let (mut consoles, mut ends) = (Consoles::new(), Ends::new());
        let mut add = |alias: &String, channel: bool, log: Option<FdIndex>, end: ConsoleEnd| {
            let signals = Arc::clone(&self.signals);
            let told = Box::new(move || signals.first_output());
            let log = log.map(|log| fds.file(log)).transpose()?;
            let console = match channel {
                true => Console::channel(alias, log, told),
                false => Console::new(alias, log, told),
            };
            let end = match end {
                ConsoleEnd::Nobody => None,
                ConsoleEnd::Listener { fd } => Some(OwnSocket::Listener(fds.get(fd)?)),
                ConsoleEnd::Peer { fd } => Some(OwnSocket::Peer(fds.get(fd)?)),
            };
            ends.extend(end.map(|end| (Arc::clone(&console), end)));
            consoles.insert(alias.clone(), console);
            Ok(())
        };
        let mut all = || {
            for serial in &config.serials {
                add(&serial.alias, false, serial.log, serial.end)?;
            }
            for device in &config.devices {
                if let DeviceKind::Console(console) = &device.kind {
                    for port in &console.ports {
                        add(&port.alias, port.name.is_some(), port.log, port.end)?;
                    }
                }
            }
            Ok(())
        };
        all().map_err(|error: FdError| machine_failure(error.into()))?;
        Ok((consoles, ends))
    }

    /// A console or channel.
    pub(super) fn console(&self, alias: &str) -> Result<Arc<Console>, Failure> {
        let unknown = || Failure::new(ErrorCode::NotFound, format!("no console has the alias '{alias}'"));
        self.consoles.get(alias).cloned().ok_or_else(unknown)
    }

    /// What is to be served on the host for the consoles; once after a launch.
    pub(super) fn take_ends(&mut self) -> Ends {
        std::mem::take(&mut self.ends)
    }

    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        self.machine()?;
        self.replace(|state| match state {
            State::Running(machine) => {
                machine.pause();
                (State::Paused(machine, PauseReason::Asked), Some(Event::Paused))
            }
            other => (other, None),
        });
        Ok(())
    }

    pub(super) fn resume(&mut self) -> Result<(), Failure> {
        self.machine()?;
        self.abandon_save();
        if let State::Paused(_, PauseReason::Preserved { .. }) = &self.state {
            let reason = "the guest has ended and is kept for a look at it; reset or quit the machine";
            return Err(Failure::new(ErrorCode::State, reason));
        }
        if let State::Paused(_, PauseReason::Suspended) = &self.state {
            return Err(Failure::new(ErrorCode::State, "the guest suspended itself; wake it"));
        }
        self.replace(|state| match state {
            State::Paused(machine, _) => {
                machine.resume();
                (State::Running(machine), Some(Event::Resumed))
            }
            other => (other, None),
        });
        Ok(())
    }

    pub(super) fn press_power_button(&self) -> Result<(), Failure> {
        self.machine()?.press_power_button();
        Ok(())
    }

    /// Resets the machine. One that was paused because asked stays so; a preserved one runs again.
    pub(super) fn reset(&mut self) -> Result<(), Failure> {
        self.machine()?.pause();
        self.panic_told = false;
        // What the guest did to itself before the reset is void; what the host does with it goes on.
        let happened = self.signals.take();
        let Happened { ejected, clock_set, job_moved, dialed, saved, backend_lost, .. } = happened;
        self.jobs_moved |= job_moved;
        self.dialed |= dialed;
        if backend_lost {
            self.tell_losses();
        }
        if saved {
            self.end_saving();
            self.machine()?.pause();
        }
        clock_set.into_iter().for_each(|adjustment| self.clock_set(adjustment));
        ejected.into_iter().for_each(|ejected| self.bury(ejected));
        let outcome = self.machine()?.reset();
        match outcome {
            Ok(()) => {
                self.count_vcpus();
                self.replace(|state| match state {
                    State::Paused(machine, PauseReason::Asked) => {
                        (State::Paused(machine, PauseReason::Asked), Some(Event::Reset))
                    }
                    State::Running(machine) | State::Paused(machine, _) => {
                        machine.resume();
                        (State::Running(machine), Some(Event::Reset))
                    }
                    other => (other, None),
                });
                Ok(())
            }
            Err(error) => {
                let failure = machine_failure(error);
                self.end(End::Crash { reason: format!("the machine can't be reset: {failure}") });
                Err(failure)
            }
        }
    }

    pub(super) fn quit(&mut self) -> Result<(), Failure> {
        if !matches!(self.state, State::Incoming(..)) {
            self.machine()?;
        }
        if self.late().is_some() {
            // A vCPU that waits for a page can't be ended without one.
            let reason = "some of the guest's memory is not here; only the end of the process ends it";
            return Err(Failure::new(ErrorCode::State, reason));
        }
        self.abandon_save();
        self.end(End::Quit);
        Ok(())
    }

    /// Whether the process may end.
    pub(super) fn release(&self) -> Result<(), Failure> {
        match self.state {
            State::Empty | State::Ended(_) => Ok(()),
            State::Running(_) | State::Paused(..) | State::Incoming(..) => {
                Err(Failure::new(ErrorCode::State, "the machine is still there; quit it first"))
            }
        }
    }

    pub(super) fn set_stats_period(&mut self, seconds: u32) -> Result<(), Failure> {
        if !self.machine()?.devices().set_stats_period(seconds) {
            return Err(Failure::new(ErrorCode::NotFound, "the machine has no balloon"));
        }
        for device in self.config.iter_mut().flat_map(|config| &mut config.devices) {
            if let DeviceKind::Balloon(balloon) = &mut device.kind {
                balloon.stats_period = (seconds > 0).then_some(seconds);
            }
        }
        Ok(())
    }

    pub(super) fn set_balloon(&self, bytes: u64) -> Result<(), Failure> {
        let memory = self.config.as_ref().map_or(0, |config| config.memory.bytes);
        if bytes > memory {
            let reason = format!("the guest can't keep {bytes} bytes: it has {memory}");
            return Err(Failure::new(ErrorCode::Config, reason));
        }
        if self.machine()?.devices().set_balloon(bytes) {
            Ok(())
        } else {
            Err(Failure::new(ErrorCode::NotFound, "the machine has no balloon"))
        }
    }

    /// Counters; after the end of the machine, the last ones.
    pub(super) fn stats(&self) -> Stats {
        self.machine().map_or_else(|_| self.last_stats.clone(), Machine::stats)
    }

    /// Deals with what the machine reported. True when the guest came to a stop or was woken: who wants it to stand looks again.
    pub(super) fn attend(&mut self) -> bool {
        let happened = self.signals.take();
        let Happened { first_output, balloon, stop, panic_handled, ejected, vcpus, saved, .. } = happened;
        self.jobs_moved |= happened.job_moved;
        self.dialed |= happened.dialed;
        if happened.disk_stopped {
            self.disk_stopped();
        }
        if happened.backend_lost {
            self.tell_losses();
        }
        if let Some(adjustment) = happened.clock_set {
            self.clock_set(adjustment);
        }
        self.bury_when_whole(ejected);
        if vcpus {
            self.count_vcpus();
        }
        if let Some(at) = first_output
            && !self.history.after(0).any(|(_, event)| matches!(event, Event::FirstOutput { .. }))
        {
            let after_us = at.duration_since(self.launched).as_micros() as u64;
            self.push(Event::FirstOutput { after_us });
        }
        if let Some(bytes) = balloon {
            self.push(Event::BalloonChanged { bytes });
        }
        if saved {
            self.end_saving();
        }
        let stop = self.stop_when_whole(stop);
        // It may say so in a loop.
        if panic_handled && !std::mem::replace(&mut self.panic_told, true) {
            self.push(Event::GuestPanicHandled);
        }
        let stopped = stop.is_some();
        stop.into_iter().for_each(|stop| self.guest_stopped(stop));
        let woke = happened.wake && self.wake_if_due();
        stopped || woke
    }

    fn guest_stopped(&mut self, stop: GuestStop) {
        if stop == GuestStop::Suspend {
            return self.guest_sleeps();
        }
        let (Ok(machine), Some(config)) = (self.machine(), &self.config) else { return };
        machine.pause();
        let (event, action, end) = match stop {
            GuestStop::PowerOff => (Event::GuestPowerOff, config.on_poweroff, End::PowerOff),
            GuestStop::Reset => (Event::GuestReboot, config.on_reboot, End::Reboot),
            // Whoever boots it next goes on; a machine that started again at once would be no suspended one.
            GuestStop::Hibernate | GuestStop::Suspend => return self.end(End::Hibernated),
            GuestStop::Crash(reason) => {
                (Event::GuestCrash { reason: reason.clone() }, config.on_crash, End::Crash { reason })
            }
        };
        self.push(event);
        match action {
            LifecycleAction::Destroy => self.end(end),
            // A failed reset ends the machine and says so in its events.
            LifecycleAction::Restart => drop(self.reset()),
            LifecycleAction::Preserve => self.replace(|state| match state {
                State::Running(machine) | State::Paused(machine, _) => {
                    (State::Paused(machine, PauseReason::Preserved { end }), Some(Event::Paused))
                }
                other => (other, None),
            }),
        }
    }

    fn end(&mut self, end: End) {
        self.tell_clock(true);
        self.last_stats = self.stats();
        self.migration = None;
        self.drop_jobs();
        let mut locks = std::mem::take(&mut self.locks);
        self.replace(|state| {
            drop(state);
            // Disks have put down what they held back, and may be another's.
            locks.clear();
            (State::Ended(end.clone()), Some(Event::Ended { end }))
        });
    }

    fn replace(&mut self, change: impl FnOnce(State) -> (State, Option<Event>)) {
        let (state, event) = change(std::mem::replace(&mut self.state, State::Empty));
        self.state = state;
        event.into_iter().for_each(|event| self.push(event));
    }
}

/// The whole chain of causes in one sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

fn machine_failure(error: MachineError) -> Failure {
    let code = match &error {
        MachineError::Config(_) | MachineError::Bus(_) => ErrorCode::Config,
        MachineError::IothreadInUse { .. } => ErrorCode::State,
        MachineError::Fd(_) => ErrorCode::BadRequest,
        MachineError::Boot(_) => ErrorCode::Kernel,
        MachineError::Device(error) => plug::device_code(error),
        MachineError::State(_) | MachineError::Bridge(_) => ErrorCode::Image,
        MachineError::Memory(_)
        | MachineError::Hypervisor(_)
        | MachineError::Clock(_)
        | MachineError::Iothread { .. }
        | MachineError::Thread { .. } => ErrorCode::Host,
    };
    Failure::new(code, sentence(&error))
}

fn sandbox_failure(error: SandboxError) -> Failure {
    Failure::new(ErrorCode::Host, sentence(&error))
}
