//! Plugged and unplugged devices and vCPUs in the live configuration.

use reeve_model::domain::{Disk, DomainConfig};

use crate::driver::Device;
use crate::names;

/// Adds a device and gives it back with the alias it got; the rest of a sentence that begins with "domain 'NAME' " when its name is taken or it has none.
pub(crate) fn add(config: &mut DomainConfig, device: &Device) -> Result<Device, String> {
    if position(config, device).is_some() {
        return Err(format!("has {} already", device.describe()));
    }
    let devices = &mut config.devices;
    match device {
        Device::Disk(disk) => devices.disks.push(disk.as_ref().clone()),
        Device::Interface(interface) => devices.interfaces.push(interface.as_ref().clone()),
        Device::Rng(rng) => devices.rngs.push(rng.as_ref().clone()),
        Device::Channel(channel) => devices.channels.push(channel.as_ref().clone()),
        Device::Other(element) => return Err(format!("can't be given <{element}> while it runs")),
    }
    names::assign(config);
    let devices = &config.devices;
    let added = match device {
        Device::Disk(_) => devices.disks.last().cloned().map(|disk| Device::Disk(Box::new(disk))),
        Device::Interface(_) => {
            devices.interfaces.last().cloned().map(|tap| Device::Interface(Box::new(tap)))
        }
        Device::Rng(_) => devices.rngs.last().cloned().map(|rng| Device::Rng(Box::new(rng))),
        Device::Channel(_) => {
            devices.channels.last().cloned().map(|channel| Device::Channel(Box::new(channel)))
        }
        Device::Other(_) => None,
    };
    Ok(added.unwrap_or_else(|| device.clone()))
}

/// Removes a device and gives it back as it was configured; the rest of a sentence when it is not there.
pub(crate) fn remove(config: &mut DomainConfig, device: &Device) -> Result<Device, String> {
    let position = position(config, device).ok_or_else(|| format!("has no {}", device.describe()))?;
    let devices = &mut config.devices;
    Ok(match device {
        Device::Disk(_) => Device::Disk(Box::new(devices.disks.remove(position))),
        Device::Interface(_) => Device::Interface(Box::new(devices.interfaces.remove(position))),
        Device::Rng(_) => Device::Rng(Box::new(devices.rngs.remove(position))),
        Device::Channel(_) => Device::Channel(Box::new(devices.channels.remove(position))),
        Device::Other(element) => Device::Other(element.clone()),
    })
}

/// Puts a changed device in the place of the one that goes by the same name; what it does not say of its identity stays. Gives
/// back both; the rest of a sentence when it is not there or can't be changed.
pub(crate) fn replace(config: &mut DomainConfig, device: &Device) -> Result<(Device, Device), String> {
    let position = position(config, device).ok_or_else(|| format!("has no {}", device.describe()))?;
    if let Device::Disk(changed) = device {
        let place = &mut config.devices.disks[position];
        let old = std::mem::replace(place, changed.as_ref().clone());
        return Ok((Device::Disk(Box::new(old)), device.clone()));
    }
    let Device::Interface(changed) = device else {
        return Err(format!("can't be given another {} while it runs", device.describe()));
    };
    let place = &mut config.devices.interfaces[position];
    let mut new = changed.clone();
    new.target = new.target.or_else(|| place.target.clone());
    new.model = new.model.or_else(|| place.model.clone());
    new.mtu = new.mtu.or(place.mtu);
    new.common.alias = place.common.alias.clone();
    new.common.address = new.common.address.or_else(|| place.common.address.clone());
    let old = std::mem::replace(place, new.as_ref().clone());
    Ok((Device::Interface(Box::new(old)), Device::Interface(new)))
}

/// Disks by target; the rest of a sentence when one is not there.
pub(crate) fn disks(config: &DomainConfig, targets: &[String]) -> Result<Vec<Disk>, String> {
    let find = |target: &String| {
        let found = config.devices.disks.iter().find(|disk| disk.target == *target);
        found.cloned().ok_or_else(|| format!("has no disk '{target}'"))
    };
    targets.iter().map(find).collect()
}

/// Puts disks in the place of those with the same targets, which it gives back; the rest of a sentence when one is not there.
pub(crate) fn switch(config: &mut DomainConfig, new: &[Disk]) -> Result<Vec<Disk>, String> {
    let put = |disk: &Disk| {
        let place = config.devices.disks.iter_mut().find(|old| old.target == disk.target);
        let place = place.ok_or_else(|| format!("has no disk '{}'", disk.target))?;
        Ok(std::mem::replace(place, disk.clone()))
    };
    new.iter().map(put).collect()
}

/// Removes the disk or interface with an alias. False when there is none.
pub(crate) fn remove_named(config: &mut DomainConfig, alias: &str) -> bool {
    let devices = &mut config.devices;
    let before = devices.disks.len() + devices.interfaces.len();
    devices.disks.retain(|disk| disk.common.alias.as_deref() != Some(alias));
    devices.interfaces.retain(|interface| interface.common.alias.as_deref() != Some(alias));
    devices.disks.len() + devices.interfaces.len() < before
}

/// Puts down how many vCPUs are there. False when that is known.
pub(crate) fn count_vcpus(config: &mut DomainConfig, count: u32) -> bool {
    let changed = config.vcpu.at_boot() != count;
    if changed {
        config.vcpu.current = Some(count);
    }
    changed
}

/// Where the device that goes by the same name is in its list.
fn position(config: &DomainConfig, device: &Device) -> Option<usize> {
    let devices = &config.devices;
    match device {
        Device::Disk(disk) => devices.disks.iter().position(|other| other.target == disk.target),
        Device::Interface(interface) => {
            devices.interfaces.iter().position(|other| other.mac.is_some() && other.mac == interface.mac)
        }
        Device::Rng(rng) => devices
            .rngs
            .iter()
            .position(|other| other.common.alias.is_some() && other.common.alias == rng.common.alias),
        Device::Channel(channel) => {
            devices.channels.iter().position(|other| other.name.is_some() && other.name == channel.name)
        }
        Device::Other(_) => None,
    }
}
