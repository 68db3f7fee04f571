//! A guest that leaves this worker, and one that comes to it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use reeve_migrate::{GuestError, Phase, Received, Sent, StrategyQuestion};
use uuid::Uuid;

use super::{Life, State, machine_failure, plug};
use crate::config::VmConfig;
use crate::machine::{FdTable, Machine, MachineError};
use crate::migration::{Ask, Faults, Job, LatePages, Letter, Reply, Streams};
use crate::protocol::{
    End, ErrorCode, Event, Failure, MigratingPhase, MigrationLimits, MigrationNews, MigrationOrder,
    MigrationRound, MovedDisk, PauseReason, Witness,
};
use crate::state::MachineState;

/// A migration of the guest of this worker.
pub(super) struct Migrating {
    pub(super) job: Job,
    /// It stands still only because of the migration.
    was_running: bool,
    /// The thread waits to hear whether the guest is given up.
    deciding: Option<Letter>,
    /// It waits to hear the step that the daemon's strategy says.
    pub(super) asking: Option<Letter>,
    /// Questions to that strategy.
    pub(super) questions: u32,
    /// Microseconds that the strategy took.
    strategy_us: u64,
    pub(super) given_up: bool,
    /// Microseconds that the guest stood still when the destination had all of it.
    stopped_us: u64,
    /// What it may cost.
    pub(super) limits: Option<MigrationLimits>,
    /// Source: pages come when the guest runs at the destination.
    pub(super) post_copy: bool,
    /// Microseconds that the guest stood still, when it goes on before all of it is there.
    pub(super) downtime_us: u64,
    /// The thread has ended without an end of the migration.
    pub(super) over: bool,
    /// Destination: the memory of a guest that runs here and of which pages are missing.
    pub(super) late: Option<Arc<LatePages>>,
}

impl Migrating {
    fn new(job: Job, was_running: bool) -> Self {
        Self {
            job,
            was_running,
            deciding: None,
            asking: None,
            questions: 0,
            strategy_us: 0,
            given_up: false,
            stopped_us: 0,
            limits: None,
            post_copy: false,
            downtime_us: 0,
            over: false,
            late: None,
        }
    }
}

/// A guest that is to come.
pub(super) struct Arrival {
    /// Everything of it is here.
    pub(super) whole: bool,
    config: VmConfig,
    fds: FdTable,
    shared: Vec<String>,
    /// Disks that came along: locked from the beginning.
    held: Vec<String>,
    paused: bool,
    pages: Option<Arc<LatePages>>,
    witness: Option<File>,
}

impl Life {
    /// Carries out what a daemon orders.
    pub(in crate::worker) fn migrate(
        &mut self,
        order: MigrationOrder,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        match order {
            MigrationOrder::Send { migration, limits, steered, disks, streams } => {
                self.send_away(migration, (limits, steered), &disks, (streams, fds))?;
            }
            MigrationOrder::Advise { number, answer } => self.advise(number, answer, fds)?,
            MigrationOrder::AddStreams => self.add_streams(fds)?,
            MigrationOrder::Limit { limits } => {
                let migrating = self.migrating()?;
                migrating.job.limit(&limits);
                migrating.limits = Some(limits);
            }
            MigrationOrder::StopNow => self.migrating()?.job.stop_now(),
            MigrationOrder::SwitchNow => self.switch_now()?,
            MigrationOrder::Interrupt => self.interrupt()?,
            MigrationOrder::Resume { migration } => self.resume_late(migration, fds)?,
            MigrationOrder::Abort { reason } => self.abort_migration(&reason)?,
            MigrationOrder::Decide { given_up } => self.decide(given_up)?,
            MigrationOrder::TakeBack { shared } => self.take_back(&shared)?,
            MigrationOrder::Receive { migration, config, shared, paused, late, witness, disks, streams } => {
                let extras = Extras { late, witness, disks, streams };
                self.receive(migration, *config, shared, paused, (extras, fds))?;
            }
            MigrationOrder::Settle { given_up } => self.settle(given_up)?,
        }
        Ok(())
    }

