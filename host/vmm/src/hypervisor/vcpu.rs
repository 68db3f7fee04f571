//! One vCPU: running it, and turning its exits into bus accesses.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use kvm_ioctls::{VcpuExit, VcpuFd};

use crate::bus::Bus;

/// The address spaces of a machine.
#[derive(Default)]
pub struct Buses {
    /// Memory-mapped I/O.
    pub memory: Arc<Bus>,
    /// Port I/O.
    pub port: Arc<Bus>,
}

/// Why a vCPU came back from running.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// A device access was carried out, or there was nothing to do; run again.
    Handled,
    /// It was kicked; look at what is wanted before running again.
    Interrupted,
    /// The guest can't go on; a sentence says why.
    Failed(String),
}

/// One vCPU. Lives in the thread that runs it.
pub struct Vcpu {
    pub(super) fd: VcpuFd,
    /// MSRs that belong to its state.
    pub(super) msr_numbers: Arc<[u32]>,
}

thread_local! {
    /// `immediate_exit` of the vCPU this thread runs, for the kick signal's handler.
    static IMMEDIATE_EXIT: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

impl Vcpu {
    pub(super) fn new(fd: VcpuFd, msr_numbers: Arc<[u32]>) -> Self {
        Self { fd, msr_numbers }
    }

    /// Makes this the vCPU that [`kick_current`] stops. Call it in the thread that runs the vCPU.
    pub fn bind_to_thread(&mut self) {
        let immediate_exit = &raw mut self.fd.get_kvm_run().immediate_exit;
        IMMEDIATE_EXIT.set(immediate_exit);
    }

    /// Forgets a kick. Look at what is wanted afterwards, not before: a kick that comes in between is not lost.
    pub fn clear_kick(&mut self) {
        self.fd.set_kvm_immediate_exit(0);
    }

    /// Completes a device access that was carried out but not yet seen by the guest, so that registers are consistent. An access
    /// that crosses a border comes in parts, which are carried out too. Nothing runs in the guest.
    pub fn settle(&mut self, buses: &Buses) -> Exit {
        loop {
            self.fd.set_kvm_immediate_exit(1);
            match self.run(buses) {
                Exit::Handled => {}
                exit => return exit,
            }
        }
    }

    /// Runs the guest until something happens, and carries out one device access.
    pub fn run(&mut self, buses: &Buses) -> Exit {
        let run = ptr::from_mut(self.fd.get_kvm_run());
        // SAFETY: `run` points into the mapping that `self.fd` owns; the field is plain data that the kernel wrote before
        // KVM_RUN returned, and is read only after exits of kind I/O, for which it is the union's active member.
        let port_size = || unsafe { ptr::read_volatile(&raw const (*run).__bindgen_anon_1.io.size) };
        match self.fd.run() {
            Ok(VcpuExit::IoOut(port, data)) => {
                // A string instruction brings several accesses of the same size to the same port.
                for access in data.chunks(usize::from(port_size()).max(1)) {
                    buses.port.write(u64::from(port), access);
                }
                Exit::Handled
            }
            Ok(VcpuExit::IoIn(port, data)) => {
                for access in data.chunks_mut(usize::from(port_size()).max(1)) {
                    buses.port.read(u64::from(port), access);
                }
                Exit::Handled
            }
            Ok(VcpuExit::MmioWrite(address, data)) => {
                buses.memory.write(address, data);
                Exit::Handled
            }
            Ok(VcpuExit::MmioRead(address, data)) => {
                buses.memory.read(address, data);
                Exit::Handled
            }
            Ok(VcpuExit::Hlt | VcpuExit::IrqWindowOpen | VcpuExit::IoapicEoi(_)) => Exit::Handled,
            Ok(VcpuExit::Intr) => Exit::Interrupted,
            Ok(VcpuExit::Shutdown) => Exit::Failed(format!("triple fault{}", self.location())),
            Ok(VcpuExit::InternalError) => Exit::Failed(self.internal_error()),
            Ok(VcpuExit::FailEntry(reason, _)) => Exit::Failed(format!(
                "the CPU refused to enter the guest (reason {reason:#x}){}",
                self.location()
            )),
            Ok(VcpuExit::MemoryFault { gpa, .. }) => {
                Exit::Failed(format!("the host can't provide guest memory at {gpa:#x}{}", self.location()))
            }
            Ok(other) => {
                let exit = format!("{other:?}");
                Exit::Failed(format!(
                    "KVM stopped the guest for an unknown reason ({exit}){}",
                    self.location()
                ))
            }
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => Exit::Interrupted,
            Err(error) => Exit::Failed(format!("KVM can't run the guest: {error}{}", self.location())),
        }
    }

    fn internal_error(&mut self) -> String {
        // SAFETY: the exit reason says that this is the union's active member; it is plain data.
        let internal = unsafe { self.fd.get_kvm_run().__bindgen_anon_1.internal };
        let what = match internal.suberror {
            1 => "instruction emulation failed",
            2 => "two exceptions at once",
            3 => "an event could not be delivered",
            _ => "KVM failed inside",
        };
        format!("{what} (KVM internal error {}){}", internal.suberror, self.location())
    }

    /// Where the guest was, as the end of a sentence.
    fn location(&self) -> String {
        match self.fd.get_regs() {
            Ok(regs) => format!(" at instruction {:#x}, stack {:#x}", regs.rip, regs.rsp),
            Err(_) => String::new(),
        }
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        // The mapping goes away with the descriptor; a late kick must not reach into it.
        IMMEDIATE_EXIT.set(ptr::null_mut());
    }
}

/// Makes the vCPU of the calling thread leave the guest, or not enter it. For the handler of the kick signal.
pub(crate) fn kick_current() {
    let immediate_exit = IMMEDIATE_EXIT.get();
    if !immediate_exit.is_null() {
        // SAFETY: set by `bind_to_thread` of a vCPU that lives in this thread and cleared when it is dropped; the kernel
        // reads the byte when it enters the guest.
        unsafe { ptr::write_volatile(immediate_exit, 1) };
    }
}
