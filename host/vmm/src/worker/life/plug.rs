//! Devices that come and go while the machine is there.

use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use reeve_image::ImageError;

use super::{Life, State, machine_failure};
use crate::config::{DeviceConfig, DeviceKind, DiskLimits, VmConfig};
use crate::machine::{DeviceError, FdTable, Machine, MachineError};
use crate::pci::Ejected;
use crate::protocol::{ErrorCode, Event, Failure};
use crate::virtio::block::{JobError, ResizeError};
use crate::virtio::vsock::Dial;
use crate::worker::locks::DiskLocks;

impl Life {
    /// Puts a disk or network interface into the machine and tells the guest.
    pub(in crate::worker) fn attach_device(
        &mut self,
        mut device: DeviceConfig,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let _ = self.attend();
        let machine = self.machine()?;
        if !matches!(device.kind, DeviceKind::Block(_) | DeviceKind::Net(_)) {
            let reason = format!(
                "device '{}' can't be plugged into a running machine: only disks and network interfaces can",
                device.alias
            );
            return Err(Failure::new(ErrorCode::Unsupported, reason));
        }
        device.slot = device.slot.or_else(|| machine.free_slot());
        let mut config = self.config.clone().expect("a machine has a configuration");
        config.devices.push(device.clone());
        let slots = config.validate().map_err(MachineError::from).map_err(machine_failure)?;
        let slot = *slots.last().expect("every device has a slot");
        settle_slots(&mut config, &slots);
        let fds = FdTable::new(fds);
        // What can fail comes first: a device that the guest was told of is there.
        let mut locks = DiskLocks::default();
        locks.note([&device], &fds).map_err(|error| {
            let (alias, cause) = (device.alias.clone(), error.into());
            machine_failure(DeviceError::Failed { alias, cause }.into())
        })?;
        self.machine_mut()?.attach_device(&device, slot, &fds).map_err(machine_failure)?;
        self.locks.add(locks);
        self.config = Some(config);
        Ok(())
    }

    /// Asks the guest to let go of a device, or takes it.
    pub(in crate::worker) fn detach_device(&mut self, alias: &str, force: bool) -> Result<(), Failure> {
        let _ = self.attend();
        let machine = self.machine()?;
        let kind = self.config.iter().flat_map(|config| &config.devices).find(|device| device.alias == alias);
        if let Some(device) = kind
            && !matches!(device.kind, DeviceKind::Block(_) | DeviceKind::Net(_))
        {
            let reason =
                format!("device '{alias}' can't be unplugged: only disks and network interfaces can");
            return Err(Failure::new(ErrorCode::Unsupported, reason));
        }
        if !force {
            return machine.request_removal(alias).map_err(machine_failure);
        }
        let taken = machine.take_device(alias).map_err(machine_failure)?;
        taken.into_iter().for_each(|ejected| self.bury(ejected));
        Ok(())
    }

    /// Lets vCPUs come, or asks the guest to let go of some.
    pub(in crate::worker) fn set_vcpus(&mut self, count: u32) -> Result<(), Failure> {
        let _ = self.attend();
        let set = self.machine()?.set_vcpus(count).map_err(machine_failure);
        self.count_vcpus();
        set
    }

    /// Says how much of a device's memory the guest shall have, now and when the machine is built again.
    pub(in crate::worker) fn request_memory(&mut self, alias: &str, bytes: u64) -> Result<(), Failure> {
        let _ = self.attend();
        let devices = self.config.iter_mut().flat_map(|config| &mut config.devices);
        let memory =
            devices.filter(|device| device.alias == alias).find_map(|device| match &mut device.kind {
                DeviceKind::Memory(memory) => Some(memory),
                _ => None,
            });
        if let Some(reason) = memory.as_ref().and_then(|memory| memory.refusal(bytes)) {
            return Err(Failure::new(ErrorCode::Config, format!("device '{alias}': {reason}")));
        }
        if let Some(memory) = memory {
            memory.requested = bytes;
        }
        self.machine()?.request_memory(alias, bytes).map_err(machine_failure)
    }

    /// Says how many vCPUs are there, when there are not as many as before.
    pub(super) fn count_vcpus(&mut self) {
        let Ok(count) = self.machine().map(Machine::vcpu_count) else { return };
        let before = self.config.as_mut().map(|config| std::mem::replace(&mut config.vcpus, count));
        if before != Some(count) {
            self.push(Event::VcpusChanged { count });
        }
    }

    /// Tells the daemon which ports of the host programs of the guest want. Only one that is there: nobody else could answer.
    pub(in crate::worker) fn tell_dials(&mut self) {
        if !std::mem::take(&mut self.dialed) {
            return;
        }
        let dials = self.machine().map(Machine::take_dials).unwrap_or_default();
        for (alias, Dial { number, port }) in dials {
            self.push(Event::SocketDialed { alias, number, port });
        }
    }