    /// While the guest is moved the machine must stay as it is.
    pub(in crate::worker) fn refuse_migrating(&self) -> Result<(), Failure> {
        let reason = match &self.migration {
            None => return Ok(()),
            Some(Migrating { late: Some(_), .. }) => {
                "some of the guest's memory is still at the host that it comes from; wait until all of it is here"
            }
            Some(Migrating { given_up: true, .. }) => {
                "the guest is another host's, which may still fetch memory of it"
            }
            Some(_) => "the guest is being migrated; abort the migration first",
        };
        Err(Failure::new(ErrorCode::State, reason))
    }

    pub(super) fn migrating(&mut self) -> Result<&mut Migrating, Failure> {
        let none = || Failure::new(ErrorCode::State, "no migration is under way");
        self.migration.as_mut().ok_or_else(none)
    }

    fn send_away(
        &mut self,
        migration: Uuid,
        limits: (MigrationLimits, bool),
        disks: &[MovedDisk],
        (most, mut fds): (u16, Vec<OwnedFd>),
    ) -> Result<(), Failure> {
        let _ = self.attend();
        if self.migration.is_some() {
            return Err(Failure::new(ErrorCode::State, "the guest is being migrated already"));
        }
        let (Some(first), true) = (fds.pop(), fds.len() < usize::from(most)) else {
            return Err(Failure::new(
                ErrorCode::BadRequest,
                "a migration comes with its streams, and no more",
            ));
        };
        let streams = Streams { first, beside: fds, most };
        let (machine, was_running) = match &self.state {
            State::Running(machine) => (machine, true),
            State::Paused(machine, PauseReason::Asked) => (machine, false),
            _ => return Err(Failure::new(ErrorCode::State, "there is no guest that could be migrated")),
        };
        machine.refuse_shares().map_err(machine_failure)?;
        let name = self.config.as_ref().map_or("", |config| config.name.as_str());
        let disks = disks.iter().map(|disk| machine.leaving_disk(&disk.alias, disk.shallow));
        let disks = disks.collect::<Result<_, _>>().map_err(machine_failure)?;
        let job =
            Job::send(migration, name, streams, limits, (machine.memory().clone(), disks), &self.mailbox);
        let job = job
            .map_err(|error| Failure::new(ErrorCode::Host, format!("the migration can't begin: {error}")))?;
        self.migration = Some(Migrating { limits: Some(limits.0), ..Migrating::new(job, was_running) });
        Ok(())
    }

    pub(super) fn abort_migration(&mut self, reason: &str) -> Result<(), Failure> {
        let is_coming = matches!(self.state, State::Incoming(..));
        let migrating = self.migrating()?;
        if migrating.late.is_some() {
            // Its stream would break, and the guest miss what did not come yet.
            return Err(Failure::new(ErrorCode::State, "the guest runs here already, and does not go back"));
        }
        if is_coming {
            let reason =
                "the guest comes from another host: end its migration there, or destroy the domain here";
            return Err(Failure::new(ErrorCode::State, reason));
        }
        if migrating.given_up {
            return Err(Failure::new(ErrorCode::State, "the guest is the destination's already"));
        }
        if migrating.deciding.is_some() {
            // The daemon may have written down by now that it gives the guest up: it alone can say that it does not.
            let reason = "all of the guest is at the destination, to which it is being handed over";
            return Err(Failure::new(ErrorCode::State, reason));
        }
        migrating.job.abort(reason);
        if let Some(letter) = migrating.asking.take() {
            letter.answer(Err(GuestError(reason.to_owned())));
        }
        Ok(())
    }

    fn decide(&mut self, given_up: bool) -> Result<(), Failure> {
        let migrating = self.migrating()?;
        let Some(letter) = migrating.deciding.take() else {
            return Err(Failure::new(ErrorCode::State, "there is nothing to decide about the guest now"));
        };
        migrating.given_up = given_up;
        if given_up {
            self.locks.release();
            self.phase(MigratingPhase::GivenUp);
            letter.answer(Ok(Reply::Done));
        } else {
            letter.answer(Err(GuestError("the host did not give the guest up".to_owned())));
        }
        Ok(())
    }

    /// Says in the status how far a guest is that stands still.
    fn phase(&mut self, phase: MigratingPhase) {
        if let State::Paused(_, PauseReason::Migrating { phase: now }) = &mut self.state {
            *now = phase;
        }
    }

