//! What guest-visible switches are wired to: they stop the vCPUs at once and tell the event loop.

use std::sync::Arc;

use super::gate::Gate;
use super::signals::{GuestStop, Signals};
use crate::legacy::Chassis;

/// The wires of one machine.
pub struct MachineChassis {
    gate: Arc<Gate>,
    signals: Arc<Signals>,
}

impl MachineChassis {
    /// Wires to a gate and to the event loop.
    pub fn new(gate: Arc<Gate>, signals: Arc<Signals>) -> Self {
        Self { gate, signals }
    }

    /// The guest can't go on.
    pub fn crash(&self, reason: String) {
        self.stop(GuestStop::Crash(reason));
    }

    fn stop(&self, stop: GuestStop) {
        self.gate.close();
        self.signals.stop(stop);
    }
}

impl Chassis for MachineChassis {
    fn power_off(&self) {
        self.stop(GuestStop::PowerOff);
    }

    fn suspend(&self) {
        self.stop(GuestStop::Suspend);
    }

    fn hibernate(&self) {
        self.stop(GuestStop::Hibernate);
    }

    fn wake(&self) {
        self.signals.wake_wanted();
    }

    fn reset(&self) {
        self.stop(GuestStop::Reset);
    }
}
