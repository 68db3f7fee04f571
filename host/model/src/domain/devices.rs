//! `<devices>` (guide 20.16): typed for what the native driver runs, verbatim for the rest.

use serde::{Deserialize, Serialize};

use super::{DiskBlocks, Extra, Filesystem, IoTune};
use crate::Bytes;
use crate::device_address::DeviceAddress;
use crate::filter::FilterReference;
use crate::network::{Bandwidth, VirtualPort, Vlan};
use crate::storage::Encryption;

/// `<devices>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// `<emulator>`: kept, not used by the native driver.
    #[serde(default)]
    pub emulator: Option<String>,
    /// `<disk>` in document order.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// `<controller>` in document order.
    #[serde(default)]
    pub controllers: Vec<Controller>,
    /// `<filesystem>` in document order: directories of the host in the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
    /// `<interface>` in document order.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
    /// `<serial>` in document order.
    #[serde(default)]
    pub serials: Vec<CharDevice>,
    /// `<console>` in document order.
    #[serde(default)]
    pub consoles: Vec<CharDevice>,
    /// `<channel>` in document order.
    #[serde(default)]
    pub channels: Vec<CharDevice>,
    /// `<rng>` in document order.
    #[serde(default)]
    pub rngs: Vec<Rng>,
    /// `<memballoon>`; none means the document does not say.
    #[serde(default)]
    pub memballoon: Option<MemBalloon>,
    /// `<watchdog>`.
    #[serde(default)]
    pub watchdog: Option<Watchdog>,
    /// `<panic>`.
    #[serde(default)]
    pub panic: Option<PanicDevice>,
    /// `<memory>` in document order: memory that is plugged into a running guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memories: Vec<MemoryDevice>,
    /// `<vsock>`: sockets between guest and host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vsock: Option<Vsock>,
    /// Every other device, as XML text in document order.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What every device may carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCommon {
    /// `<alias name='…'/>`; given by the host when the domain starts.
    #[serde(default)]
    pub alias: Option<String>,
    /// `<address …/>`.
    #[serde(default)]
    pub address: Option<DeviceAddress>,
    /// `<boot order='…'/>`, from 1.
    #[serde(default)]
    pub boot_order: Option<u32>,
    /// Everything else in the element.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// Where the bytes of a disk are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum DiskSource {
    /// `type='file'`: an image file; none is an empty drive.
    File {
        /// Path on the host.
        path: Option<String>,
    },
    /// `type='block'`: a block device.
    Block {
        /// Path of the device node; none is an empty drive.
        path: Option<String>,
    },
    /// `type='volume'`: a volume of a storage pool.
    Volume {
        /// Name of the pool.
        pool: String,
        /// Name of the volume.
        volume: String,
        /// Where it is; none until the domain gets it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<FoundVolume>,
    },
    /// Any other type: the word and the `<source>` element's XML text.
    Other {
        /// The `type` attribute.
        kind: String,
        /// `<source …/>` as XML text.
        source: Option<String>,
    },
}

/// Where the volume of a running domain was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundVolume {
    /// Path on the host.
    pub path: String,
    /// It is a file, one step below its pool; else a device node, which a link may lead to.
    pub is_file: bool,
}

impl DiskSource {
    /// Path on the host; none of an empty drive, of a volume that was not looked up, and of what has no path.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::File { path } | Self::Block { path } => path.as_deref(),
            Self::Volume { found, .. } => found.as_ref().map(|found| found.path.as_str()),
            Self::Other { .. } => None,
        }
    }

    /// The word of its type.
    pub fn kind(&self) -> &str {
        match self {
            Self::File { .. } => "file",
            Self::Block { .. } => "block",
            Self::Volume { .. } => "volume",
            Self::Other { kind, .. } => kind,
        }
    }

    /// True for a drive without a medium.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::File { path: None } | Self::Block { path: None })
    }
}

