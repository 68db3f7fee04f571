//! One machine: memory, vCPUs, devices, and the switches on its front.
//!
//! A machine is built standing still. [`Machine::resume`] and [`Machine::pause`] open and close the gate of its vCPUs;
//! [`Machine::reset`] puts everything back to power-on and loads the kernel again. What the guest does to itself
//! (power-off, reset, crash) closes the gate and arrives as a [`GuestStop`] in [`Signals`]; its owner decides what next.

mod chassis;
mod clock;
mod cpus;
mod devices;
mod fds;
mod function;
mod gate;
mod iothreads;
mod pinning;
mod rtc;
mod save;
mod signals;
mod sleep;
mod vcpu_thread;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use chassis::MachineChassis;
pub use devices::{DeviceError, Devices, Successor};
pub use fds::{FdError, FdTable};
pub use function::FunctionStateError;
pub use pinning::pin_current_thread;
use reeve_image::Format;
pub use signals::{GuestStop, Happened, Signals};
use time::OffsetDateTime;

use crate::boot::{self, BootError, BootSource};
use crate::bus::BusError;
use crate::config::{ConfigError, CpuTopology, DeviceConfig, DiskLimits, VmConfig};
use crate::console::Console;
use crate::hypervisor::{Buses, Hypervisor, HypervisorError, Vm, VmState};
use crate::legacy::{
    CpuHotplug, Keyboard, PciPorts, PowerManagement, Rtc, SerialPort, SleepStates, power, serial,
};
use crate::memory::{DirtyPages, Memory, MemoryError};
use crate::pci::{ConfigStateError, Ejected, HotplugController, Watchdog};
use crate::protocol::{DiskSwitch, Stats};
use crate::sandbox::{self, ThreadFilter, ThreadRole};
use crate::smbios::Hardware;
use crate::state::StateError;
use crate::virtio::block::{BlockJob, LeavingDisk, Task};
use crate::virtio::vsock::Dial;
use crate::{layout, memory};
use gate::Gate;
use iothreads::Iothreads;
use vcpu_thread::{VcpuTask, VcpuThread};

