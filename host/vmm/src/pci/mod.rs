//! A PCI Express root complex with one bus: what virtio devices need of PCI and nothing that needs a real one.
//!
//! ```text
//!  0xcf8/0xcfc ─┐
//!  ECAM ────────┴─> RootComplex ── PciAddress ──> PciFunction { ConfigSpace, BARs, MSI-X }
//!                       │ after every configuration write: BARs that are decoded and fit
//!  MMIO window <────────┘ are put on the memory bus, the others are taken off it
//! ```
//!
//! Two functions that are not virtio are here too: a watchdog and the device that is told of panics.
//!
//! Functions sit on bus 0 as root-complex integrated endpoints. There are no bridges, no I/O BARs, no expansion ROMs
//! and no INTx: a function interrupts by MSI-X or not at all.

mod address;
mod config;
mod function;
mod host_bridge;
pub mod hotplug;
pub mod msix;
mod panic;
mod root;
mod watchdog;

pub use address::{PciAddress, PciAddressError};
pub use config::{ConfigSpace, ConfigState, ConfigStateError, Identity};
pub use function::PciFunction;
pub use host_bridge::HostBridge;
pub use hotplug::{Ejected, HotplugController, HotplugState};
pub use panic::{Panic, PanicFunction};
pub use root::{ConfigPorts, Ecam, PciError, RootComplex};
pub use watchdog::{Watchdog, WatchdogFunction, WatchdogFunctionState, WatchdogState};
