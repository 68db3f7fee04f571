//! One virtual machine on KVM, and the worker process that runs it.
//!
//! ```text
//!   daemon ──unix socket, fds──> worker ── Machine ─┬─ Vcpu threads ──KVM_RUN──> guest
//!   (protocol, config)                              ├─ event loop: control, consoles, devices
//!                                                   └─ bus: legacy ports, ACPI, PCI root, virtio
//! ```
//!
//! What the control plane needs is in [`config`] and [`protocol`] (plain data) and [`worker`] (the process).

mod acpi;
mod aligned;
pub mod boot;
pub mod bus;
pub mod config;
pub mod console;
mod core_dump;
pub mod hypervisor;
pub mod layout;
pub mod legacy;
pub mod machine;
pub mod memory;
mod migration;
pub mod pci;
pub mod protocol;
pub mod sandbox;
mod smbios;
pub mod state;
pub mod virtio;
pub mod worker;
