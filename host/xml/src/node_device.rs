//! Devices of a host as libvirt's documents (guide 14.7.10). They are written only: nobody makes a device by a document.

use reeve_model::node_device::{NodeCapability, NodeDevice, PciAddress, UsbId};

use crate::print;
use crate::tree::Element;

/// Writes the document, with a newline at the end.
pub fn format(device: &NodeDevice) -> String {
    let driver = device.driver.as_ref().map(|driver| named("driver", "name", driver));
    let root = Element::new("device")
        .one(text("name", &device.name))
        .one_text("path", device.path.as_ref())
        .one_text("parent", device.parent.as_ref())
        .one_some(driver)
        .one(capability(&device.capability));
    print::document(&root)
}

fn text<'a>(name: &'a str, value: impl ToString) -> Element<'a> {
    Element::new(name).with_text(value.to_string())
}

fn named<'a>(outer: &'a str, inner: &'a str, value: &str) -> Element<'a> {
    Element::new(outer).one(text(inner, value))
}

fn capability(capability: &NodeCapability) -> Element<'_> {
    let kind = |name| Element::new("capability").with("type", name);
    match capability {
        NodeCapability::System {
            product,
            vendor,
            uuid,
            firmware_vendor,
            firmware_version,
            firmware_date,
        } => {
            let hardware =
                Element::new("hardware").one_text("vendor", vendor.as_ref()).one_text("uuid", uuid.as_ref());
            let firmware = Element::new("firmware")
                .one_text("vendor", firmware_vendor.as_ref())
                .one_text("version", firmware_version.as_ref())
                .one_text("release_date", firmware_date.as_ref());
            kind("system")
                .one_text("product", product.as_ref())
                .one_unless_empty(hardware)
                .one_unless_empty(firmware)
        }
        NodeCapability::Pci { address, class, vendor, product, numa_node, iommu_group } => {
            let PciAddress { domain, bus, slot, function } = address;
            let id =
                |name, id: &Option<String>| id.as_ref().map(|id| Element::new(name).with("id", id.clone()));
            let group = iommu_group.as_ref().map(|group| {
                let element = Element::new("iommuGroup").with("number", group.number.to_string());
                element.each(group.members.iter().map(member))
            });
            let numa = numa_node.map(|node| Element::new("numa").with("node", node.to_string()));
            kind("pci")
                .one_text("class", class.as_ref())
                .one(text("domain", domain))
                .one(text("bus", bus))
                .one(text("slot", slot))
                .one(text("function", function))
                .one_some(id("product", product))
                .one_some(id("vendor", vendor))
                .one_some(group)
                .one_some(numa)
        }
        NodeCapability::UsbDevice { bus, device, vendor, product } => {
            let id = |name, UsbId { id, name: words }: &UsbId| {
                Element::new(name).with("id", id.clone()).with_text(words.clone().unwrap_or_default())
            };
            kind("usb_device")
                .one(text("bus", bus))
                .one(text("device", device))
                .one(id("product", product))
                .one(id("vendor", vendor))
        }
        NodeCapability::Usb { number, class, subclass, protocol } => kind("usb")
            .one(text("number", number))
            .one(text("class", class))
            .one(text("subclass", subclass))
            .one(text("protocol", protocol)),
        NodeCapability::Net { interface, address, state, speed } => {
            let link = Element::new("link");
            let link = match speed {
                Some(speed) => link.with("speed", speed.to_string()),
                None => link,
            };
            kind("net")
                .one(text("interface", interface))
                .one_text("address", address.as_ref())
                .one(link.with("state", state))
        }
        NodeCapability::Storage { block, drive, model, vendor, serial, size, removable } => {
            let element = kind("storage")
                .one(text("block", block))
                .one(text("drive_type", drive))
                .one_text("model", model.as_ref())
                .one_text("vendor", vendor.as_ref())
                .one_text("serial", serial.as_ref());
            match removable {
                false => element.one(text("size", size)),
                true => element.one(
                    kind("removable")
                        .one(text("media_available", u8::from(*size > 0)))
                        .one(text("media_size", size)),
                ),
            }
        }
        NodeCapability::ScsiHost { host, fc_host, vports } => {
            let fibre = fc_host.as_ref().map(|port| {
                kind("fc_host")
                    .one(text("wwnn", &port.wwnn))
                    .one(text("wwpn", &port.wwpn))
                    .one_text("fabric_wwn", port.fabric_wwn.as_ref())
            });
            let ports = vports.map(|ports| {
                kind("vport_ops").one(text("max_vports", ports.max)).one(text("vports", ports.used))
            });
            kind("scsi_host").one(text("host", host)).each(fibre.into_iter().chain(ports))
        }
        NodeCapability::Scsi { host, bus, target, unit, kind: of } => kind("scsi")
            .one(text("host", host))
            .one(text("bus", bus))
            .one(text("target", target))
            .one(text("lun", unit))
            .one(text("type", of)),
    }
}

