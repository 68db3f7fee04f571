//! A domain as its document describes it (guide ch. 20): typed where the host acts on it, verbatim where it does not.

mod blocks;
mod check;
mod clock;
mod cpu;
mod device;
mod devices;
mod filesystem;
mod iothread;
mod iotune;
mod os;
mod pm;
mod resource;
mod seclabel;
mod sysinfo;
mod tuning;

pub use blocks::{DiskBlocks, DiskGeometry};
pub use check::Violation;
pub use clock::{Adjustment, Catchup, ClockConfig, Timer};
pub use cpu::*;
pub use device::{Device, DeviceConflict};
pub use devices::*;
pub use filesystem::{Filesystem, FilesystemBinary};
pub use iothread::{Iothread, IothreadPin, Iothreads};
pub use iotune::{IoLimit, IoLimits, IoTune};
pub use os::*;
pub use pm::PmConfig;
pub use resource::ResourceConfig;
pub use seclabel::SecLabel;
pub use sysinfo::{SysInfo, SysInfoEntry};
pub use tuning::*;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Bytes;

/// What a document says beyond the typed fields, kept so that nothing an operator wrote is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// Attributes that are not typed: name and unescaped value, in document order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
    /// What stands inside and is not typed, each an XML fragment, in libvirt's order: an element; text between elements;
    /// or what a typed child says beyond its fields (`<memory dumpCore='off'/>`), put back into that child when written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<String>,
}

impl Extra {
    /// True when the typed fields say it all.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.elements.is_empty()
    }
}

/// Which driver a domain asks for: `<domain type='…'>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainType {
    /// The native KVM driver.
    Kvm,
    /// The simulator: a scripted domain without a guest.
    Sim,
    /// Any other word; kept, and refused when the domain is started.
    Other(String),
}

impl DomainType {
    /// The type that a word names.
    pub fn from_word(word: &str) -> Self {
        match word {
            "kvm" => Self::Kvm,
            "sim" => Self::Sim,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word in the document.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Kvm => "kvm",
            Self::Sim => "sim",
            Self::Other(word) => word,
        }
    }
}

/// What the host does when a guest ends or fails (guide 20.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleAction {
    /// The domain ends and gives everything back.
    Destroy,
    /// It is started again with the same configuration.
    Restart,
    /// The machine is kept as it is, for analysis.
    Preserve,
    /// It is started again under a new name.
    RenameRestart,
    /// Core is dumped, then destroy (on_crash only).
    CoredumpDestroy,
    /// Core is dumped, then restart (on_crash only).
    CoredumpRestart,
}

impl LifecycleAction {
    /// Every action with its word; the last two are for crashes only.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Destroy, "destroy"),
        (Self::Restart, "restart"),
        (Self::Preserve, "preserve"),
        (Self::RenameRestart, "rename-restart"),
        (Self::CoredumpDestroy, "coredump-destroy"),
        (Self::CoredumpRestart, "coredump-restart"),
    ];

    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("destroy", |(_, word)| word)
    }

    /// The action that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(action, _)| *action)
    }

    /// True for the two that only `on_crash` may have.
    pub fn is_coredump(self) -> bool {
        matches!(self, Self::CoredumpDestroy | Self::CoredumpRestart)
    }
}

/// A whole domain document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainConfig {
    /// Driver it asks for.
    pub domain_type: DomainType,
    /// Unique name.
    pub name: String,
    /// Identity; made when the document has none.
    pub uuid: Uuid,
    /// Short free text, one line.
    #[serde(default)]
    pub title: Option<String>,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// `<metadata>` of applications, as XML text of the whole element; one child a namespace.
    #[serde(default)]
    pub metadata: Option<String>,
    /// Memory at boot and at most.
    pub memory: Bytes,
    /// Memory after the balloon took its share; never more than `memory`.
    pub current_memory: Bytes,
    /// How guest memory is backed on the host.
    #[serde(default)]
    pub memory_backing: MemoryBacking,
    /// Virtual CPUs.
    pub vcpu: VcpuConfig,
    /// Threads that disks share.
    #[serde(default, skip_serializing_if = "Iothreads::is_empty")]
    pub iothreads: Iothreads,
    /// CPU tuning.
    #[serde(default)]
    pub cputune: CpuTune,
    /// Memory limits.
    #[serde(default)]
    pub memtune: MemTune,
    /// Limits of block I/O.
    #[serde(default)]
    pub blkiotune: BlkioTune,
    /// NUMA tuning.
    #[serde(default)]
    pub numatune: NumaTune,
    /// Below which group of the host its own is.
    #[serde(default, skip_serializing_if = "ResourceConfig::is_empty")]
    pub resource: Box<ResourceConfig>,
    /// What the guest is told about its machine, where `<os>` says so.
    #[serde(default)]
    pub sysinfo: Option<SysInfo>,
    /// Boot.
    pub os: OsConfig,
    /// `<features>`.
    #[serde(default)]
    pub features: Features,
    /// `<cpu>`; none means the driver's default.
    #[serde(default)]
    pub cpu: Option<CpuConfig>,
    /// `<clock>` and its timers.
    #[serde(default)]
    pub clock: ClockConfig,
    /// What follows a power-off from inside.
    pub on_poweroff: LifecycleAction,
    /// What follows a reboot from inside.
    pub on_reboot: LifecycleAction,
    /// What follows a crash.
    pub on_crash: LifecycleAction,
    /// Sleep states.
    #[serde(default)]
    pub pm: PmConfig,
    /// Devices.
    #[serde(default)]
    pub devices: Devices,
    /// `<seclabel>` entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seclabels: Vec<SecLabel>,
    /// Everything else under `<domain>`.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