/// Why a machine could not be built or reset.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A descriptor is missing.
    #[error(transparent)]
    Fd(#[from] FdError),
    /// The kernel can't be booted.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// There is no memory for the guest.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// KVM refused something.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// A device can't be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Two devices want the same addresses.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Saved state is of another machine, or damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// Saved state of the host bridge does not fit.
    #[error("the saved host bridge does not fit: {0}")]
    Bridge(#[from] ConfigStateError),
    /// The real-time clock has no timer.
    #[error("the real-time clock has no timer: {0}")]
    Clock(#[source] io::Error),
    /// An I/O thread can't be had.
    #[error("there is no I/O thread {id}: {source}")]
    Iothread {
        /// Its number.
        id: u32,
        /// Reason.
        source: io::Error,
    },
    /// An I/O thread is in use.
    #[error("I/O thread {id} serves device '{alias}'; unplug it first")]
    IothreadInUse {
        /// Its number.
        id: u32,
        /// The device.
        alias: String,
    },
    /// A vCPU has no thread.
    #[error("vCPU {index} has no thread: {source}")]
    Thread {
        /// Number of the vCPU.
        index: u32,
        /// Reason.
        source: io::Error,
    },
}

/// The consoles of a machine by alias.
pub type Consoles = BTreeMap<String, Arc<Console>>;

/// What a machine is built from.
pub struct Parts<'a> {
    /// What it is.
    pub config: &'a VmConfig,
    /// Its files.
    pub fds: &'a FdTable,
    /// The other ends of its consoles; one for every alias in the configuration.
    pub consoles: &'a Consoles,
    /// Where it reports what happens.
    pub signals: Arc<Signals>,
    /// System calls vCPU threads may use.
    pub vcpu_filter: ThreadFilter,
    /// System calls I/O threads may use.
    pub iothread_filter: ThreadFilter,
}

/// One machine.
pub struct Machine {
    config: VmConfig,
    kernel: File,
    initrd: Option<File>,
    /// What the guest finds when it boots.
    ram: Memory,
    /// All of its memory, that which comes and goes too.
    memory: Memory,
    vm: Arc<Vm>,
    power_on: VmState,
    gate: Arc<Gate>,
    vcpus: Vec<VcpuThread>,
    buses: Arc<Buses>,
    serials: Vec<Arc<SerialPort>>,
    power: Arc<PowerManagement>,
    rtc: Option<Arc<Rtc>>,
    devices: Devices,
    iothreads: Iothreads,
    hotplug: Arc<HotplugController>,
    cpus: Arc<CpuHotplug>,
    signals: Arc<Signals>,
    /// Devices were stopped, to be saved or because they are as restored; they go on with the vCPUs.
    devices_stopped: AtomicBool,
    /// The guest has suspended itself: its real-time clock goes on while the vCPUs stand, whoever else wants them to.
    sleeps: AtomicBool,
    chassis: Arc<MachineChassis>,
}

impl Machine {
    /// Builds a machine, loads its kernel and leaves it standing before the first instruction.
    pub fn build(parts: Parts<'_>) -> Result<Self, MachineError> {
        let machine = Self::assemble(parts)?;
        machine.load()?;
        Ok(machine)
    }

    /// Puts a machine together, with empty memory.
    fn assemble(parts: Parts<'_>) -> Result<Self, MachineError> {
        let Parts { config, fds, consoles, signals, vcpu_filter, iothread_filter } = parts;
        let slots = config.validate()?;
        let kernel = fds.file(config.boot.kernel)?;
        let initrd = config.boot.initrd.map(|initrd| fds.file(initrd)).transpose()?;
        let regions = config.memory_regions();
        let (ram, memory) = memory::allocate_with(&config.memory, &regions, &config.pluggable_bindings())?;
        let mut vm = Hypervisor::new(fds.get(config.kvm)?)?.create_vm(&config.clock)?;
        vm.set_memory(&ram, &memory, &regions)?;
        let vm = Arc::new(vm);
        let gate = Arc::new(Gate::new());
        let chassis = Arc::new(MachineChassis::new(Arc::clone(&gate), Arc::clone(&signals)));
        let buses = Arc::new(Buses::default());
        let iothreads = Iothreads::start(&config.iothreads, &iothread_filter)?;
        let board = devices::Board {
            config,
            fds,
            consoles,
            signals: &signals,
            chassis: &chassis,
            memory: &memory,
            vm: &vm,
            iothreads: &iothreads,
        };
        let devices = Devices::attach(&board, &slots, &buses.memory)?;
        buses.memory.insert(layout::PCI_ECAM.start, range_len(&layout::PCI_ECAM), devices.ecam())?;
        let ports = PciPorts::new(devices.config_ports(), chassis.clone());
        buses.port.insert(
            layout::PCI_CONFIG_PORTS.start,
            range_len(&layout::PCI_CONFIG_PORTS),
            Arc::new(ports),
        )?;
        let keyboard = Arc::new(Keyboard::new(chassis.clone()));
        buses.port.insert(layout::I8042_PORTS.start, range_len(&layout::I8042_PORTS), keyboard)?;
        let states = SleepStates { mem: config.suspend_to_mem, disk: config.suspend_to_disk };
        let power = PowerManagement::new(chassis.clone(), vm.pin(layout::ACPI_SCI), states);
        let rtc = rtc::attach(&config.clock, &vm, &signals, &power, &buses.port)?;
        buses.port.insert(layout::ACPI_PM_PORTS.start, range_len(&layout::ACPI_PM_PORTS), power.clone())?;
        let hotplug = hotplug(&devices, &power, &signals);
        buses.port.insert(layout::HOTPLUG_PORTS.start, range_len(&layout::HOTPLUG_PORTS), hotplug.clone())?;
        let cpus = cpus::controller(config.vcpus, &power, &gate, &signals);
        let ports = layout::CPU_HOTPLUG_PORTS;
        buses.port.insert(ports.start, range_len(&ports), cpus.clone())?;
        let mut serials = Vec::new();
        let places = layout::SERIAL_PORTS.into_iter().zip(layout::SERIAL_IRQS);
        for (serial, (port, irq)) in config.serials.iter().zip(places) {
            let console = devices::console(consoles, &serial.alias)?;
            let device = SerialPort::new(console, vm.pin(irq));
            buses.port.insert(u64::from(port), serial::PORTS, device.clone())?;
            serials.push(device);
        }
        let power_on = vm.state()?;
        let mut machine = Self {
            config: config.clone(),
            kernel,
            initrd,
            ram,
            memory,
            vm,
            power_on,
            gate,
            vcpus: Vec::new(),
            buses,
            serials,
            power,
            rtc,
            devices,
            iothreads,
            hotplug,
            cpus,
            signals,
            devices_stopped: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            chassis: Arc::clone(&chassis),
        };
        machine.start_vcpus(&chassis, &vcpu_filter)?;
        Ok(machine)
    }

    fn start_vcpus(
        &mut self,
        chassis: &Arc<MachineChassis>,
        filter: &ThreadFilter,
    ) -> Result<(), MachineError> {
        // All vCPUs exist before the first thread: KVM fixes what they share when one of them is used.
        let count = self.config.vcpu_limit();
        let vcpus = (0..count)
            .map(|index| self.vm.create_vcpu(index, count, &self.config.cpu, &self.config.clock))
            .collect::<Result<Vec<_>, _>>()?;
        self.gate.set_present(&self.cpus.present());
        for (index, vcpu) in (0..).zip(vcpus) {
            let cpus = self.config.vcpu_pinning.get(index as usize).cloned().unwrap_or_default();
            let task = VcpuTask {
                index,
                vcpu,
                buses: Arc::clone(&self.buses),
                gate: Arc::clone(&self.gate),
                chassis: Arc::clone(chassis),
                cpus,
                filter: filter.clone(),
            };
            let thread = VcpuThread::spawn(task).map_err(|source| MachineError::Thread { index, source })?;
            self.vcpus.push(thread);
        }
        Ok(())
    }

    fn hardware(&self) -> Hardware {
        let one_socket = CpuTopology { sockets: 1, cores: self.config.vcpus, threads: 1 };
        let CpuTopology { sockets, cores, threads } = self.config.cpu.topology.unwrap_or(one_socket);
        Hardware { sockets, cores, threads: cores * threads, memory: self.config.memory.bytes }
    }

    /// Loads the kernel into cleared memory and puts the vCPUs before its first instruction.
    fn load(&self) -> Result<(), MachineError> {
        let numa = self.config.numa();
        let source = BootSource {
            kernel: &self.kernel,
            initrd: self.initrd.as_ref(),
            cmdline: &self.config.boot.cmdline,
            present: self.cpus.present(),
            max_vcpus: self.config.vcpu_limit(),
            serials: self.config.serials.len(),
            rtc: self.config.clock.rtc.is_some(),
            sleep: SleepStates { mem: self.config.suspend_to_mem, disk: self.config.suspend_to_disk },
            smbios: &self.config.smbios,
            hardware: self.hardware(),
            numa: &numa,
        };
        let state = boot::load(&self.ram, &source)?;
        self.vm.restore(&self.power_on)?;
        Ok(self.gate.reset(state)?)
    }

    /// Lets the vCPUs run.
    pub fn resume(&self) {
        if self.devices_stopped.swap(false, Ordering::SeqCst) {
            self.devices.resume();
        }
        self.devices.go_on();
        self.rtc.iter().for_each(|rtc| rtc.go_on());
        self.gate.open();
        self.watchdog().iter().for_each(|watchdog| watchdog.go_on());
    }

    /// Stops the vCPUs and waits until they stand still.
    pub fn pause(&self) {
        self.gate.close_and_wait();
        if !self.sleeps.load(Ordering::SeqCst) {
            self.rtc.iter().for_each(|rtc| rtc.halt());
        }
        self.watchdog().iter().for_each(|watchdog| watchdog.halt());
    }

    /// The watchdog, if there is one.
    pub fn watchdog(&self) -> Option<&Arc<Watchdog>> {
        self.devices.watchdog()
    }

    /// The real-time clock, if there is one.
    pub fn rtc(&self) -> Option<&Arc<Rtc>> {
        self.rtc.as_ref()
    }

    /// Sends every vCPU a non-maskable interrupt.
    pub fn inject_nmi(&self) -> Result<(), MachineError> {
        Ok(self.cpus.present().iter().try_for_each(|index| self.vm.inject_nmi(index))?)
    }

    /// Resets the machine and leaves it standing. After an error it can't run any more.
    pub fn reset(&self) -> Result<(), MachineError> {
        self.sleeps.store(false, Ordering::SeqCst);
        self.pause();
        self.hotplug.reset().into_iter().for_each(|ejected| self.signals.ejected(ejected));
        self.reset_cpus();
        self.devices.reset();
        self.serials.iter().for_each(|serial| serial.reset());
        self.power.reset();
        self.rtc.iter().for_each(|rtc| rtc.reset());
        self.vm.blocks().iter().try_for_each(|blocks| blocks.reset())?;
        memory::clear(&self.memory);
        self.load()
    }

    /// Presses the ACPI power button.
    pub fn press_power_button(&self) {
        self.power.press_power_button();
    }

    /// A slot that is empty and that the guest knows to be empty.
    pub fn free_slot(&self) -> Option<u8> {
        (1..32).find(|slot| self.hotplug.is_free(*slot))
    }

    /// Puts a device into a slot, whether the guest runs or not, and tells the guest.
    pub fn attach_device(
        &mut self,
        device: &DeviceConfig,
        slot: u8,
        fds: &FdTable,
    ) -> Result<(), MachineError> {
        let board = devices::Board {
            config: &self.config,
            fds,
            consoles: &Consoles::new(),
            signals: &self.signals,
            chassis: &self.chassis,
            memory: &self.memory,
            vm: &self.vm,
            iothreads: &self.iothreads,
        };
        self.devices.add(&board, device, slot)?;
        self.hotplug.announce(slot);
        Ok(())
    }

    /// Asks the guest to let go of a device; it arrives in [`Signals`] when the guest does, or at the next reset.
    pub fn request_removal(&self, alias: &str) -> Result<(), MachineError> {
        self.hotplug.request(self.devices.slot(alias)?);
        Ok(())
    }

    /// Takes a device from the guest and tells it so.
    pub fn take_device(&self, alias: &str) -> Result<Option<Ejected>, MachineError> {
        let taken = self.devices.detach(alias)?;
        if let Some(Ejected { slot, .. }) = &taken {
            self.hotplug.announce_loss(*slot);
        }
        Ok(taken)
    }

    /// Forgets the device of a slot that is off the bus, and says its alias.
    pub fn forget_device(&mut self, slot: u8) -> Option<String> {
        self.devices.forget(slot)
    }

    /// Plugs the cable of a network interface in or out.
    pub fn set_link(&self, alias: &str, up: bool) -> Result<(), MachineError> {
        Ok(self.devices.set_link(alias, up)?)
    }

    /// Connections to the host that programs of the guest want, with the device that wants each.
    pub fn take_dials(&self) -> Vec<(String, Dial)> {
        self.devices.take_dials()
    }

    /// Directories that nobody serves any more since this was last asked, by the aliases of their devices.
    pub fn take_losses(&self) -> Vec<String> {
        self.devices.take_losses()
    }

    /// All directories that nobody serves any more, by the aliases of their devices.
    pub fn losses(&self) -> Vec<String> {
        self.devices.losses()
    }

    /// Gives a program of the guest the connection that it wanted, or tells it that nobody is there.
    pub fn answer_dial(
        &self,
        alias: &str,
        number: u64,
        connection: Option<OwnedFd>,
    ) -> Result<(), MachineError> {
        Ok(self.devices.answer_dial(alias, number, connection)?)
    }

    /// Gives a disk another capacity and tells the guest.
    pub fn resize_disk(&self, alias: &str, bytes: u64, shrink: bool) -> Result<(), MachineError> {
        Ok(self.devices.resize_disk(alias, bytes, shrink)?)
    }

    /// Opens what is to take the place of images of disks. The machine must be [quiesced](Self::quiesce); nothing has changed yet.
    pub fn open_successors(
        &self,
        switches: &[DiskSwitch],
        fds: &FdTable,
    ) -> Result<Vec<Successor>, MachineError> {
        Ok(self.devices.open_successors(switches, fds)?)
    }

    /// Opens another medium for a drive. The machine must be [quiesced](Self::quiesce); nothing has changed yet.
    pub fn open_medium(&self, switch: &DiskSwitch, fds: &FdTable) -> Result<Successor, MachineError> {
        Ok(self.devices.open_medium(switch, fds)?)
    }

    /// Puts images in their places. The machine must still be quiesced.
    pub fn switch_disks(&self, successors: Vec<Successor>) {
        successors.into_iter().for_each(Successor::step_in);
    }

    /// Makes a snapshot within the image of each disk, or none. The machine must be quiesced.
    pub fn snapshot_disks(
        &self,
        aliases: &[String],
        name: &str,
        taken: OffsetDateTime,
    ) -> Result<(), MachineError> {
        Ok(self.devices.snapshot_disks(aliases, name, taken)?)
    }

    /// Begins a job on the images of a disk. The machine must be [quiesced](Self::quiesce). `told` is called when it comes to another state.
    pub fn begin_job(
        &self,
        alias: &str,
        task: Task,
        bandwidth: u64,
        told: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<BlockJob, MachineError> {
        Ok(self.devices.begin_job(alias, task, bandwidth, told)?)
    }

    /// Puts a disk where its job has left it. The machine must be quiesced.
    pub fn end_job(&self, alias: &str) -> Result<(), MachineError> {
        Ok(self.devices.end_job(alias)?)
    }

    /// The files of a disk with their formats, from the one that is written down.
    pub fn disk_files(&self, alias: &str) -> Result<Vec<(OwnedFd, Format)>, MachineError> {
        Ok(self.devices.disk_files(alias)?)
    }

    /// A disk, to be read while the guest goes to another worker. Nothing may take its place meanwhile.
    pub(crate) fn leaving_disk(&self, alias: &str, shallow: bool) -> Result<LeavingDisk, MachineError> {
        Ok(self.devices.leaving_disk(alias, shallow)?)
    }

    /// Deletes the snapshot of a name and time within the image of each disk that has one.
    pub fn drop_disk_snapshots(
        &self,
        aliases: &[String],
        name: &str,
        taken: OffsetDateTime,
    ) -> Result<(), MachineError> {
        Ok(self.devices.drop_disk_snapshots(aliases, name, taken)?)
    }

    /// Gives a disk other limits.
    pub fn limit_disk(&self, alias: &str, limits: &DiskLimits) -> Result<(), MachineError> {
        Ok(self.devices.limit_disk(alias, limits)?)
    }

    /// Says how much of a device's memory the guest shall have.
    pub fn request_memory(&self, alias: &str, bytes: u64) -> Result<(), MachineError> {
        Ok(self.devices.request_memory(alias, bytes)?)
    }

    /// Takes hundredths of their time from the vCPUs, so that the guest writes less.
    pub fn throttle(&self, percent: u8) {
        if self.gate.throttle(percent) {
            let gate = Arc::clone(&self.gate);
            // Without a thread for it the guest is not held back, and the migration goes on as it can.
            let _ = sandbox::spawn("throttle", ThreadRole::Device, move || gate.remind());
        }
    }

    /// Starts or stops noting which pages of guest memory are written.
    pub fn track_dirty(&self, on: bool) -> Result<(), MachineError> {
        Ok(self.vm.track_dirty(on)?)
    }

    /// Pages that were written since the last call.
    pub fn take_dirty(&self) -> Result<DirtyPages, MachineError> {
        Ok(self.vm.take_dirty()?)
    }

    /// The devices.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Counters since the machine was built.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            process_time_ns: clock::process_time_ns(),
            vcpus: self.vcpus_present().map(VcpuThread::stats).collect(),
            ..Stats::default()
        };
        self.devices.add_stats(&mut stats);
        stats
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.gate.end();
        self.vcpus.drain(..).for_each(VcpuThread::join);
        // The PCI root is on the bus that it puts its functions on.
        self.buses.memory.clear();
        self.buses.port.clear();
    }
}

fn hotplug(
    devices: &Devices,
    power: &Arc<PowerManagement>,
    signals: &Arc<Signals>,
) -> Arc<HotplugController> {
    let (registers, signals) = (Arc::clone(power), Arc::clone(signals));
    let bell = move || registers.ring(power::HOTPLUG_EVENT);
    HotplugController::new(devices.root(), bell, move |ejected| signals.ejected(ejected))
}

fn range_len(range: &std::ops::Range<u64>) -> u64 {
    range.end - range.start
}
