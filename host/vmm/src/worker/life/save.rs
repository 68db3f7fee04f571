//! Saving the machine to a descriptor, launching one from it, and dumping its memory.
//!
//! ```text
//!   Running or Paused ── Save ──> Paused (saving) ── all is written ──> Paused (saved) ── Quit ──> Ended
//!        ^                            │ failed, cancelled                   │ Resume: nobody wants it
//!        └────────────────────────────┴──────────────────────────────────────┘
//! ```
//!
//! A dump is written in the same way; what comes after it is what was before, but that a machine that ran is paused. One of a live guest
//! changes nothing.
//!
//! A thread of its own writes, so that the daemon is heard meanwhile. The machine goes on by itself only when nothing was
//! saved: whether what was written counts is for the daemon to know, which may be another one by then.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

use super::{Life, State, machine_failure, sentence};
use crate::config::{FdIndex, VmConfig};
use crate::core_dump::write_core;
use crate::machine::{FdTable, Machine, MachineError, Parts};
use crate::memory::Memory;
use crate::protocol::{ErrorCode, Event, Failure, PauseReason, SaveStatus};
use crate::sandbox::{self, ThreadRole};
use crate::state::{
    MachineState, Progress, StateError, StreamReader, StreamWriter, read_memory, write_memory,
};

/// What is written of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Save,
    Dump { live: bool },
}

/// A machine that is being saved or dumped.
pub(super) struct Saving {
    thread: JoinHandle<Result<(), StateError>>,
    progress: Arc<Progress>,
    total: u64,
    purpose: Purpose,
    /// Why it stood still before; none when it ran.
    stood: Option<PauseReason>,
}

/// What a thread of its own does.
type Work = Box<dyn FnOnce(&Progress) -> Result<(), StateError> + Send>;

impl Life {
    /// Whether a save or dump is under way: the machine can't be changed meanwhile.
    pub(in crate::worker) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Stops the machine and begins to write it to the descriptor that came along. [`Event::SaveEnded`] follows.
    pub(in crate::worker) fn save(&mut self, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let (file, stood) = self.stand_for(fds)?;
        if let Some(PauseReason::Preserved { .. }) = &stood {
            return Err(Failure::new(
                ErrorCode::State,
                "the guest has ended; there is nothing to go on with",
            ));
        }
        if stood == Some(PauseReason::Suspended) {
            return Err(Failure::new(ErrorCode::State, "the guest suspended itself; wake it first"));
        }
        self.begin_writing(Purpose::Save, file, stood)
    }

    /// Begins to write memory and registers to the descriptor that came along. [`Event::SaveEnded`] follows.
    pub(in crate::worker) fn dump(&mut self, fds: Vec<OwnedFd>, live: bool) -> Result<(), Failure> {
        let slept = matches!(self.state, State::Paused(_, PauseReason::Suspended));
        let (file, stood) = self.stand_for(fds)?;
        // One that wakes at this moment goes on: who asked took it for one that sleeps, and would not resume it.
        let live = live || slept && stood.is_none();
        self.begin_writing(Purpose::Dump { live }, file, stood)
    }

    /// Stops the vCPUs; why they stood still before, if they did.
    fn stand_for(&mut self, fds: Vec<OwnedFd>) -> Result<(File, Option<PauseReason>), Failure> {
        let [fd] = <[OwnedFd; 1]>::try_from(fds)
            .map_err(|_| Failure::new(ErrorCode::BadRequest, "it takes one descriptor"))?;
        self.attend();
        loop {
            self.machine()?.pause();
            // What the guest did to itself before it stood counts first, and may let it run again.
            if !self.attend() {
                break;
            }
        }
        self.tell_clock(true);
        // It may have ended by that.
        self.machine()?;
        let stood = match &self.state {
            State::Paused(_, reason) => Some(reason.clone()),
            _ => None,
        };
        Ok((File::from(fd), stood))
    }

    fn begin_writing(
        &mut self,
        purpose: Purpose,
        file: File,
        stood: Option<PauseReason>,
    ) -> Result<(), Failure> {
        let begun = match purpose {
            Purpose::Save => self.save_work(file),
            Purpose::Dump { .. } => self.dump_work(file),
        };
        let was_running = stood.is_none();
        let begun = begun.and_then(|work| self.spawn(purpose, stood, work));
        match begun {
            Ok(saving) => {
                self.saving = Some(saving);
                match purpose {
                    Purpose::Dump { live: true } if was_running => self.machine()?.resume(),
                    Purpose::Dump { .. } if !was_running => {}
                    _ => self.paused_because(PauseReason::Saving),
                }
                Ok(())
            }
            Err(failure) => {
                if was_running {
                    self.machine()?.resume();
                }
                Err(failure)
            }
        }
    }

    fn save_work(&self, file: File) -> Result<Work, Failure> {
        let machine = self.machine()?;
        let state = machine.save().map_err(machine_failure)?;
        let memory = machine.memory().clone();
        let writer = StreamWriter::new(file).map_err(refused)?;
        Ok(Box::new(move |progress| write(writer, &state, &memory, progress)))
    }