    fn take_back(&mut self, shared: &[String]) -> Result<(), Failure> {
        if !self.migrating()?.given_up {
            return Err(Failure::new(ErrorCode::State, "the guest was not given up"));
        }
        self.locks.take(shared, &[]).map_err(|reason| Failure::new(ErrorCode::Host, reason))?;
        self.keep();
        self.migration = None;
        Ok(())
    }

    /// The guest stays: it goes on as before.
    fn keep(&mut self) {
        let Some(Migrating { was_running, .. }) = self.migration else { return };
        let Ok(machine) = self.machine() else { return };
        // The log costs time but harms nobody when KVM does not end it.
        let _ = machine.track_dirty(false);
        machine.throttle(0);
        self.replace(|state| match state {
            State::Paused(machine, PauseReason::Migrating { .. }) if was_running => {
                machine.resume();
                (State::Running(machine), None)
            }
            State::Paused(machine, PauseReason::Migrating { .. }) => {
                (State::Paused(machine, PauseReason::Asked), None)
            }
            other => (other, None),
        });
    }

    fn receive(
        &mut self,
        migration: Uuid,
        mut config: VmConfig,
        shared: Vec<String>,
        paused: bool,
        (extras, mut fds): (Extras, Vec<OwnedFd>),
    ) -> Result<(), Failure> {
        let mut take = |what: &str| {
            let missing = || Failure::new(ErrorCode::BadRequest, format!("{what} is missing"));
            fds.pop().ok_or_else(missing)
        };
        let stream = take("the stream that a guest comes over")?;
        let faults = extras.late.then(|| take("the userfaultfd device")).transpose()?;
        let witness = extras.witness.then(|| take("the file of what became of a guest")).transpose()?;
        self.begin(&config)?;
        // Where the host can't, or pages are too large for it, they just all come before the guest.
        let faults = faults.filter(|_| config.memory.hugepages.is_none());
        let faults = faults.and_then(|device| Faults::new(&device).ok());
        let slots = config.validate().map_err(MachineError::from).map_err(machine_failure)?;
        plug::settle_slots(&mut config, &slots);
        let fds = FdTable::new(fds);
        let (machine, consoles) = self.raise(&config, &fds, Machine::await_guest)?;
        self.locks.note(&config.devices, &fds).map_err(|error| machine_failure(error.into()))?;
        let pages = faults.map(|faults| LatePages::new(faults, machine.memory().clone()));
        let disks = super::disks::arriving(&extras.disks, &config, &fds)?;
        let moved = (machine.memory().clone(), disks);
        let job = Job::receive(migration, (stream, extras.streams), moved, pages.clone(), &self.mailbox);
        let job =
            job.map_err(|error| Failure::new(ErrorCode::Host, format!("the guest can't come: {error}")))?;
        self.migration = Some(Migrating::new(job, !paused));
        self.consoles = consoles;
        self.config = Some(config.clone());
        let witness = witness.map(File::from);
        let held = extras.disks.into_iter().map(|disk| disk.alias).collect();
        let arrival = Arrival { whole: false, config, fds, shared, held, paused, pages, witness };
        self.state = State::Incoming(Box::new(machine), Box::new(arrival));
        Ok(())
    }

    fn settle(&mut self, given_up: bool) -> Result<(), Failure> {
        let State::Incoming(_, arrival) = &self.state else {
            return Err(Failure::new(ErrorCode::State, "no guest is on its way to this worker"));
        };
        if !given_up {
            self.discard("the other host keeps the guest".to_owned());
            return Ok(());
        }
        if !arrival.whole {
            return Err(Failure::new(ErrorCode::State, "the guest is not here yet"));
        }
        let late = arrival.pages.as_ref().is_some_and(|pages| pages.is_late());
        if late && !self.migrating()?.over {
            // The end of the stream would leave the guest without its pages.
            return Err(Failure::new(ErrorCode::State, "the stream to the source still stands"));
        }
        self.run_arrived().map_err(|error| Failure::new(ErrorCode::Host, error.0))?;
        if late {
            let reason = "the connection broke before the guest could run".to_owned();
            self.push(Event::Migration { news: MigrationNews::Interrupted { reason } });
            return Ok(());
        }
        self.migration = None;
        self.push(Event::Migration { news: MigrationNews::Arrived });
        Ok(())
    }

