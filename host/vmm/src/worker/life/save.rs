//! Saving the machine to a descriptor, and launching one from it.
//!
//! ```text
//!   Running or Paused ── Save ──> Paused (saving) ── all is written ──> Paused (saved) ── Quit ──> Ended
//!        ^                            │ failed, cancelled                   │ Resume: nobody wants it
//!        └────────────────────────────┴──────────────────────────────────────┘
//! ```
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
use crate::machine::{FdTable, Machine, MachineError, Parts};
use crate::memory::Memory;
use crate::protocol::{ErrorCode, Event, Failure, PauseReason, SaveStatus};
use crate::sandbox::{self, ThreadRole};
use crate::state::{
    MachineState, Progress, StateError, StreamReader, StreamWriter, read_memory, write_memory,
};

/// A machine that is being saved.
pub(super) struct Saving {
    thread: JoinHandle<Result<(), StateError>>,
    progress: Arc<Progress>,
    total: u64,
    /// It runs again when it was not saved.
    was_running: bool,
}

impl Life {
    /// Whether a save is under way: the machine can't be changed meanwhile.
    pub(in crate::worker) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Stops the machine and begins to write it to the descriptor that came along. [`Event::SaveEnded`] follows.
    pub(in crate::worker) fn save(&mut self, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let [fd] = <[OwnedFd; 1]>::try_from(fds)
            .map_err(|_| Failure::new(ErrorCode::BadRequest, "a save takes one descriptor"))?;
        self.attend();
        self.machine()?.pause();
        // What the guest did to itself before it stood counts first.
        self.attend();
        let was_running = match &self.state {
            State::Running(_) => true,
            State::Paused(_, PauseReason::Preserved { .. }) => {
                return Err(Failure::new(
                    ErrorCode::State,
                    "the guest has ended; there is nothing to go on with",
                ));
            }
            _ => false,
        };
        let begun = self.begin_saving(File::from(fd), was_running);
        match begun {
            Ok(saving) => {
                self.saving = Some(saving);
                self.paused_because(PauseReason::Saving);
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

    fn begin_saving(&self, file: File, was_running: bool) -> Result<Saving, Failure> {
        let refused = |error: io::Error| {
            Failure::new(ErrorCode::Host, format!("the descriptor of the save can't be used: {error}"))
        };
        let machine = self.machine()?;
        let state = machine.save().map_err(machine_failure)?;
        let memory = machine.memory().clone();
        let total = memory.iter().map(GuestMemoryRegion::len).sum();
        let writer = StreamWriter::new(file).map_err(refused)?;
        let progress = Arc::<Progress>::default();
        let (shared, signals) = (Arc::clone(&progress), Arc::clone(&self.signals));
        let thread = sandbox::spawn("save", ThreadRole::Device, move || {
            let written = write(writer, &state, &memory, &shared);
            signals.saved();
            written
        });
        Ok(Saving { thread: thread.map_err(refused)?, progress, total, was_running })
    }

    /// How far a save is.
    pub(in crate::worker) fn save_status(&self) -> Result<SaveStatus, Failure> {
        let saving = self.saving.as_ref().ok_or_else(not_saving)?;
        let Saving { progress, total, .. } = saving;
        Ok(SaveStatus { total: *total, done: progress.done(), data: progress.data() })
    }

    /// Gives a save up; its event says so when it has ended.
    pub(in crate::worker) fn cancel_save(&self) -> Result<(), Failure> {
        self.saving.as_ref().ok_or_else(not_saving)?.progress.cancel();
        Ok(())
    }

    /// Gives a save up and waits for its end; the machine stands as it was.
    pub(super) fn abandon_save(&mut self) {
        if let Some(saving) = &self.saving {
            saving.progress.cancel();
            self.end_saving();
        }
    }

    /// The thread of a save has ended, or does so now.
    pub(super) fn end_saving(&mut self) {
        let Some(Saving { thread, progress, was_running, .. }) = self.saving.take() else { return };
        let panicked = |_| Err(StateError::Write(io::Error::other("the thread that wrote it failed")));
        let written = thread.join().unwrap_or_else(panicked);
        let (bytes, failure) = (progress.data(), written.err().map(|error| state_failure(&error)));
        if failure.is_none() {
            self.paused_because(PauseReason::Saved);
        } else if was_running {
            self.replace(|state| match state {
                State::Paused(machine, _) => {
                    machine.resume();
                    (State::Running(machine), None)
                }
                other => (other, None),
            });
        } else {
            self.paused_because(PauseReason::Asked);
        }
        self.push(Event::SaveEnded { bytes, failure });
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

fn not_saving() -> Failure {
    Failure::new(ErrorCode::State, "the machine is not being saved")
}