    fn dump_work(&self, file: File) -> Result<Work, Failure> {
        let machine = self.machine()?;
        let vcpus = machine.registers().map_err(machine_failure)?;
        let memory = machine.memory().clone();
        Ok(Box::new(move |progress| write_core(&file, &vcpus, &memory, progress)))
    }

    fn spawn(&self, purpose: Purpose, stood: Option<PauseReason>, work: Work) -> Result<Saving, Failure> {
        let total = self.machine()?.memory().iter().map(GuestMemoryRegion::len).sum();
        let progress = Arc::<Progress>::default();
        let (shared, signals) = (Arc::clone(&progress), Arc::clone(&self.signals));
        let thread = sandbox::spawn("save", ThreadRole::Device, move || {
            let written = work(&shared);
            signals.saved();
            written
        });
        Ok(Saving { thread: thread.map_err(refused)?, progress, total, purpose, stood })
    }

    /// How far a save or dump is.
    pub(in crate::worker) fn save_status(&self) -> Result<SaveStatus, Failure> {
        let saving = self.saving.as_ref().ok_or_else(not_saving)?;
        let Saving { progress, total, purpose, .. } = saving;
        let dump = *purpose != Purpose::Save;
        Ok(SaveStatus { total: *total, done: progress.done(), data: progress.data(), dump })
    }

    /// Gives a save up; its event says so when it has ended.
    pub(in crate::worker) fn cancel_save(&self) -> Result<(), Failure> {
        self.saving.as_ref().ok_or_else(not_saving)?.progress.cancel();
        Ok(())
    }

    /// Gives a save up and waits for its end; the machine stands as it was. A dump of a guest that runs goes on.
    pub(super) fn abandon_save(&mut self) {
        if let Some(saving) = &self.saving
            && saving.purpose != (Purpose::Dump { live: true })
        {
            saving.progress.cancel();
            self.end_saving();
        }
    }

    /// The thread of a save or dump has ended, or does so now.
    pub(super) fn end_saving(&mut self) {
        let Some(Saving { thread, progress, purpose, stood, .. }) = self.saving.take() else { return };
        let panicked = |_| Err(StateError::Write(io::Error::other("the thread that wrote it failed")));
        let written = thread.join().unwrap_or_else(panicked);
        let (bytes, failure) = (progress.data(), written.err().map(|error| state_failure(&error)));
        match (purpose, stood) {
            (Purpose::Dump { live: true }, _) => {}
            (Purpose::Dump { .. }, None) if failure.is_none() => self.paused_because(PauseReason::Asked),
            // It stood all the time.
            (Purpose::Dump { .. }, Some(_)) => {}
            (Purpose::Save, _) if failure.is_none() => self.paused_because(PauseReason::Saved),
            (_, Some(reason)) => self.paused_because(reason),
            (_, None) => self.replace(|state| match state {
                State::Paused(machine, _) => {
                    machine.resume();
                    (State::Running(machine), None)
                }
                other => (other, None),
            }),
        }
        self.push(Event::SaveEnded { bytes, failure });
        self.wake_if_due();
    }

    fn paused_because(&mut self, reason: PauseReason) {
        self.replace(|state| match state {
            State::Running(machine) | State::Paused(machine, _) => (State::Paused(machine, reason), None),
            other => (other, None),
        });
    }
}

fn write(
    mut writer: StreamWriter,
    state: &MachineState,
    memory: &Memory,
    progress: &Progress,
) -> Result<(), StateError> {
    state.write_to(&mut writer)?;
    write_memory(memory, &mut writer, progress)?;
    writer.finish().map_err(StateError::Write)
}

/// State that is being read.
pub(super) struct Image {
    reader: StreamReader,
    state: MachineState,
}

impl Image {
    /// Reads the state from a descriptor, and gives a configuration the slots of its devices and the vCPUs that are there.
    pub(super) fn open(fds: &FdTable, index: FdIndex, config: &mut VmConfig) -> Result<Self, Failure> {
        let file = fds.file(index).map_err(|error| machine_failure(error.into()))?;
        let mut reader = StreamReader::new(file).map_err(|error| state_failure(&StateError::Read(error)))?;
        let state = MachineState::read_from(&mut reader).map_err(|error| state_failure(&error))?;
        state.settle_slots(config);
        state.settle_vcpus(config);
        Ok(Self { reader, state })
    }

    /// Makes the machine and fills its memory.
    pub(super) fn build(mut self, parts: Parts<'_>) -> Result<Machine, MachineError> {
        let machine = Machine::restore(parts, &self.state)?;
        read_memory(machine.memory(), &mut self.reader, &Progress::default())?;
        Ok(machine)
    }
}

fn state_failure(error: &StateError) -> Failure {
    let code = match error {
        StateError::Write(_) | StateError::Read(_) => ErrorCode::Host,
        StateError::Cancelled => ErrorCode::State,
        _ => ErrorCode::Image,
    };
    Failure::new(code, sentence(error))
}

fn refused(error: io::Error) -> Failure {
    Failure::new(ErrorCode::Host, format!("the descriptor can't be used: {error}"))
}

fn not_saving() -> Failure {
    Failure::new(ErrorCode::State, "the machine is being neither saved nor dumped")
}
