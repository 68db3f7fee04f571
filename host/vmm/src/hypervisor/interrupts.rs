//! Interrupt lines into the in-kernel controllers: pins for legacy devices, MSI lines for PCI.
//!
//! MSI lines go through irqfd, which KVM delivers in the caller's context. Pins are raised by ioctl instead: KVM hands
//! an irqfd on an I/O APIC pin to a kernel worker, which may come late on a busy host.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE, KvmIrqRouting, kvm_irq_routing_entry,
};
use kvm_ioctls::{IoEventAddress, NoDatamatch, VmFd};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::Vm;
use crate::layout::FIRST_MSI_GSI;
use crate::pci::msix::{MsiLine, MsiLines, MsiMessage};
use crate::virtio::Doorbells;

/// Most lines: what KVM routes at most, less a margin for its pins.
const MAX_GSI: u32 = 4000;

/// The routing table of a machine.
pub(super) struct Interrupts {
    fd: Arc<VmFd>,
    /// MSI lines in use; none is a line without a route.
    messages: Mutex<BTreeMap<u32, Option<MsiMessage>>>,
}

impl Interrupts {
    pub(super) fn new(fd: Arc<VmFd>) -> Self {
        Self { fd, messages: Mutex::new(BTreeMap::new()) }
    }

    fn reserve(&self) -> io::Result<u32> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let gsi = (FIRST_MSI_GSI..MAX_GSI)
            .find(|gsi| !messages.contains_key(gsi))
            .ok_or_else(|| io::Error::other("the machine has no interrupt line left"))?;
        messages.insert(gsi, None);
        Ok(gsi)
    }

    fn release(&self, gsi: u32) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).remove(&gsi);
    }

    fn route(&self, gsi: u32, message: MsiMessage) -> io::Result<()> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let before = messages.insert(gsi, Some(message)).flatten();
        let routed =
            messages.iter().filter_map(|(gsi, message)| message.map(|message| msi_entry(*gsi, message)));
        let entries: Vec<_> = pin_entries().chain(routed).collect();
        let table = KvmIrqRouting::from_entries(&entries)
            .map_err(|_| io::Error::other("the machine has too many interrupt routes"))?;
        self.fd.set_gsi_routing(&table).map_err(|error| {
            messages.insert(gsi, before);
            io::Error::from(error)
        })
    }
}

/// The routes KVM has by default: lines 0 to 15 to both controllers, 16 to 23 to the I/O APIC.
fn pin_entries() -> impl Iterator<Item = kvm_irq_routing_entry> {
    let pics = (0..16).map(|gsi| match gsi {
        0..8 => pin_entry(gsi, KVM_IRQCHIP_PIC_MASTER, gsi),
        _ => pin_entry(gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8),
    });
    pics.chain((0..FIRST_MSI_GSI).map(|gsi| pin_entry(gsi, KVM_IRQCHIP_IOAPIC, gsi)))
}

fn pin_entry(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_IRQCHIP, ..Default::default() };
    entry.u.irqchip.irqchip = irqchip;
    entry.u.irqchip.pin = pin;
    entry
}

fn msi_entry(gsi: u32, message: MsiMessage) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_MSI, ..Default::default() };
    entry.u.msi.address_lo = message.address as u32;
    entry.u.msi.address_hi = (message.address >> 32) as u32;
    entry.u.msi.data = message.data;
    entry
}

/// An MSI line: an irqfd with a route.
struct Line {
    interrupts: Arc<Interrupts>,
    gsi: u32,
    event: EventFd,
}

impl MsiLine for Line {
    fn route(&self, message: MsiMessage) -> io::Result<()> {
        self.interrupts.route(self.gsi, message)
    }

    fn raise(&self) {
        // The counter of an eventfd that KVM drains can't be full.
        let _ = self.event.write(1);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Fails only when the machine is going away, which takes the irqfd with it.
        let _ = self.interrupts.fd.unregister_irqfd(&self.event, self.gsi);
        self.interrupts.release(self.gsi);
    }
}

impl Doorbells for Vm {
    fn register(&self, address: u64, event: &EventFd) -> io::Result<()> {
        Ok(self.fd.register_ioevent(event, &IoEventAddress::Mmio(address), NoDatamatch)?)
    }

    fn unregister(&self, address: u64, event: &EventFd) -> io::Result<()> {
        Ok(self.fd.unregister_ioevent(event, &IoEventAddress::Mmio(address), NoDatamatch)?)
    }
}

impl MsiLines for Vm {
    fn create(&self) -> io::Result<Box<dyn MsiLine>> {
        let event = EventFd::new(EFD_NONBLOCK)?;
        let gsi = self.interrupts.reserve()?;
        let line = Line { interrupts: Arc::clone(&self.interrupts), gsi, event };
        self.fd.register_irqfd(&line.event, gsi)?;
        Ok(Box::new(line))
    }
}

/// A pin of the interrupt controllers.
#[derive(Clone)]
pub struct PinTrigger {
    fd: Arc<VmFd>,
    pin: u32,
}

impl PinTrigger {
    pub(super) fn new(fd: Arc<VmFd>, pin: u32) -> Self {
        Self { fd, pin }
    }

    /// Sets the level of the pin.
    pub fn set(&self, high: bool) -> io::Result<()> {
        Ok(self.fd.set_irq_line(self.pin, high)?)
    }
}

impl vm_superio::Trigger for PinTrigger {
    type E = io::Error;

    /// One edge.
    fn trigger(&self) -> io::Result<()> {
        self.set(true)?;
        self.set(false)
    }
}
