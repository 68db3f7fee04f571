//! Devices of the machine, as /sys shows them. A device that goes while it is read is left out.

use std::fs;
use std::path::{Path, PathBuf};

use reeve_model::node_device::{
    FcHost, IommuGroup, NodeCapability, NodeDevice, PciAddress, UsbId, VirtualPorts,
};
use reeve_sys::files::Tree;

/// Name of the machine itself.
const COMPUTER: &str = "computer";
/// Bytes of a sector in which sizes are told.
const SECTOR: u64 = 512;
/// Kinds of SCSI devices by their numbers (SPC-4, table 142); the others are told by number.
const SCSI_KINDS: [(u64, &str); 6] =
    [(0, "disk"), (1, "tape"), (5, "cdrom"), (7, "optical"), (12, "raid"), (13, "enclosure")];

/// All devices by name, the machine itself first.
pub(crate) fn read(sys: &Tree) -> Vec<NodeDevice> {
    let mut found: Vec<(PathBuf, NodeDevice)> = Vec::new();
    for (directory, reader) in [
        ("bus/pci/devices", pci as Reader),
        ("bus/usb/devices", usb),
        ("class/net", net),
        ("class/block", storage),
        ("class/scsi_host", scsi_host),
        ("bus/scsi/devices", scsi),
    ] {
        for name in entries(&sys.path(directory)) {
            let Ok(path) = fs::canonicalize(sys.path(directory).join(&name)) else { continue };
            let files = Tree::new(&path);
            // An adapter lies within the device that it is: hostN/scsi_host/hostN.
            let path = match directory {
                "class/scsi_host" => path.ancestors().nth(2).unwrap_or(&path).to_owned(),
                _ => path,
            };
            let Some((name, capability)) = reader(sys, &files, &name) else { continue };
            let driver = fs::read_link(path.join("driver")).ok();
            let driver = driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
            let shown = Some(path.display().to_string());
            found.push((path, NodeDevice { name, path: shown, parent: None, driver, capability }));
        }
    }
    let parents: Vec<String> = found.iter().map(|(path, _)| parent(&found, path)).collect();
    let mut devices: Vec<NodeDevice> = Vec::with_capacity(found.len() + 1);
    for ((_, device), parent) in found.into_iter().zip(parents) {
        devices.push(NodeDevice { parent: Some(parent), ..device });
    }
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    devices.insert(0, computer(sys));
    devices
}

/// What an entry of a directory is, and the name that it has here; none where it is no device of its own.
type Reader = fn(&Tree, &Tree, &str) -> Option<(String, NodeCapability)>;

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The nearest device above a path.
fn parent(found: &[(PathBuf, NodeDevice)], path: &Path) -> String {
    let above = path.ancestors().skip(1);
    let named = |path: &Path| found.iter().find(|(other, _)| other == path).map(|(_, device)| &device.name);
    above.filter_map(named).next().cloned().unwrap_or_else(|| COMPUTER.to_owned())
}

fn text(files: &Tree, name: &str) -> Option<String> {
    files.text(name).ok().filter(|text| !text.is_empty())
}

fn hexadecimal(files: &Tree, name: &str) -> Option<u64> {
    u64::from_str_radix(text(files, name)?.trim_start_matches("0x"), 16).ok()
}

/// What is no letter or digit is an underscore in names.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn computer(sys: &Tree) -> NodeDevice {
    let board = sys.below("class/dmi/id");
    let capability = NodeCapability::System {
        product: text(&board, "product_name"),
        vendor: text(&board, "sys_vendor"),
        uuid: text(&board, "product_uuid"),
        firmware_vendor: text(&board, "bios_vendor"),
        firmware_version: text(&board, "bios_version"),
        firmware_date: text(&board, "bios_date"),
    };
    NodeDevice { name: COMPUTER.to_owned(), path: None, parent: None, driver: None, capability }
}

fn pci(_sys: &Tree, files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    let address = PciAddress::parse(name)?;
    let group = fs::read_link(files.path("iommu_group")).ok();
    let group = group.and_then(|path| path.file_name()?.to_str()?.parse().ok());
    let members = || {
        let mut members: Vec<PciAddress> = entries(&files.path("iommu_group/devices"))
            .iter()
            .filter_map(|name| PciAddress::parse(name))
            .collect();
        members.sort();
        members
    };
    let capability = NodeCapability::Pci {
        address,
        class: text(files, "class"),
        vendor: text(files, "vendor"),
        product: text(files, "device"),
        // It says -1 where there is no NUMA.
        numa_node: text(files, "numa_node").and_then(|node| node.parse().ok()),
        iommu_group: group.map(|number| IommuGroup { number, members: members() }),
    };
    Some((format!("pci_{}", plain(name)), capability))
}

