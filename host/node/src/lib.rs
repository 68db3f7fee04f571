//! The host machine: inventory, memory, kernel samepage merging.
//!
//! Everything is read from files of the kernel below directories that a test can replace ([`Places`]).
#![forbid(unsafe_code)]

mod cells;
pub mod cpu;
mod cpus;
mod devices;
mod info;
mod ksm;
mod memory;
mod sleep;

use std::path::PathBuf;
use std::sync::Mutex;

use reeve_model::node::{
    KsmChange, KsmState, NodeCell, NodeCpuTime, NodeCpus, NodeInfo, NodeMemory, NodeSuspend,
};
use reeve_model::node_device::NodeDevice;
use reeve_model::{Error, ErrorCode};
use reeve_sys::files::{FileError, Tree};
use sleep::Sleeper;

pub use ksm::{Ksm, KsmError};
pub use sleep::SleepError;

/// Where the kernel's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), dev: "/dev".into() }
    }
}

/// The host machine. All calls are short and blocking: reads of some kernel files.
#[derive(Debug)]
pub struct Node {
    proc: Tree,
    sys: Tree,
    dev: Tree,
    ksm: Mutex<Ksm>,
    sleeper: Sleeper,
}

impl Node {
    /// The machine whose kernel files are in these places.
    pub fn new(places: Places) -> Self {
        let sys = Tree::new(places.sys);
        let ksm = Mutex::new(Ksm::new(sys.below("kernel/mm/ksm")));
        let sleeper = Sleeper::new(&sys);
        Self { proc: Tree::new(places.proc), sys, dev: Tree::new(places.dev), ksm, sleeper }
    }

    /// What the machine is. What the kernel does not tell is shown as empty or as one.
    pub fn info(&self) -> NodeInfo {
        info::read(&self.proc, &self.sys, &self.dev)
    }

    /// Memory as it is now.
    pub fn memory(&self) -> Result<NodeMemory, FileError> {
        memory::read(&self.proc)
    }

    /// Its CPUs; CPU 0 where the kernel does not tell.
    pub fn cpus(&self) -> NodeCpus {
        cpus::read(&self.sys)
    }

    /// What one CPU did since the machine was started, or all together; none when that CPU does not run.
    pub fn cpu_time(&self, cpu: Option<u32>) -> Result<Option<NodeCpuTime>, FileError> {
        cpus::time(&self.proc, cpu)
    }

    /// Its NUMA cells by number, one at least.
    pub fn cells(&self) -> Result<Vec<NodeCell>, FileError> {
        cells::read(&self.proc, &self.sys)
    }

    /// Its devices by name, the machine itself first.
    pub fn devices(&self) -> Vec<NodeDevice> {
        devices::read(&self.sys)
    }

    /// The host CPUs of each NUMA node, in libvirt's notation, by node number; empty where the kernel knows of none.
    pub fn numa_cpus(&self) -> Vec<(u32, String)> {
        info::numa_cpus(&self.sys)
    }

    /// Kernel samepage merging as it is now.
    pub fn ksm(&self) -> Result<KsmState, KsmError> {
        self.lock().state()
    }

    /// Changes kernel samepage merging and gives back what holds afterwards. Numbers out of the kernel's range become
    /// the nearest in it; nothing is applied when something else is wrong.
    pub fn set_ksm(&self, change: KsmChange) -> Result<KsmState, KsmError> {
        self.lock().apply(change)
    }

    /// Puts kernel samepage merging back to what was found before the first change.
    pub fn restore_ksm(&self) -> Result<(), KsmError> {
        self.lock().restore()
    }

    /// Sends the machine to sleep a moment later, with its clock set to wake it.
    pub fn sleep(&self, wanted: NodeSuspend) -> Result<(), SleepError> {
        self.sleeper.sleep(wanted)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ksm> {
        self.ksm.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl From<SleepError> for Error {
    fn from(error: SleepError) -> Self {
        let code = match &error {
            SleepError::TooShort(_) => ErrorCode::Invalid,
            SleepError::Missing { .. } | SleepError::NoAlarm => ErrorCode::Unsupported,
            SleepError::Already => ErrorCode::WrongState,
            SleepError::File(_) => ErrorCode::Internal,
        };
        Self::caused(code, &error)
    }
}

impl From<KsmError> for Error {
    fn from(error: KsmError) -> Self {
        let code = match &error {
            KsmError::Missing => ErrorCode::Unsupported,
            KsmError::Run(_) => ErrorCode::Invalid,
            KsmError::Shared(_) => ErrorCode::WrongState,
            KsmError::File(_) => ErrorCode::Internal,
        };
        let mut message = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            message.push_str(&format!(": {cause}"));
        }
        Self::new(code, message)
    }
}
