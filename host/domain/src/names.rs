//! Names the host gives to devices when a domain starts: aliases, as libvirt counts them, and tap names.

use reeve_model::domain::{DeviceCommon, DomainConfig};
use uuid::Uuid;

/// Gives a name to every device that has none. What has one keeps it.
pub(crate) fn assign(config: &mut DomainConfig) {
    let uuid = config.uuid;
    let devices = &mut config.devices;
    count("virtio-disk", devices.disks.iter_mut().map(|device| &mut device.common));
    count("net", devices.interfaces.iter_mut().map(|device| &mut device.common));
    count("serial", devices.serials.iter_mut().map(|device| &mut device.common));
    count("console", devices.consoles.iter_mut().map(|device| &mut device.common));
    count("channel", devices.channels.iter_mut().map(|device| &mut device.common));
    count("rng", devices.rngs.iter_mut().map(|device| &mut device.common));
    count("balloon", devices.memballoon.iter_mut().map(|device| &mut device.common));
    count("watchdog", devices.watchdog.iter_mut().map(|device| &mut device.common));
    count("fs", devices.filesystems.iter_mut().map(|device| &mut device.common));
    count("virtiomem", devices.memories.iter_mut().map(|device| &mut device.common));
    count("vsock", devices.vsock.iter_mut().map(|device| &mut device.common));
    count("panic", devices.panic.iter_mut().map(|device| &mut device.common));
    let mut taken: Vec<String> = devices.interfaces.iter().filter_map(|each| each.target.clone()).collect();
    for interface in &mut devices.interfaces {
        if interface.target.is_none() {
            let free = (0..).map(|number| tap_name(uuid, number)).find(|name| !taken.contains(name));
            taken.extend(free.clone());
            interface.target = free;
        }
    }
}

fn count<'a>(prefix: &str, devices: impl Iterator<Item = &'a mut DeviceCommon>) {
    let devices: Vec<_> = devices.collect();
    let mut taken: Vec<String> = devices.iter().filter_map(|device| device.alias.clone()).collect();
    for device in devices {
        if device.alias.is_none() {
            let free = (0..).map(|number| format!("{prefix}{number}")).find(|alias| !taken.contains(alias));
            taken.extend(free.clone());
            device.alias = free;
        }
    }
}

/// The name of a domain's tap: the same at every start, and other than that of any other domain of any daemon on this machine.
fn tap_name(uuid: Uuid, number: u32) -> String {
    let (start, ..) = uuid.as_fields();
    format!("rv{start:08x}.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_name_fits_and_names_its_domain() {
        let uuid = Uuid::from_u128(0xabcd_0123 << 96);
        assert_eq!(tap_name(uuid, 3), "rvabcd0123.3");
        assert!(tap_name(uuid, 9999).len() <= 15);
    }

    #[test]
    fn a_given_alias_is_kept_and_not_given_again() {
        let mut devices = [
            DeviceCommon::default(),
            DeviceCommon { alias: Some("net0".to_owned()), ..Default::default() },
            DeviceCommon::default(),
        ];
        count("net", devices.iter_mut());
        let aliases: Vec<_> = devices.iter().map(|device| device.alias.as_deref().unwrap()).collect();
        assert_eq!(aliases, ["net1", "net0", "net2"]);
    }
}
