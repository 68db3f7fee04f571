//! A machine's whole state, taken and given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::devices::Board;
use super::{Consoles, DeviceError, FdTable, Machine, MachineError, Parts};
use crate::config::{DeviceConfig, DeviceKind, VmConfig};
use crate::hypervisor::{VcpuRegisters, VcpuState};
use crate::memory::Memory;
use crate::state::{BoardState, MachineState, Shape, StateError};

impl Machine {
    /// Puts a machine together that goes on where `state` ends, standing still. Its memory is empty: whoever made it fills it
    /// before it is resumed. The configuration must have the slots of the state ([`MachineState::settle_slots`]).
    pub fn restore(parts: Parts<'_>, state: &MachineState) -> Result<Self, MachineError> {
        state.check(parts.config)?;
        let machine = Self::assemble(parts)?;
        machine.give_back(state)?;
        Ok(machine)
    }

    /// Puts a machine together whose guest is still to come, with empty memory. It may not be resumed before it was
    /// [taken in](Self::take_in).
    pub fn await_guest(parts: Parts<'_>) -> Result<Self, MachineError> {
        let mut config = parts.config.clone();
        config.devices.retain(|device| !comes_last(device));
        let machine = Self::assemble(Parts { config: &config, ..parts })?;
        machine.devices_stopped.store(true, Ordering::SeqCst);
        Ok(machine)
    }

    /// Gives a machine that awaits its guest everything but memory, which is here already. `config` is what it was made from,
    /// with the slot of every device.
    pub fn take_in(
        &mut self,
        config: &VmConfig,
        fds: &FdTable,
        state: &MachineState,
    ) -> Result<(), MachineError> {
        state.check(config)?;
        let consoles = Consoles::new();
        let (signals, memory, vm) = (&self.signals, &self.memory, &self.vm);
        let (chassis, iothreads) = (&self.chassis, &self.iothreads);
        let board = Board { config, fds, consoles: &consoles, signals, chassis, memory, vm, iothreads };
        for device in config.devices.iter().filter(|device| comes_last(device)) {
            if let Some(slot) = device.slot {
                self.devices.add(&board, device, slot)?;
            }
        }
        self.config = config.clone();
        self.give_back(state)
    }

    /// Stops vCPUs and devices: nothing changes memory or state any more until [`resume`](Self::resume). Requests of the guest
    /// that are in flight are completed first.
    pub fn quiesce(&self) {
        self.pause();
        if !self.devices_stopped.swap(true, Ordering::SeqCst) {
            self.devices.pause();
        }
    }

    /// Refuses what takes the machine's state where part of it is in another process.
    pub fn refuse_shares(&self) -> Result<(), MachineError> {
        Ok(self.devices.refuse_shares()?)
    }

    /// Everything about the machine but its memory. It is quiesced first and stays so.
    pub fn save(&self) -> Result<MachineState, MachineError> {
        self.refuse_shares()?;
        self.quiesce();
        if let Some((alias, error)) = self.devices.stopped_disks().into_iter().next() {
            return Err(DeviceError::Stands { alias, error }.into());
        }
        let board = BoardState {
            serials: self.serials.iter().map(|serial| serial.state()).collect(),
            power: self.power.state(),
            rtc: self.rtc.as_ref().map(|rtc| rtc.state()),
            config_address: self.devices.config_ports().address(),
            bridge: self.devices.root().bridge(),
            hotplug: self.hotplug.state(),
            cpus: Some(self.cpus.state()),
        };
        Ok(MachineState {
            shape: Shape { memory: self.config.memory.bytes, vcpus: self.vcpu_count() },
            clock: self.vm.clock()?,
            // After the vCPUs: what they last did to a device may have moved an interrupt.
            vcpus: Arc::new(self.gate.save()?),
            vm: self.vm.state()?,
            board,
            devices: self.devices.state(),
        })
    }

    /// The registers of every vCPU. They must stand still.
    pub fn registers(&self) -> Result<Vec<VcpuRegisters>, MachineError> {
        Ok(self.gate.save()?.iter().map(VcpuState::registers).collect())
    }

    /// Guest memory. While the machine is quiesced nobody else uses it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Interrupt controllers and vCPUs come first: a device may interrupt while it is restored.
    fn give_back(&self, state: &MachineState) -> Result<(), MachineError> {
        self.devices_stopped.store(true, Ordering::SeqCst);
        self.vm.restore(&state.vm)?;
        self.vm.set_clock(state.clock)?;
        let cpus = state.cpus();
        self.cpus.restore(&cpus);
        self.gate.set_present(&cpus.present);
        self.gate.restore(Arc::clone(&state.vcpus))?;
        let board = &state.board;
        self.devices.root().restore_bridge(&board.bridge)?;
        self.devices.config_ports().set_address(board.config_address);
        self.devices.restore(&state.devices)?;
        self.hotplug.restore(&board.hotplug);
        if let (Some(rtc), Some(saved)) = (&self.rtc, &board.rtc)
            && !rtc.restore(saved)
        {
            return Err(StateError::Board("real-time clock").into());
        }
        for (port, saved) in self.serials.iter().zip(&board.serials) {
            if !port.restore(saved) {
                return Err(StateError::Board("serial port").into());
            }
        }
        self.power.restore(&board.power);
        Ok(())
    }
}

/// Whether a device is made when its guest is here: what is read of an image before is stale once the guest has written more.
fn comes_last(device: &DeviceConfig) -> bool {
    matches!(&device.kind, DeviceKind::Block(block) if block.format != reeve_image::Format::Raw)
}