/// `<disk>` (guide 20.16.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// `device`: `disk`, `cdrom`, `floppy` or `lun`.
    pub device: String,
    /// Where its bytes are.
    pub source: DiskSource,
    /// `<driver>`.
    #[serde(default)]
    pub driver: DiskDriver,
    /// `<encryption>`: how the image is encrypted, and which secret opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// `<target dev='…'>`, e.g. `vda`; unique in the domain.
    pub target: String,
    /// `<target bus='…'>`, e.g. `virtio`.
    #[serde(default)]
    pub bus: Option<String>,
    /// `<readonly/>`.
    #[serde(default)]
    pub readonly: bool,
    /// `<shareable/>`.
    #[serde(default)]
    pub shareable: bool,
    /// `<transient/>`: what is written is gone when the domain stops.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
    /// `<serial>`, at most 20 bytes reach a virtio guest.
    #[serde(default)]
    pub serial: Option<String>,
    /// `<wwn>`: 16 hexadecimal digits, for disks of SCSI, IDE and SATA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// `startupPolicy` of `<source>`: what becomes of a start whose medium or image is not there; none means `mandatory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_policy: Option<String>,
    /// `<target tray='…'>` of a drive, true for `open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tray: Option<bool>,
    /// `<blockio>` and `<geometry>`: what the guest is told of its blocks.
    #[serde(default, skip_serializing_if = "DiskBlocks::is_empty")]
    pub blocks: Box<DiskBlocks>,
    /// `<iotune>`: how much may pass.
    #[serde(default, skip_serializing_if = "IoTune::is_empty")]
    pub iotune: Box<IoTune>,
    /// Alias, address, boot order and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

impl Disk {
    /// True for a drive: it has media, which come and go.
    pub fn is_drive(&self) -> bool {
        matches!(self.device.as_str(), "cdrom" | "floppy")
    }

    /// The same drive with what `other` has in it.
    pub fn with_medium_of(&self, other: &Self) -> Self {
        let driver = DiskDriver { format: other.driver.format.clone(), ..self.driver.clone() };
        let (source, encryption) = (other.source.clone(), other.encryption.clone());
        let startup_policy = other.startup_policy.clone();
        Self { source, driver, encryption, startup_policy, ..self.clone() }
    }
}

