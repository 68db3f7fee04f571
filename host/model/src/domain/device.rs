//! One device of any kind, and how a device enters and leaves a domain.

use super::{
    CharDevice, Controller, DeviceCommon, Devices, Disk, Filesystem, Interface, MemBalloon, MemoryDevice,
    PanicDevice, Rng, Vsock, Watchdog,
};

/// One child of `<devices>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// `<disk>`.
    Disk(Disk),
    /// `<controller>`.
    Controller(Controller),
    /// `<filesystem>`.
    Filesystem(Filesystem),
    /// `<interface>`.
    Interface(Interface),
    /// `<serial>`.
    Serial(CharDevice),
    /// `<console>`.
    Console(CharDevice),
    /// `<channel>`.
    Channel(CharDevice),
    /// `<rng>`.
    Rng(Rng),
    /// `<memballoon>`.
    MemBalloon(MemBalloon),
    /// `<vsock>`.
    Vsock(Vsock),
    /// `<watchdog>`.
    Watchdog(Watchdog),
    /// `<panic>`.
    Panic(PanicDevice),
    /// `<memory>`.
    Memory(MemoryDevice),
    /// A device that no driver of this host runs, as its XML text.
    Other(String),
}

/// Why a device cannot be put into a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceConflict {
    /// Something that must be unique is taken.
    #[error("the domain has a device with {what} '{value}' already; give the new one another {what}")]
    Taken {
        /// What is taken: `target`, `MAC`, `alias`, `index`.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A domain has at most one of these.
    #[error("the domain has a <{element}> already, and can have only one; remove it first")]
    OnlyOne {
        /// Element name.
        element: &'static str,
    },
}

impl Device {
    /// Element name; of an untyped device `device`.
    pub fn element(&self) -> &'static str {
        match self {
            Self::Disk(_) => "disk",
            Self::Controller(_) => "controller",
            Self::Filesystem(_) => "filesystem",
            Self::Interface(_) => "interface",
            Self::Serial(_) => "serial",
            Self::Console(_) => "console",
            Self::Channel(_) => "channel",
            Self::Rng(_) => "rng",
            Self::MemBalloon(_) => "memballoon",
            Self::Vsock(_) => "vsock",
            Self::Watchdog(_) => "watchdog",
            Self::Panic(_) => "panic",
            Self::Memory(_) => "memory",
            Self::Other(_) => "device",
        }
    }

    /// Alias, address and boot order; none for an untyped device.
    pub fn common(&self) -> Option<&DeviceCommon> {
        Some(match self {
            Self::Disk(device) => &device.common,
            Self::Controller(device) => &device.common,
            Self::Filesystem(device) => &device.common,
            Self::Interface(device) => &device.common,
            Self::Serial(device) | Self::Console(device) | Self::Channel(device) => &device.common,
            Self::Rng(device) => &device.common,
            Self::MemBalloon(device) => &device.common,
            Self::Vsock(device) => &device.common,
            Self::Watchdog(device) => &device.common,
            Self::Panic(device) => &device.common,
            Self::Memory(device) => &device.common,
            Self::Other(_) => return None,
        })
    }
}

impl Devices {
    /// The common part of every typed device, in the order of the fields.
    pub fn commons(&self) -> impl Iterator<Item = &DeviceCommon> {
        let chars = self.serials.iter().chain(&self.consoles).chain(&self.channels);
        (self.disks.iter().map(|device| &device.common))
            .chain(self.controllers.iter().map(|device| &device.common))
            .chain(self.filesystems.iter().map(|device| &device.common))
            .chain(self.interfaces.iter().map(|device| &device.common))
            .chain(chars.map(|device| &device.common))
            .chain(self.rngs.iter().map(|device| &device.common))
            .chain(self.memballoon.iter().map(|device| &device.common))
            .chain(self.watchdog.iter().map(|device| &device.common))
            .chain(self.vsock.iter().map(|device| &device.common))
            .chain(self.panic.iter().map(|device| &device.common))
            .chain(self.memories.iter().map(|device| &device.common))
    }

    /// Adds a device after those of its kind. Refuses a target, MAC, alias or controller index that is taken, and a second
    /// balloon, watchdog or panic device; the rest is checked with the whole domain.
    pub fn insert(&mut self, device: Device) -> Result<(), DeviceConflict> {
        self.refuse_taken(&device)?;
        match device {
            Device::Disk(disk) => self.disks.push(disk),
            Device::Controller(controller) => self.controllers.push(controller),
            Device::Filesystem(filesystem) => self.filesystems.push(filesystem),
            Device::Interface(interface) => self.interfaces.push(interface),
            Device::Serial(serial) => self.serials.push(serial),
            Device::Console(console) => self.consoles.push(console),
            Device::Channel(channel) => self.channels.push(channel),
            Device::Rng(rng) => self.rngs.push(rng),
            Device::MemBalloon(balloon) => self.memballoon = Some(balloon),
            Device::Watchdog(watchdog) => self.watchdog = Some(watchdog),
            Device::Vsock(vsock) => self.vsock = Some(vsock),
            Device::Panic(panic) => self.panic = Some(panic),
            Device::Memory(memory) => self.memories.push(memory),
            Device::Other(xml) => self.extra.elements.push(xml),
        }
        Ok(())
    }