    fn discard(&mut self, reason: String) {
        self.push(Event::Migration { news: MigrationNews::Discarded { reason } });
        self.end(End::Quit);
    }

    /// Answers what the thread of the migration asks.
    pub(in crate::worker) fn read_mail(&mut self) {
        while let Some(letter) = self.mailbox.take() {
            if self.migration.is_none() {
                letter.answer(Err(GuestError("the migration is over".to_owned())));
                continue;
            }
            match &letter.ask {
                Ask::GiveUp => self.ask_daemon(letter),
                Ask::Advice(question) => self.ask_strategy(*question, letter),
                Ask::Report(phase) => self.report(phase),
                Ask::Sent(_) | Ask::Received(_) => self.ended_by(letter.ask),
                _ => {
                    let outcome = self.carry_out_ask(&letter.ask);
                    letter.answer(outcome);
                }
            }
        }
    }

    fn carry_out_ask(&mut self, ask: &Ask) -> Result<Reply, GuestError> {
        match ask {
            Ask::Track => self.leaving()?.track_dirty(true).map_err(guest_error)?,
            Ask::TakeDirty => {
                let dirty = self.leaving()?.take_dirty().map_err(guest_error)?;
                return Ok(Reply::Dirty(dirty.runs().collect()));
            }
            Ask::Throttle(percent) => self.leaving()?.throttle(*percent),
            Ask::Stop => self.stop_for_migration()?,
            Ask::State => {
                let state = self.leaving()?.save().map_err(guest_error)?;
                return Ok(Reply::State(state.to_bytes().map_err(|error| guest_error(error.into()))?));
            }
            Ask::Keep => self.keep(),
            Ask::Load(state) => self.load(state)?,
            Ask::Run => self.run_arrived()?,
            Ask::Whole => self.whole(),
            Ask::GiveUp | Ask::Advice(_) | Ask::Report(_) | Ask::Sent(_) | Ask::Received(_) => {}
        }
        Ok(Reply::Done)
    }

    fn leaving(&self) -> Result<&Machine, GuestError> {
        self.machine().map_err(|failure| GuestError(failure.message))
    }

    /// Stops the guest. What it did to itself just before comes first: it may end, or start again.
    fn stop_for_migration(&mut self) -> Result<(), GuestError> {
        loop {
            self.leaving()?.pause();
            if !self.attend() {
                break;
            }
        }
        self.tell_clock(true);
        self.leaving()?.quiesce();
        self.replace(|state| match state {
            State::Running(machine) | State::Paused(machine, PauseReason::Asked) => {
                let reason = PauseReason::Migrating { phase: MigratingPhase::Sending };
                (State::Paused(machine, reason), None)
            }
            other => (other, None),
        });
        match &self.state {
            State::Paused(_, PauseReason::Migrating { .. }) => Ok(()),
            _ => Err(GuestError("the guest has ended or suspended itself".to_owned())),
        }
    }

    fn ask_daemon(&mut self, letter: Letter) {
        let Some(migrating) = &mut self.migration else { return };
        if let Some(reason) = migrating.job.aborted() {
            return letter.answer(Err(GuestError(reason)));
        }
        let Migrating { stopped_us, strategy_us, post_copy, .. } = *migrating;
        migrating.deciding = Some(letter);
        self.phase(MigratingPhase::Deciding);
        self.push(Event::Migration { news: MigrationNews::Ready { stopped_us, strategy_us, post_copy } });
    }

    fn ask_strategy(&mut self, question: StrategyQuestion, letter: Letter) {
        let Some(migrating) = &mut self.migration else { return };
        migrating.questions += 1;
        let number = migrating.questions;
        migrating.asking = Some(letter);
        self.push(Event::Migration { news: MigrationNews::Asks { number, question } });
    }