/// `<driver>` of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskDriver {
    /// `name`, e.g. `qemu`; kept, not used.
    #[serde(default)]
    pub name: Option<String>,
    /// `type`: `raw`, `qcow2`…; none means raw.
    #[serde(default)]
    pub format: Option<String>,
    /// `cache`: `none`, `writethrough`, `writeback`, `directsync`, `unsafe` or `default`.
    #[serde(default)]
    pub cache: Option<String>,
    /// `io`: `threads`, `native` or `io_uring`.
    #[serde(default)]
    pub io: Option<String>,
    /// `error_policy`: `stop`, `report`, `ignore` or `enospace`.
    #[serde(default)]
    pub error_policy: Option<String>,
    /// `rerror_policy`, for reads: `stop`, `report` or `ignore`.
    #[serde(default)]
    pub rerror_policy: Option<String>,
    /// `discard`: `unmap` or `ignore`.
    #[serde(default)]
    pub discard: Option<String>,
    /// `iothread`: number of the I/O thread that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iothread: Option<u32>,
    /// `copy_on_read`: what is read of the images below is kept in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_on_read: Option<bool>,
    /// `ioeventfd`: notifications of the guest do not stop its vCPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ioeventfd: Option<bool>,
    /// `event_idx`: guest and host say by number when they want to be notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_idx: Option<bool>,
    /// Other attributes.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<controller>` (guide 9.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// `type`: `pci`, `virtio-serial`, `scsi`, `usb`, `ide`…
    pub kind: String,
    /// `index`; none is given by the host.
    #[serde(default)]
    pub index: Option<u32>,
    /// `model`.
    #[serde(default)]
    pub model: Option<String>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// `<interface>` (guide 20.16.9).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `type`: `ethernet`, `bridge`, `network`, `direct`…
    pub kind: String,
    /// `<source>`: all its attributes, e.g. `bridge` or `network`.
    #[serde(default)]
    pub source: Vec<(String, String)>,
    /// `<mac address='…'/>`, lower case with colons; none is allocated at define.
    #[serde(default)]
    pub mac: Option<String>,
    /// `<target dev='…'/>`: name of the tap.
    #[serde(default)]
    pub target: Option<String>,
    /// `<model type='…'/>`: `virtio` for the native driver.
    #[serde(default)]
    pub model: Option<String>,
    /// `<driver>`.
    #[serde(default, skip_serializing_if = "InterfaceDriver::is_empty")]
    pub driver: Box<InterfaceDriver>,
    /// `<link state='up|down'/>`.
    #[serde(default)]
    pub link_up: Option<bool>,
    /// `<mtu size='…'/>`, 68 to 65535; none takes the network's.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `<bandwidth>`.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// `<vlan>`.
    #[serde(default)]
    pub vlan: Option<Vlan>,
    /// `<virtualport>`.
    #[serde(default)]
    pub virtualport: Option<VirtualPort>,
    /// `<port isolated='yes'/>`: it reaches the host, not other guests that are isolated too.
    #[serde(default)]
    pub isolated: bool,
    /// `<filterref>`: the packet filter in force on it.
    #[serde(default)]
    pub filterref: Option<FilterReference>,
    /// Alias, address, boot order and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// `<driver>` of an interface (guide 20.16.9.10).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDriver {
    /// `name`: `qemu` or `vhost`; none is what the host has.
    #[serde(default)]
    pub name: Option<String>,
    /// `queues`: pairs of queues, from 1; none is one.
    #[serde(default)]
    pub queues: Option<u32>,
    /// `ioeventfd`: notifications of the guest do not stop its vCPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ioeventfd: Option<bool>,
    /// `event_idx`: guest and host say by number when they want to be notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_idx: Option<bool>,
    /// `<host>`: what the guest may leave to the host.
    #[serde(default)]
    pub host: OffloadSwitches,
    /// `<guest>`: what the host may leave to the guest.
    #[serde(default)]
    pub guest: OffloadSwitches,
    /// Other attributes.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl InterfaceDriver {
    /// True when the document does not have it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Offloads in one direction, each `on` or `off`; what is not said is on where the host has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffloadSwitches {
    /// `csum`: checksums.
    #[serde(default)]
    pub csum: Option<bool>,
    /// `gso`, of the host alone: segmentation of any kind.
    #[serde(default)]
    pub gso: Option<bool>,
    /// `tso4`: segmentation of TCP over IPv4.
    #[serde(default)]
    pub tso4: Option<bool>,
    /// `tso6`: segmentation of TCP over IPv6.
    #[serde(default)]
    pub tso6: Option<bool>,
    /// `ecn`: segmentation of TCP with congestion notices.
    #[serde(default)]
    pub ecn: Option<bool>,
    /// `ufo`: segmentation of UDP.
    #[serde(default)]
    pub ufo: Option<bool>,
    /// `mrg_rxbuf`, of the host alone: long frames come to the guest in several buffers.
    #[serde(default)]
    pub mrg_rxbuf: Option<bool>,
}

impl Interface {
    /// Pairs of queues.
    pub fn queues(&self) -> u32 {
        self.driver.queues.unwrap_or(1)
    }