    fn refuse_taken(&self, device: &Device) -> Result<(), DeviceConflict> {
        let taken = |what, value: &str| Err(DeviceConflict::Taken { what, value: value.to_owned() });
        if let Some(alias) = device.common().and_then(|common| common.alias.as_deref())
            && self.commons().any(|common| common.alias.as_deref() == Some(alias))
        {
            return taken("alias", alias);
        }
        match device {
            Device::Disk(new) if self.disks.iter().any(|disk| disk.target == new.target) => {
                taken("target", &new.target)
            }
            Device::Interface(new) => {
                let mac = new.mac.as_deref().filter(|mac| self.interface_with_mac(mac).is_some());
                let has_target =
                    |target: &&str| self.interfaces.iter().any(|nic| nic.target.as_deref() == Some(*target));
                match (mac, new.target.as_deref().filter(has_target)) {
                    (Some(mac), _) => taken("MAC", mac),
                    (None, Some(target)) => taken("target", target),
                    (None, None) => Ok(()),
                }
            }
            Device::Filesystem(new)
                if self.filesystems.iter().any(|old| old.target.is_some() && old.target == new.target) =>
            {
                taken("target", new.name())
            }
            Device::Controller(new) if new.index.is_some() => {
                let same = |old: &Controller| old.kind == new.kind && old.index == new.index;
                match new.index.filter(|_| self.controllers.iter().any(same)) {
                    Some(index) => taken("index", &index.to_string()),
                    None => Ok(()),
                }
            }
            Device::MemBalloon(_) if self.memballoon.is_some() => {
                Err(DeviceConflict::OnlyOne { element: "memballoon" })
            }
            Device::Vsock(_) if self.vsock.is_some() => Err(DeviceConflict::OnlyOne { element: "vsock" }),
            Device::Watchdog(_) if self.watchdog.is_some() => {
                Err(DeviceConflict::OnlyOne { element: "watchdog" })
            }
            Device::Panic(_) if self.panic.is_some() => Err(DeviceConflict::OnlyOne { element: "panic" }),
            _ => Ok(()),
        }
    }

    /// Takes out the device with this alias; else the disk, interface or filesystem with this target, or the interface with this MAC.
    pub fn remove(&mut self, key: &str) -> Option<Device> {
        self.remove_where(&|common, _| common.alias.as_deref() == Some(key))
            .or_else(|| self.remove_where(&|_, names| names.contains(&Some(key))))
            .or_else(|| {
                let mac = key.to_ascii_lowercase();
                self.remove_where(&|_, names| names.contains(&Some(mac.as_str())))
            })
    }

    /// The interface with this MAC, in any letter case.
    pub fn interface_with_mac(&self, mac: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|nic| nic.mac.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(mac)))
    }

    fn remove_where(&mut self, hit: &dyn Fn(&DeviceCommon, &[Option<&str>]) -> bool) -> Option<Device> {
        fn take<T>(list: &mut Vec<T>, hit: impl Fn(&T) -> bool) -> Option<T> {
            list.iter().position(hit).map(|index| list.remove(index))
        }
        let disk_names = |disk: &Disk| hit(&disk.common, &[Some(disk.target.as_str())]);
        let nic_names = |nic: &Interface| hit(&nic.common, &[nic.target.as_deref(), nic.mac.as_deref()]);
        let chars = |device: &CharDevice| hit(&device.common, &[]);
        take(&mut self.disks, disk_names)
            .map(Device::Disk)
            .or_else(|| take(&mut self.interfaces, nic_names).map(Device::Interface))
            .or_else(|| {
                take(&mut self.controllers, |device| hit(&device.common, &[])).map(Device::Controller)
            })
            .or_else(|| {
                let names = |device: &Filesystem| hit(&device.common, &[device.target.as_deref()]);
                take(&mut self.filesystems, names).map(Device::Filesystem)
            })
            .or_else(|| take(&mut self.serials, chars).map(Device::Serial))
            .or_else(|| take(&mut self.consoles, chars).map(Device::Console))
            .or_else(|| take(&mut self.channels, chars).map(Device::Channel))
            .or_else(|| take(&mut self.rngs, |device| hit(&device.common, &[])).map(Device::Rng))
            .or_else(|| self.memballoon.take_if(|device| hit(&device.common, &[])).map(Device::MemBalloon))
            .or_else(|| self.vsock.take_if(|device| hit(&device.common, &[])).map(Device::Vsock))
            .or_else(|| self.watchdog.take_if(|device| hit(&device.common, &[])).map(Device::Watchdog))
            .or_else(|| self.panic.take_if(|device| hit(&device.common, &[])).map(Device::Panic))
            .or_else(|| take(&mut self.memories, |device| hit(&device.common, &[])).map(Device::Memory))
    }
}
