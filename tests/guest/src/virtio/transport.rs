//! The PCI transport of virtio 1.x (4.1 of the specification) with one MSI-X vector a device.

use alloc::vec::Vec;
use core::mem::size_of;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus};
use virtio_drivers::{Error, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::pci::{Function, MsixEntry};

const VENDOR: u16 = 0x1af4;
const FIRST_MODERN_ID: u16 = 0x1040;
const VENDOR_CAPABILITY: u8 = 0x09;
const NO_VECTOR: u16 = 0xffff;
const OUR_VECTOR: u16 = 0;

/// Offsets in the common configuration structure.
mod common {
    pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub const DEVICE_FEATURE: u64 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub const DRIVER_FEATURE: u64 = 0x0c;
    pub const CONFIG_VECTOR: u64 = 0x10;
    pub const STATUS: u64 = 0x14;
    pub const GENERATION: u64 = 0x15;
    pub const QUEUE_SELECT: u64 = 0x16;
    pub const QUEUE_SIZE: u64 = 0x18;
    pub const QUEUE_VECTOR: u64 = 0x1a;
    pub const QUEUE_ENABLE: u64 = 0x1c;
    pub const QUEUE_NOTIFY_OFFSET: u64 = 0x1e;
    pub const QUEUE_DESCRIPTORS: u64 = 0x20;
    pub const QUEUE_DRIVER: u64 = 0x28;
    pub const QUEUE_DEVICE: u64 = 0x30;
}

/// A directory of the host, for which the crate has no name. Here it goes by that of its next of kin, which no machine has.
const SHARED: u16 = 26;

/// A virtio device and where its structures are.
pub struct Transport {
    kind: DeviceType,
    common: u64,
    notify: u64,
    notify_multiplier: u32,
    interrupt_status: u64,
    device: Option<(u64, usize)>,
    msix: Option<MsixEntry>,
    /// Bit n: queue n interrupts.
    interrupting_queues: u16,
    notify_addresses: Vec<u64>,
}

/// Where a device's registers are, for when its driver has the transport.
#[derive(Clone, Copy)]
pub struct Registers {
    common: u64,
    device: Option<(u64, usize)>,
}

impl Registers {
    /// Sets the status to zero.
    pub fn reset(self) {
        // SAFETY: the common configuration structure is mapped; where the device is gone nothing happens.
        unsafe { ((self.common + common::STATUS) as *mut u8).write_volatile(0) }
    }

    /// Lets a queue interrupt, or not.
    pub fn interrupt_on(self, queue: u16, on: bool) {
        // SAFETY: the common configuration structure is mapped and longer than both offsets.
        unsafe {
            ((self.common + common::QUEUE_SELECT) as *mut u16).write_volatile(queue);
            let vector = if on { OUR_VECTOR } else { NO_VECTOR };
            ((self.common + common::QUEUE_VECTOR) as *mut u16).write_volatile(vector);
        }
    }

    /// Four bytes of the device's configuration.
    pub fn config_u32(self, offset: u64) -> Option<u32> {
        let (address, _) = self.device.filter(|(_, bytes)| offset as usize + 4 <= *bytes)?;
        // SAFETY: within the mapped device structure.
        Some(unsafe { ((address + offset) as *const u32).read_volatile() })
    }

    /// The lower features: those that the device offers, and those that its driver took.
    pub fn features(self) -> (u32, u32) {
        // SAFETY: the common configuration structure is mapped and longer than all offsets; selecting changes nothing else.
        unsafe {
            ((self.common + common::DEVICE_FEATURE_SELECT) as *mut u32).write_volatile(0);
            ((self.common + common::DRIVER_FEATURE_SELECT) as *mut u32).write_volatile(0);
            let offered = ((self.common + common::DEVICE_FEATURE) as *const u32).read_volatile();
            (offered, ((self.common + common::DRIVER_FEATURE) as *const u32).read_volatile())
        }
    }

    /// Two bytes of the device's configuration.
    pub fn config_u16(self, offset: u64) -> Option<u16> {
        let (address, _) = self.device.filter(|(_, bytes)| offset as usize + 2 <= *bytes)?;
        // SAFETY: within the mapped device structure.
        Some(unsafe { ((address + offset) as *const u16).read_volatile() })
    }
}

impl Transport {
    /// Where the registers are.
    pub fn registers(&self) -> Registers {
        Registers { common: self.common, device: self.device }
    }

    /// The virtio device behind a PCI function, with its interrupts sent to `vector` of `cpu`. None if it is no
    /// modern virtio device.
    pub fn open(function: Function, vector: u8, cpu: u8) -> Option<Self> {
        let (vendor, id) = function.id();
        if vendor != VENDOR {
            return None;
        }
        let kind = match id.checked_sub(FIRST_MODERN_ID)? {
            SHARED => DeviceType::_9P,
            other => DeviceType::try_from(other).ok()?,
        };
        function.enable();
        let (common, ..) = structure(function, 1)?;
        let (notify, _, capability) = structure(function, 2)?;
        let (interrupt_status, ..) = structure(function, 3)?;
        let device = structure(function, 4).map(|(address, bytes, _)| (address, bytes));
        let interrupting_queues = match kind {
            DeviceType::Console | DeviceType::Network => 1 << 0,
            DeviceType::MemoryBalloon | DeviceType::Block => 0,
            _ => u16::MAX,
        };
        Some(Self {
            kind,
            common,
            notify,
            notify_multiplier: function.read(capability + 16),
            interrupt_status,
            device,
            msix: function.enable_msix(vector, cpu),
            interrupting_queues,
            notify_addresses: Vec::new(),
        })
    }

    /// The MSI-X entry that carries all of the device's interrupts.
    pub fn msix(&self) -> Option<MsixEntry> {
        self.msix
    }

    /// Lets a queue interrupt that does not by default; call before it is set up.
    pub fn interrupt_on(&mut self, queue: u16) {
        self.interrupting_queues |= 1 << queue;
    }

    fn read<T>(&self, offset: u64) -> T {
        // SAFETY: the common configuration structure is mapped and longer than any offset used.
        unsafe { ((self.common + offset) as *const T).read_volatile() }
    }

    fn write<T>(&self, offset: u64, value: T) {
        // SAFETY: as in `read`.
        unsafe { ((self.common + offset) as *mut T).write_volatile(value) }
    }

    fn select(&self, queue: u16) {
        self.write(common::QUEUE_SELECT, queue);
    }

    /// The device only sees 32-bit halves, as the specification asks of drivers.
    fn write_address(&self, offset: u64, address: PhysAddr) {
        self.write(offset, address as u32);
        self.write(offset + 4, (address >> 32) as u32);
    }

    fn field<T>(&self, offset: usize) -> virtio_drivers::Result<*mut T> {
        let (address, bytes) = self.device.ok_or(Error::ConfigSpaceMissing)?;
        if offset + size_of::<T>() > bytes {
            return Err(Error::ConfigSpaceTooSmall);
        }
        Ok((address as usize + offset) as *mut T)
    }
}

/// Address, length and capability offset of one of the device's structures.
fn structure(function: Function, wanted: u8) -> Option<(u64, usize, u16)> {
    function.capabilities().into_iter().filter(|(id, _)| *id == VENDOR_CAPABILITY).find_map(|(_, at)| {
        let kind = (function.read(at) >> 24) as u8;
        let bar = function.read(at + 4) as u8;
        let offset = function.read(at + 8);
        let bytes = function.read(at + 12) as usize;
        let address = (kind == wanted).then(|| function.bar(bar)).flatten()? + u64::from(offset);
        Some((address, bytes, at))
    })
}

impl virtio_drivers::transport::Transport for Transport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        self.write(common::DEVICE_FEATURE_SELECT, 0u32);
        let low: u32 = self.read(common::DEVICE_FEATURE);
        self.write(common::DEVICE_FEATURE_SELECT, 1u32);
        let high: u32 = self.read(common::DEVICE_FEATURE);
        u64::from(high) << 32 | u64::from(low)
    }

    fn write_driver_features(&mut self, features: u64) {
        self.write(common::DRIVER_FEATURE_SELECT, 0u32);
        self.write(common::DRIVER_FEATURE, features as u32);
        self.write(common::DRIVER_FEATURE_SELECT, 1u32);
        self.write(common::DRIVER_FEATURE, (features >> 32) as u32);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.select(queue);
        self.read::<u16>(common::QUEUE_SIZE).into()
    }

    fn notify(&mut self, queue: u16) {
        if let Some(&address) = self.notify_addresses.get(usize::from(queue)) {
            // SAFETY: the address lies in the mapped notification structure.
            unsafe { (address as *mut u16).write_volatile(queue) }
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.read::<u8>(common::STATUS).into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.write(common::STATUS, status.bits() as u8);
        if status.is_empty() {
            self.write(common::CONFIG_VECTOR, if self.msix.is_some() { OUR_VECTOR } else { NO_VECTOR });
        }
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver: PhysAddr,
        device: PhysAddr,
    ) {
        self.select(queue);
        self.write(common::QUEUE_SIZE, size as u16);
        self.write_address(common::QUEUE_DESCRIPTORS, descriptors);
        self.write_address(common::QUEUE_DRIVER, driver);
        self.write_address(common::QUEUE_DEVICE, device);
        let interrupts = self.msix.is_some() && self.interrupting_queues >> queue & 1 == 1;
        self.write(common::QUEUE_VECTOR, if interrupts { OUR_VECTOR } else { NO_VECTOR });
        let offset = u32::from(self.read::<u16>(common::QUEUE_NOTIFY_OFFSET)) * self.notify_multiplier;
        let slot = usize::from(queue);
        self.notify_addresses.resize(self.notify_addresses.len().max(slot + 1), self.notify);
        self.notify_addresses[slot] = self.notify + u64::from(offset);
        self.write(common::QUEUE_ENABLE, 1u16);
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.select(queue);
        self.read::<u16>(common::QUEUE_ENABLE) == 1
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        // SAFETY: the interrupt status structure is mapped.
        let status = unsafe { (self.interrupt_status as *const u8).read_volatile() };
        InterruptStatus::from_bits_retain(status.into())
    }

    fn read_config_generation(&self) -> u32 {
        self.read::<u8>(common::GENERATION).into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> virtio_drivers::Result<T> {
        // SAFETY: within the mapped device structure; any bytes are a valid T.
        Ok(unsafe { self.field::<T>(offset)?.read_volatile() })
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        // SAFETY: within the mapped device structure.
        unsafe { self.field::<T>(offset)?.write_volatile(value) };
        Ok(())
    }
}