fn member(address: &PciAddress) -> Element<'_> {
    let PciAddress { domain, bus, slot, function } = address;
    Element::new("address")
        .with("domain", format!("{domain:#06x}"))
        .with("bus", format!("{bus:#04x}"))
        .with("slot", format!("{slot:#04x}"))
        .with("function", format!("{function:#x}"))
}

#[cfg(test)]
mod tests {
    use reeve_model::node_device::{FcHost, IommuGroup, VirtualPorts};

    use super::*;
    use crate::{Kind, check};

    fn squeezed(text: &str) -> String {
        text.split_whitespace().collect()
    }

    /// The controller of the guide, but for the names of makers and products, which are no business of the kernel.
    #[test]
    fn a_controller_is_described_as_in_the_guide() {
        let address = PciAddress { domain: 0, bus: 0, slot: 25, function: 0 };
        let device = NodeDevice {
            name: "pci_0000_00_19_0".to_owned(),
            path: None,
            parent: Some("computer".to_owned()),
            driver: Some("e1000e".to_owned()),
            capability: NodeCapability::Pci {
                address,
                class: None,
                vendor: Some("0x8086".to_owned()),
                product: Some("0x1502".to_owned()),
                numa_node: None,
                iommu_group: Some(IommuGroup { number: 7, members: vec![address] }),
            },
        };
        let printed = "<device> <name>pci_0000_00_19_0</name> <parent>computer</parent> <driver> <name>e1000e</name> </driver> \
                       <capability type='pci'> <domain>0</domain> <bus>0</bus> <slot>25</slot> <function>0</function> \
                       <product id='0x1502'/> <vendor id='0x8086'/> <iommuGroup number='7'> \
                       <address domain='0x0000' bus='0x00' slot='0x19' function='0x0'/> </iommuGroup> </capability> </device>";
        assert_eq!(squeezed(&format(&device)), squeezed(printed));
    }

    #[test]
    fn an_adapter_is_described_as_in_the_guide() {
        let device = NodeDevice {
            name: "scsi_host3".to_owned(),
            path: Some("/sys/devices/pci0000:00/0000:00:04.0/0000:10:00.0/host3".to_owned()),
            parent: Some("pci_0000_10_00_0".to_owned()),
            driver: None,
            capability: NodeCapability::ScsiHost {
                host: 3,
                fc_host: Some(FcHost {
                    wwnn: "20000000c9848140".to_owned(),
                    wwpn: "10000000c9848140".to_owned(),
                    fabric_wwn: Some("2002000573de9a81".to_owned()),
                }),
                vports: Some(VirtualPorts { max: 127, used: 0 }),
            },
        };
        let printed = "<device> <name>scsi_host3</name> <path>/sys/devices/pci0000:00/0000:00:04.0/0000:10:00.0/host3</path> \
                       <parent>pci_0000_10_00_0</parent> <capability type='scsi_host'> <host>3</host> <capability type='fc_host'> \
                       <wwnn>20000000c9848140</wwnn> <wwpn>10000000c9848140</wwpn> <fabric_wwn>2002000573de9a81</fabric_wwn> \
                       </capability> <capability type='vport_ops'> <max_vports>127</max_vports> <vports>0</vports> </capability> \
                       </capability> </device>";
        assert_eq!(squeezed(&format(&device)), squeezed(printed));
    }

    #[test]
    fn every_document_is_one_that_the_grammar_knows() {
        let device = |capability| NodeDevice {
            name: "some".to_owned(),
            path: Some("/sys/some".to_owned()),
            parent: Some("computer".to_owned()),
            driver: None,
            capability,
        };
        for capability in [
            NodeCapability::Net {
                interface: "eth0".to_owned(),
                address: Some("f0:de:f1:3a:35:4f".to_owned()),
                state: "up".to_owned(),
                speed: Some(1000),
            },
            NodeCapability::Storage {
                block: "/dev/sr0".to_owned(),
                drive: "cdrom".to_owned(),
                model: Some("DVD".to_owned()),
                vendor: None,
                serial: Some("1".to_owned()),
                size: 2048,
                removable: true,
            },
            NodeCapability::UsbDevice {
                bus: 1,
                device: 4,
                vendor: UsbId { id: "0x0781".to_owned(), name: None },
                product: UsbId { id: "0x5151".to_owned(), name: Some("Cruzer".to_owned()) },
            },
            NodeCapability::Usb { number: 0, class: 8, subclass: 6, protocol: 80 },
            NodeCapability::Scsi { host: 3, bus: 0, target: 0, unit: 1, kind: "disk".to_owned() },
            NodeCapability::System {
                product: Some("Workstation".to_owned()),
                vendor: None,
                uuid: None,
                firmware_vendor: None,
                firmware_version: Some("1".to_owned()),
                firmware_date: None,
            },
        ] {
            let text = format(&device(capability));
            let checked = check(&text, Some(Kind::NodeDevice)).expect("it is read");
            assert!(checked.warnings.is_empty(), "{text}\n{:?}", checked.warnings);
        }
    }
}
