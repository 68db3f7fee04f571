//! The thread of one vCPU.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use super::chassis::MachineChassis;
use super::gate::{Gate, Order, Task};
use super::pinning;
use crate::hypervisor::{BootState, Buses, Exit, HypervisorError, Vcpu, VcpuState};
use crate::protocol::VcpuStats;
use crate::sandbox::ThreadFilter;

/// What a vCPU thread works with.
pub struct VcpuTask {
    /// Number of the vCPU.
    pub index: u32,
    /// The vCPU.
    pub vcpu: Vcpu,
    /// Its devices.
    pub buses: Arc<Buses>,
    /// Where it waits.
    pub gate: Arc<Gate>,
    /// Where it reports that the guest failed.
    pub chassis: Arc<MachineChassis>,
    /// Host CPUs it may run on; empty means any.
    pub cpus: Vec<u32>,
    /// System calls it may use.
    pub filter: ThreadFilter,
}

/// A running vCPU thread.
pub struct VcpuThread {
    index: u32,
    thread: JoinHandle<()>,
    exits: Arc<AtomicU64>,
}

impl VcpuThread {
    /// Starts the thread, which stands at the gate. Fails when it can't have the host CPUs it should.
    pub fn spawn(task: VcpuTask) -> io::Result<Self> {
        let exits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&exits);
        let (ready, started) = sync_channel(1);
        let gate = Arc::clone(&task.gate);
        let index = task.index;
        let name = format!("vcpu{index}");
        let thread = thread::Builder::new().name(name).spawn(move || {
            let prepared = pinning::pin_current_thread(&task.cpus).and_then(|()| task.filter.apply());
            let failed = prepared.is_err();
            // The other side waits for exactly this message.
            let _ = ready.send(prepared);
            if !failed {
                let lost = Lost { gate: Arc::clone(&task.gate), chassis: Arc::clone(&task.chassis) };
                run(task, &counter);
                std::mem::forget(lost);
            }
        })?;
        match started.recv() {
            Ok(Ok(())) => {
                gate.add_thread(thread.as_pthread_t());
                Ok(Self { index, thread, exits })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the thread of a vCPU ended at once")),
        }
    }

    /// Number of the vCPU.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Counters since the thread started.
    pub fn stats(&self) -> VcpuStats {
        let time_ns = super::clock::thread_time_ns(self.thread.as_pthread_t());
        VcpuStats { number: self.index, time_ns, exits: self.exits.load(Ordering::Relaxed) }
    }

    /// Waits for the end of the thread, after [`Gate::end`].
    pub fn join(self) {
        // A thread that panicked has reported itself as lost.
        let _ = self.thread.join();
    }
}

/// Reports a vCPU thread that panicked.
struct Lost {
    gate: Arc<Gate>,
    chassis: Arc<MachineChassis>,
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.chassis.crash("a vCPU thread of the worker failed".to_owned());
        self.gate.thread_lost();
    }
}

fn run(mut task: VcpuTask, exits: &AtomicU64) {
    let VcpuTask { index, vcpu, buses, gate, chassis, .. } = &mut task;
    vcpu.bind_to_thread();
    let power_on = vcpu.state();
    let mut tasks = 0;
    loop {
        vcpu.clear_kick();
        if !gate.is_open(*index) {
            if let Exit::Failed(reason) = vcpu.settle(buses) {
                chassis.crash(format!("vCPU {index}: {reason}"));
            }
            match gate.stand(*index, &mut tasks) {
                Order::Run => {}
                Order::Do(task) => {
                    gate.done(*index, carry_out(task, *index, gate.rank(*index), vcpu, &power_on));
                }
                Order::Arrive => gate.arrived(*index, arrive(vcpu, &power_on)),
                Order::End => return,
            }
            continue;
        }
        match vcpu.run(buses) {
            Exit::Handled => drop(exits.fetch_add(1, Ordering::Relaxed)),
            Exit::Interrupted => gate.rest(),
            Exit::Failed(reason) => chassis.crash(format!("vCPU {index}: {reason}")),
        }
    }
}

fn carry_out(
    task: Task,
    index: u32,
    rank: Option<usize>,
    vcpu: &Vcpu,
    power_on: &Result<VcpuState, HypervisorError>,
) -> Result<Option<VcpuState>, HypervisorError> {
    match task {
        Task::Reset(boot) => reset(vcpu, power_on, (index == 0).then_some(boot)).map(|()| None),
        Task::Save => rank.map(|_| vcpu.state()).transpose(),
        Task::Restore(states) => {
            let Some(rank) = rank else { return Ok(None) };
            let state = states.get(rank);
            let state = state.ok_or(HypervisorError::Missing("saved state for every vCPU"))?;
            vcpu.accepts(state)?;
            vcpu.restore(state)?;
            vcpu.excuse_pause();
            Ok(None)
        }
    }
}

/// What it was told while it was not there is void: reading its run state takes the start-up interrupts that wait for it.
fn arrive(vcpu: &Vcpu, power_on: &Result<VcpuState, HypervisorError>) -> Result<(), HypervisorError> {
    vcpu.state()?;
    reset(vcpu, power_on, None)
}

/// Back to power-on; the first vCPU stands before the kernel's first instruction.
fn reset(
    vcpu: &Vcpu,
    power_on: &Result<VcpuState, HypervisorError>,
    boot: Option<BootState>,
) -> Result<(), HypervisorError> {
    match power_on {
        Ok(state) => vcpu.restore(state)?,
        Err(error) => return Err(error.clone()),
    }
    vcpu.set_firmware_msrs()?;
    boot.map_or(Ok(()), |boot| vcpu.set_boot_state(boot))
}