    fn report(&mut self, phase: &Phase) {
        let news = match phase {
            Phase::Disks(stats) => MigrationNews::Disks {
                processed: stats.processed,
                remaining: stats.remaining,
                elapsed_us: micros(stats.elapsed),
            },
            Phase::Within(stats) => MigrationNews::Within {
                elapsed_us: micros(stats.elapsed),
                pages: stats.pages,
                zero_pages: stats.zero_pages,
                bytes: stats.bytes,
                left: stats.left,
                streams: stats.streams,
            },
            Phase::Round(stats) => MigrationNews::Round { round: MigrationRound::from(stats) },
            Phase::Stopped => MigrationNews::Stopped,
            Phase::Ready { stopped_for, asked_for, post_copy } => {
                if let Some(migrating) = &mut self.migration {
                    migrating.stopped_us = micros(*stopped_for);
                    migrating.strategy_us = micros(*asked_for);
                    migrating.post_copy = *post_copy;
                }
                return;
            }
            Phase::Late(stats) => {
                if let Some(migrating) = &mut self.migration {
                    migrating.downtime_us = migrating.downtime_us.max(micros(stats.downtime));
                }
                MigrationNews::Late { missing: stats.missing, pages: stats.pages, bytes: stats.bytes }
            }
        };
        self.push(Event::Migration { news });
    }

    /// The thread is done.
    fn ended_by(&mut self, ask: Ask) {
        let news = match ask {
            Ask::Sent(Ok(Sent::Running { downtime })) => {
                MigrationNews::Moved { downtime_us: micros(downtime) }
            }
            Ask::Sent(Ok(Sent::Whole)) => {
                let downtime_us = self.migration.as_ref().map_or(0, |migrating| migrating.downtime_us);
                MigrationNews::Moved { downtime_us }
            }
            Ask::Sent(Ok(Sent::Interrupted(error))) | Ask::Received(Ok(Received::Interrupted(error))) => {
                self.over();
                MigrationNews::Interrupted { reason: error.to_string() }
            }
            Ask::Sent(Ok(Sent::Unconfirmed(error))) => {
                MigrationNews::Unconfirmed { reason: error.to_string() }
            }
            Ask::Sent(Err(error)) => {
                self.migration = None;
                MigrationNews::Kept { reason: error.to_string() }
            }
            Ask::Received(Ok(Received::Running)) => {
                self.migration = None;
                self.push(Event::Migration { news: MigrationNews::Arrived });
                return self.catch_up();
            }
            Ask::Received(Ok(Received::Undecided(error))) => {
                self.over();
                MigrationNews::Undecided { reason: error.to_string() }
            }
            Ask::Received(Err(error)) => return self.discard(error.to_string()),
            _ => return,
        };
        self.push(Event::Migration { news });
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), GuestError> {
        let State::Incoming(machine, arrival) = &mut self.state else {
            return Err(GuestError("no guest is on its way to this worker".to_owned()));
        };
        let state = MachineState::from_bytes(bytes).map_err(|error| guest_error(error.into()))?;
        state.settle_vcpus(&mut arrival.config);
        machine.take_in(&arrival.config, &arrival.fds, &state).map_err(guest_error)?;
        arrival.whole = true;
        Ok(())
    }

    /// The guest is this side's: its disks are taken, and it runs unless it stood still before.
    fn run_arrived(&mut self) -> Result<(), GuestError> {
        let State::Incoming(_, arrival) = &self.state else {
            return Err(GuestError("no guest is on its way to this worker".to_owned()));
        };
        self.locks.take(&arrival.shared, &arrival.held).map_err(GuestError)?;
        let pages = arrival.pages.clone().filter(|pages| pages.is_late());
        if let Some(witness) = &arrival.witness {
            let says = if pages.is_some() { Witness::Ran } else { Witness::Whole };
            let mut witness = witness.try_clone().map_err(witness_error)?;
            // Before the first instruction: who reads that there was none must be right.
            witness.write_all(says.bytes()).map_err(witness_error)?;
            self.witness = Some(witness);
        }
        if let Some(migrating) = &mut self.migration {
            migrating.late = pages;
        }
        self.replace(|state| match state {
            State::Incoming(machine, arrival) if arrival.paused => {
                (State::Paused(machine, PauseReason::Asked), None)
            }
            State::Incoming(machine, _) => {
                machine.resume();
                (State::Running(machine), None)
            }
            other => (other, None),
        });
        self.count_vcpus();
        Ok(())
    }
}

/// What comes with a guest beside its stream.
struct Extras {
    late: bool,
    witness: bool,
    disks: Vec<MovedDisk>,
    streams: u16,
}

fn witness_error(error: std::io::Error) -> GuestError {
    GuestError(format!("it can't be written down that the guest runs: {error}"))
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn guest_error(error: MachineError) -> GuestError {
    GuestError(machine_failure(error).message)
}