    /// Tells the daemon of directories that nobody serves any more.
    pub(super) fn tell_losses(&mut self) {
        let losses = self.machine().map(Machine::take_losses).unwrap_or_default();
        losses.into_iter().for_each(|alias| self.push(Event::FilesystemLost { alias }));
    }

    /// All directories that nobody serves any more, by the aliases of their devices.
    pub(in crate::worker) fn losses(&self) -> Vec<String> {
        self.machine().map(Machine::losses).unwrap_or_default()
    }

    /// Gives a program of the guest the connection that it wanted.
    pub(in crate::worker) fn answer_dial(
        &self,
        alias: &str,
        number: u64,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        self.machine()?.answer_dial(alias, number, fds.into_iter().next()).map_err(machine_failure)
    }

    /// Plugs the cable of a network interface in or out.
    pub(in crate::worker) fn set_link(&mut self, alias: &str, up: bool) -> Result<(), Failure> {
        let _ = self.attend();
        self.machine()?.set_link(alias, up).map_err(machine_failure)?;
        let devices = self.config.iter_mut().flat_map(|config| &mut config.devices);
        for device in devices.filter(|device| device.alias == alias) {
            if let DeviceKind::Net(net) = &mut device.kind {
                net.link_up = up;
            }
        }
        Ok(())
    }

    /// Gives a disk other limits, now and when the machine is built again.
    pub(in crate::worker) fn limit_disk(&mut self, alias: &str, limits: DiskLimits) -> Result<(), Failure> {
        self.attend();
        self.machine()?.limit_disk(alias, &limits).map_err(machine_failure)?;
        let devices = self.config.iter_mut().flat_map(|config| &mut config.devices);
        for device in devices.filter(|device| device.alias == alias) {
            if let DeviceKind::Block(block) = &mut device.kind {
                block.limits = limits;
            }
        }
        Ok(())
    }

    /// Gives a disk another capacity.
    pub(in crate::worker) fn resize_disk(
        &mut self,
        alias: &str,
        bytes: u64,
        shrink: bool,
    ) -> Result<(), Failure> {
        let _ = self.attend();
        let resize =
            |life: &mut Self| life.machine()?.resize_disk(alias, bytes, shrink).map_err(machine_failure);
        // Transfers that are under way must not find what is cut off.
        if shrink { self.standing(resize) } else { resize(self) }
    }

    /// Ends a device that is off the bus.
    pub(super) fn bury(&mut self, ejected: Ejected) {
        let Ejected { slot, function } = ejected;
        // A vCPU may be in the middle of an access and hold the function a moment longer; its threads end here.
        function.lock().unwrap_or_else(PoisonError::into_inner).reset();
        drop(function);
        let alias = self.machine_mut().ok().and_then(|machine| machine.forget_device(slot));
        if let Some(alias) = alias {
            self.jobs.remove(&alias);
            self.locks.forget(&alias);
            if let Some(config) = &mut self.config {
                config.devices.retain(|device| device.alias != alias);
            }
            self.push(Event::DeviceRemoved { alias });
        }
    }

    pub(super) fn machine_mut(&mut self) -> Result<&mut Machine, Failure> {
        match &mut self.state {
            State::Running(machine) | State::Paused(machine, _) => Ok(machine),
            State::Empty | State::Incoming(..) | State::Ended(_) => {
                Err(Failure::new(ErrorCode::State, "there is no machine in the worker"))
            }
        }
    }
}

/// Writes the slot that each device has into its configuration: what is left after a removal must not move.
pub(super) fn settle_slots(config: &mut VmConfig, slots: &[u8]) {
    config.devices.iter_mut().zip(slots).for_each(|(device, slot)| device.slot = Some(*slot));
}

/// The kind of failure of a device.
pub(super) fn device_code(error: &DeviceError) -> ErrorCode {
    match error {
        DeviceError::Job { cause, .. } => match cause {
            JobError::NotReady => ErrorCode::State,
            JobError::Depth(_) | JobError::Small { .. } => ErrorCode::Config,
            JobError::Disk(_) | JobError::Image(_) | JobError::Thread(_) => ErrorCode::Host,
        },
        DeviceError::NoDevice(_) | DeviceError::NoConsole(_) => ErrorCode::NotFound,
        DeviceError::NoInterface(_)
        | DeviceError::NoDisk(_)
        | DeviceError::NoMemory(_)
        | DeviceError::NoSockets(_) => ErrorCode::Unsupported,
        DeviceError::Stands { .. } => ErrorCode::State,
        DeviceError::Shares(_) => ErrorCode::Unsupported,
        DeviceError::Size {
            cause: ResizeError::Host(_) | ResizeError::Image(ImageError::Io { .. }), ..
        }
        | DeviceError::Failed { .. } => ErrorCode::Host,
        DeviceError::State { .. } => ErrorCode::Image,
        DeviceError::Size { .. } => ErrorCode::Config,
    }
}
