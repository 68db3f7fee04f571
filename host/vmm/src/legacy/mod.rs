//! The few devices of a PC that guests expect besides PCI: serial ports, real-time clock, keyboard controller, ACPI
//! power management, the controller of vCPUs, reset port. Everything is at the port addresses of [`crate::layout`].

pub mod cpus;
mod keyboard;
mod pci_ports;
pub(crate) mod power;
mod rtc;
pub(crate) mod serial;

pub use cpus::{CpuHotplug, CpuHotplugState, CpuMask};
pub use keyboard::Keyboard;
pub use pci_ports::PciPorts;
pub use power::{PowerManagement, PowerState, SLEEP_TYPE_S3, SLEEP_TYPE_S4, SLEEP_TYPE_S5, SleepStates};
pub use rtc::{CENTURY_REGISTER, Rtc, RtcState, RtcTime};
pub use serial::{SerialPort, SerialState};

/// What a guest can ask its machine for.
pub trait Chassis: Send + Sync {
    /// The guest switched itself off.
    fn power_off(&self);

    /// The guest suspended itself to memory.
    fn suspend(&self);

    /// The guest suspended itself to its disk, and needs the machine no more.
    fn hibernate(&self);

    /// Something that the guest wants to be woken by has happened.
    fn wake(&self);

    /// The guest pulled a reset line.
    fn reset(&self);
}