fn usb(_sys: &Tree, files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    let capability = if name.contains(':') {
        let class = |part| hexadecimal(files, part);
        NodeCapability::Usb {
            number: class("bInterfaceNumber")?,
            class: class("bInterfaceClass")?,
            subclass: class("bInterfaceSubClass")?,
            protocol: class("bInterfaceProtocol")?,
        }
    } else {
        let id =
            |number, name| Some(UsbId { id: format!("0x{}", text(files, number)?), name: text(files, name) });
        NodeCapability::UsbDevice {
            bus: files.number("busnum").ok()?,
            device: files.number("devnum").ok()?,
            vendor: id("idVendor", "manufacturer")?,
            product: id("idProduct", "product")?,
        }
    };
    Some((format!("usb_{}", plain(name)), capability))
}

fn net(_sys: &Tree, files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    // What is no interface lies there too, as bonding_masters.
    let state = text(files, "operstate")?;
    let address = text(files, "address");
    // A link that is down has a speed of -1, or none.
    let speed = files.number("speed").ok();
    let named = address.as_deref().map_or_else(|| name.to_owned(), |address| format!("{name}_{address}"));
    let capability = NodeCapability::Net { interface: name.to_owned(), address, state, speed };
    Some((format!("net_{}", plain(&named)), capability))
}

fn storage(_sys: &Tree, files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    // Partitions are part of their disks, and a disk that is no hardware has no device.
    if !files.has("device") {
        return None;
    }
    let device = files.below("device");
    let serial = text(files, "serial").or_else(|| text(&device, "serial"));
    let drive = match device.number("type") {
        Ok(5) => "cdrom",
        _ if name.starts_with("fd") => "floppy",
        _ => "disk",
    };
    let capability = NodeCapability::Storage {
        block: format!("/dev/{name}"),
        drive: drive.to_owned(),
        model: text(&device, "model"),
        vendor: text(&device, "vendor").filter(|vendor| !vendor.starts_with("0x")),
        serial: serial.clone(),
        size: files.number("size").unwrap_or_default().saturating_mul(SECTOR),
        removable: files.number("removable").is_ok_and(|removable| removable > 0),
    };
    let named = serial.map_or_else(|| name.to_owned(), |serial| format!("{name}_{serial}"));
    Some((format!("block_{}", plain(&named)), capability))
}

fn scsi_host(sys: &Tree, _files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    let host = name.strip_prefix("host")?.parse().ok()?;
    let fibre = sys.below(format!("class/fc_host/{name}"));
    let wwn = |file| Some(text(&fibre, file)?.trim_start_matches("0x").to_owned());
    let fc_host = wwn("node_name").zip(wwn("port_name"));
    let fc_host = fc_host.map(|(wwnn, wwpn)| FcHost { wwnn, wwpn, fabric_wwn: wwn("fabric_name") });
    let ports = |file| fibre.number(file).ok();
    let vports = ports("max_npiv_vports").zip(ports("npiv_vports_inuse"));
    let vports = vports.map(|(max, used)| VirtualPorts { max, used });
    Some((format!("scsi_{name}"), NodeCapability::ScsiHost { host, fc_host, vports }))
}