    /// One attribute of `<source>`.
    pub fn source_attribute(&self, name: &str) -> Option<&str> {
        self.source.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `<serial>`, `<console>` or `<channel>` (guide 20.16.14).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharDevice {
    /// `type`: `pty`, `unix`, `file`, `null`…
    pub kind: String,
    /// `<source path='…'>` or `tty` of a pty.
    #[serde(default)]
    pub path: Option<String>,
    /// `<source mode='…'>`: `bind` or `connect`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `<source host='…'>` of a TCP connection.
    #[serde(default)]
    pub host: Option<String>,
    /// `<source service='…'>` of a TCP connection: its port.
    #[serde(default)]
    pub service: Option<String>,
    /// `<protocol type='…'>` of a TCP connection: `raw`, `telnet`…
    #[serde(default)]
    pub protocol: Option<String>,
    /// `<target type='…'>`: `isa-serial`, `serial`, `virtio`…
    #[serde(default)]
    pub target_type: Option<String>,
    /// `<target port='…'>`.
    #[serde(default)]
    pub port: Option<u32>,
    /// `<target name='…'>` of a channel, e.g. `org.qemu.guest_agent.0`.
    #[serde(default)]
    pub name: Option<String>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// `<rng>` (guide 9.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    /// `model`: `virtio`.
    pub model: String,
    /// `<backend model='…'>`: `random` or `egd`.
    pub backend: String,
    /// Text of `<backend>`: the device, e.g. `/dev/urandom`.
    #[serde(default)]
    pub device: Option<String>,
    /// `<rate bytes='…' period='…'/>`: bytes per period of milliseconds.
    #[serde(default)]
    pub rate: Option<RngRate>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// Rate limit of an rng.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RngRate {
    /// Bytes per period.
    pub bytes: u64,
    /// Period in milliseconds, 1000 when not written.
    pub period_ms: u64,
}

/// `<memballoon>` (guide 20.16.18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemBalloon {
    /// `model`: `virtio` or `none`.
    pub model: String,
    /// `<stats period='…'/>` in seconds.
    #[serde(default)]
    pub stats_period: Option<u32>,
    /// `autodeflate`: the guest may take memory back when it has none left; none leaves it to the host.
    #[serde(default)]
    pub auto_deflate: Option<bool>,
    /// `freePageReporting`: the guest tells of memory that is free; none leaves it to the host.
    #[serde(default)]
    pub free_page_reporting: Option<bool>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

impl MemBalloon {
    /// The balloon that a domain has whose document does not say, as with libvirt.
    pub fn implicit() -> Self {
        let common = DeviceCommon { alias: Some("balloon0".to_owned()), ..DeviceCommon::default() };
        let model = "virtio".to_owned();
        Self { model, stats_period: None, auto_deflate: None, free_page_reporting: None, common }
    }
}

/// `<panic>`: the device that the guest tells when it panics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicDevice {
    /// `model`: `isa`, `pvpanic`; none leaves it to the host.
    #[serde(default)]
    pub model: Option<String>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

/// `<memory>` in `<devices>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryDevice {
    /// `model`: `virtio-mem`, `dimm`, …
    pub model: String,
    /// `<size>`: the most that the guest can have of it.
    pub size: Bytes,
    /// `<block>`: what is plugged at once; none leaves it to the host.
    #[serde(default)]
    pub block: Option<Bytes>,
    /// `<requested>`: what the guest shall have; none is nothing.
    #[serde(default)]
    pub requested: Option<Bytes>,
    /// `<node>`: NUMA node of the guest that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

impl MemoryDevice {
    /// What is plugged at once where the document does not say.
    pub const BLOCK: Bytes = Bytes::mib(2);

    /// What is plugged at once.
    pub fn block(&self) -> Bytes {
        self.block.unwrap_or(Self::BLOCK)
    }

    /// What the guest shall have.
    pub fn requested(&self) -> Bytes {
        self.requested.unwrap_or(Bytes(0))
    }
}

/// `<vsock>`: sockets between programs of the guest and of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vsock {
    /// `model`: `virtio`.
    #[serde(default)]
    pub model: Option<String>,
    /// `<cid auto='…'>`: the host chooses the address.
    #[serde(default)]
    pub auto: Option<bool>,
    /// `<cid address='…'>`: the address of the guest, from 3.
    #[serde(default)]
    pub cid: Option<u32>,
    /// `<source path='…'>`: where programs of the host connect; the host chooses it where nothing is said.
    #[serde(default)]
    pub path: Option<String>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}

impl Vsock {
    /// The lowest address that a guest can have. Two guests may have the same one.
    pub const FIRST: u32 = 3;
}

/// `<watchdog>` (guide 20.16.17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    /// `model`: `i6300esb`, `ib700`.
    pub model: String,
    /// `action`: `reset`, `shutdown`, `poweroff`, `pause`, `none`, `dump`; none means reset.
    #[serde(default)]
    pub action: Option<String>,
    /// Alias, address and the rest.
    #[serde(flatten)]
    pub common: DeviceCommon,
}
