//! Devices of the host (guide 14.7.10, 14.7.11).

use serde::{Deserialize, Serialize};

/// A device as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeDevice {
    /// Its name, e.g. `pci_0000_00_19_0`.
    pub name: String,
    /// Where the kernel shows it; none of the host itself.
    pub path: Option<String>,
    /// Name of the device that it is on; none of the host itself.
    pub parent: Option<String>,
    /// Driver of the host that it has.
    pub driver: Option<String>,
    /// What it is.
    pub capability: NodeCapability,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeCapability {
    /// The host itself.
    System {
        /// Product name of the machine.
        product: Option<String>,
        /// Who made it.
        vendor: Option<String>,
        /// UUID of the machine.
        uuid: Option<String>,
        /// Who made the firmware.
        firmware_vendor: Option<String>,
        /// Version of the firmware.
        firmware_version: Option<String>,
        /// When that was made.
        firmware_date: Option<String>,
    },
    /// On a PCI bus.
    Pci {
        /// Address.
        address: PciAddress,
        /// Class, subclass and programming interface, e.g. `0x020000`.
        class: Option<String>,
        /// Maker, e.g. `0x8086`.
        vendor: Option<String>,
        /// Product, e.g. `0x1502`.
        product: Option<String>,
        /// NUMA node that it is at.
        numa_node: Option<u32>,
        /// Number of the group that is assigned as a whole, and who is in it.
        iommu_group: Option<IommuGroup>,
    },
    /// On a USB bus.
    UsbDevice {
        /// Number of the bus.
        bus: u64,
        /// Number on the bus.
        device: u64,
        /// Maker.
        vendor: UsbId,
        /// Product.
        product: UsbId,
    },
    /// An interface of a USB device.
    Usb {
        /// Its number.
        number: u64,
        /// Class.
        class: u64,
        /// Subclass.
        subclass: u64,
        /// Protocol.
        protocol: u64,
    },
    /// A network interface.
    Net {
        /// Its name.
        interface: String,
        /// MAC address; none of a kind that has none.
        address: Option<String>,
        /// `up`, `down` and others of the kernel's words.
        state: String,
        /// Mbit/s, while the link is up and the driver tells.
        speed: Option<u64>,
    },
    /// A disk.
    Storage {
        /// Device node.
        block: String,
        /// `disk`, `cdrom` or `floppy`.
        drive: String,
        /// Model, where it tells one.
        model: Option<String>,
        /// Maker, where it tells one.
        vendor: Option<String>,
        /// Serial number, where it tells one.
        serial: Option<String>,
        /// Bytes of it, or of its medium.
        size: u64,
        /// Its medium can be taken out.
        removable: bool,
    },
    /// A SCSI adapter.
    ScsiHost {
        /// Its number.
        host: u32,
        /// It is a port of Fibre Channel.
        fc_host: Option<FcHost>,
        /// It has virtual ports.
        vports: Option<VirtualPorts>,
    },
    /// A unit of a SCSI adapter.
    Scsi {
        /// Number of the adapter.
        host: u32,
        /// Bus of it.
        bus: u32,
        /// Target on that.
        target: u32,
        /// Unit of that.
        unit: u64,
        /// `disk`, `cdrom`, `tape` and others, by the number of SCSI.
        kind: String,
    },
}

/// Devices that are assigned to a guest together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IommuGroup {
    /// Its number.
    pub number: u32,
    /// Who is in it.
    pub members: Vec<PciAddress>,
}

/// A maker or product of USB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsbId {
    /// Its number, e.g. `0x0781`.
    pub id: String,
    /// What the device calls it.
    pub name: Option<String>,
}

/// World wide names of a port of Fibre Channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FcHost {
    /// Of its node.
    pub wwnn: String,
    /// Of itself.
    pub wwpn: String,
    /// Of its fabric.
    pub fabric_wwn: Option<String>,
}

/// Virtual ports of a port of Fibre Channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VirtualPorts {
    /// How many there can be.
    pub max: u64,
    /// How many there are.
    pub used: u64,
}

/// An address on a PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Slot.
    pub slot: u8,
    /// Function.
    pub function: u8,
}

impl PciAddress {
    /// Reads the kernel's notation, `0000:00:19.0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (domain, rest) = text.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        Some(Self {
            domain: u32::from_str_radix(domain, 16).ok()?,
            bus: u8::from_str_radix(bus, 16).ok()?,
            slot: u8::from_str_radix(slot, 16).ok()?,
            function: u8::from_str_radix(function, 16).ok()?,
        })
    }
}

impl NodeCapability {
    /// Every name by which lists are filtered.
    pub const NAMES: [&'static str; 10] =
        ["system", "pci", "usb_device", "usb", "net", "storage", "scsi_host", "scsi", "fc_host", "vports"];

    /// Its name, and those of what it has besides.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::System { .. } => vec!["system"],
            Self::Pci { .. } => vec!["pci"],
            Self::UsbDevice { .. } => vec!["usb_device"],
            Self::Usb { .. } => vec!["usb"],
            Self::Net { .. } => vec!["net"],
            Self::Storage { .. } => vec!["storage"],
            Self::ScsiHost { fc_host, vports, .. } => {
                let mut names = vec!["scsi_host"];
                names.extend(fc_host.as_ref().map(|_| "fc_host"));
                names.extend(vports.map(|_| "vports"));
                names
            }
            Self::Scsi { .. } => vec!["scsi"],
        }
    }
}