fn scsi(_sys: &Tree, files: &Tree, name: &str) -> Option<(String, NodeCapability)> {
    let mut parts = name.split(':');
    let mut part = || parts.next()?.parse::<u32>().ok();
    let (host, bus, target, unit) = (part()?, part()?, part()?, part()?.into());
    let number = files.number("type").ok()?;
    let kind = SCSI_KINDS.iter().find(|(known, _)| *known == number);
    let kind = kind.map_or_else(|| number.to_string(), |(_, kind)| (*kind).to_owned());
    Some((format!("scsi_{}", plain(name)), NodeCapability::Scsi { host, bus, target, unit, kind }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine of the guide: a network controller on a PCI bus, a port of Fibre Channel with a disk behind it, a stick.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }

        fn link(&self, from: &str, to: &str) {
            let (from, to) = (self.0.path().join(from), self.0.path().join(to));
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            fs::create_dir_all(&to).unwrap();
            symlink(to, from).unwrap();
        }
    }

    fn machine() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        let nic = "devices/pci0000:00/0000:00:19.0";
        machine.link("bus/pci/devices/0000:00:19.0", nic);
        for (file, text) in
            [("class", "0x020000"), ("vendor", "0x8086"), ("device", "0x1502"), ("numa_node", "-1")]
        {
            machine.put(&format!("{nic}/{file}"), text);
        }
        machine.link(&format!("{nic}/driver"), "bus/pci/drivers/e1000e");
        machine.link(&format!("{nic}/iommu_group"), "kernel/iommu_groups/7");
        machine.link("kernel/iommu_groups/7/devices/0000:00:19.0", nic);
        machine.link("class/net/eth0", &format!("{nic}/net/eth0"));
        machine.put(&format!("{nic}/net/eth0/operstate"), "up");
        machine.put(&format!("{nic}/net/eth0/address"), "f0:de:f1:3a:35:4f");
        machine.put(&format!("{nic}/net/eth0/speed"), "1000");
        machine.link("class/net/lo", "devices/virtual/net/lo");
        machine.put("devices/virtual/net/lo/operstate", "unknown");
        machine.put("devices/virtual/net/lo/address", "00:00:00:00:00:00");
        machine.put("class/net/bonding_masters", "");
        let host = "devices/pci0000:00/0000:00:04.0/host3";
        machine.link("bus/pci/devices/0000:00:04.0", "devices/pci0000:00/0000:00:04.0");
        machine.link("class/scsi_host/host3", &format!("{host}/scsi_host/host3"));
        machine.link("class/fc_host/host3", &format!("{host}/fc_host/host3"));
        for (file, text) in [
            ("node_name", "0x20000000c9848140"),
            ("port_name", "0x10000000c9848140"),
            ("max_npiv_vports", "127"),
            ("npiv_vports_inuse", "0"),
        ] {
            machine.put(&format!("{host}/fc_host/host3/{file}"), text);
        }
        let unit = format!("{host}/target3:0:0/3:0:0:1");
        machine.link("bus/scsi/devices/3:0:0:1", &unit);
        machine.put(&format!("{unit}/type"), "0");
        machine.put(&format!("{unit}/model"), "LUN");
        machine.link("class/block/sda", &format!("{unit}/block/sda"));
        machine.link(&format!("{unit}/block/sda/device"), &unit);
        machine.put(&format!("{unit}/block/sda/size"), "2048");
        machine.link("class/block/sda1", &format!("{unit}/block/sda/sda1"));
        machine.link("bus/usb/devices/1-1.2", "devices/usb1/1-1/1-1.2");
        for (file, text) in [
            ("busnum", "1"),
            ("devnum", "4"),
            ("idVendor", "0781"),
            ("idProduct", "5151"),
            ("product", "Cruzer"),
        ] {
            machine.put(&format!("devices/usb1/1-1/1-1.2/{file}"), text);
        }
        machine.put("class/dmi/id/product_name", "Workstation");
        machine
    }

    #[test]
    fn devices_have_the_names_of_the_guide_and_are_below_each_other() {
        let machine = machine();
        let devices = read(&Tree::new(machine.0.path()));
        let rows: Vec<_> =
            devices.iter().map(|device| (device.name.as_str(), device.parent.as_deref())).collect();
        assert_eq!(
            rows,
            [
                ("computer", None),
                ("block_sda", Some("scsi_3_0_0_1")),
                ("net_eth0_f0_de_f1_3a_35_4f", Some("pci_0000_00_19_0")),
                ("net_lo_00_00_00_00_00_00", Some("computer")),
                ("pci_0000_00_04_0", Some("computer")),
                ("pci_0000_00_19_0", Some("computer")),
                ("scsi_3_0_0_1", Some("scsi_host3")),
                ("scsi_host3", Some("pci_0000_00_04_0")),
                ("usb_1_1_2", Some("computer")),
            ]
        );
        let find = |name: &str| devices.iter().find(|device| device.name == name).unwrap();
        let nic = find("pci_0000_00_19_0");
        assert_eq!(nic.driver.as_deref(), Some("e1000e"));
        let address = PciAddress { domain: 0, bus: 0, slot: 25, function: 0 };
        let NodeCapability::Pci { numa_node, iommu_group, .. } = &nic.capability else { panic!("{nic:?}") };
        assert_eq!(
            (numa_node, iommu_group),
            (&None, &Some(IommuGroup { number: 7, members: vec![address] }))
        );
        let port = find("scsi_host3");
        assert_eq!(port.capability.names(), ["scsi_host", "fc_host", "vports"]);
        let NodeCapability::ScsiHost { fc_host: Some(fc_host), vports, .. } = &port.capability else {
            panic!("{port:?}")
        };
        let free = VirtualPorts { max: 127, used: 0 };
        assert_eq!((fc_host.wwnn.as_str(), *vports), ("20000000c9848140", Some(free)));
        let NodeCapability::Storage { size, drive, .. } = &find("block_sda").capability else { panic!() };
        assert_eq!((*size, drive.as_str()), (1 << 20, "disk"));
    }

    #[test]
    fn this_machine_can_be_read() {
        let devices = read(&Tree::new("/sys"));
        assert!(devices.len() > 1 && devices[0].name == "computer", "{devices:?}");
        for device in &devices[1..] {
            let parent = device.parent.as_ref().unwrap();
            assert!(devices.iter().any(|other| other.name == *parent), "{device:?}");
        }
    }
}
