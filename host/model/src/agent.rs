//! What the agent in a guest says of the guest, and what it is asked (guide 10.2). All of it is the guest's claim: text has no control
//! characters and an end, numbers may be any.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Bytes, MacAddress};

/// Ways to ask a guest to end or to start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownMode {
    /// By the ACPI power button.
    Acpi,
    /// By its agent.
    Agent,
    /// By a line to the init of a container.
    Initctl,
    /// By a signal to the init of a container.
    Signal,
}

impl ShutdownMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Acpi, Self::Agent, Self::Initctl, Self::Signal];

    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acpi => "acpi",
            Self::Agent => "agent",
            Self::Initctl => "initctl",
            Self::Signal => "signal",
        }
    }
}

/// How a guest is asked to end or to start again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ShutdownOptions {
    /// Modes that may be tried, separated by commas: `acpi`, `agent`. None: by the agent if it answers, else by the power button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// A command for the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AgentCommand {
    /// A JSON object as the agent takes it, e.g. `{"execute":"guest-ping"}`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub command: serde_json::Value,
    /// Seconds it may take; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// What the agent returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentAnswer {
    /// Any JSON.
    #[serde(rename = "return")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub value: serde_json::Value,
}

/// What an agent is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Version of the agent.
    pub version: String,
    /// Commands that it does.
    pub commands: Vec<String>,
}

/// Which file systems of a guest are frozen; none for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FreezeOptions {
    /// Where they are mounted in the guest.
    #[serde(default)]
    pub mountpoints: Vec<String>,
}

/// How many file systems were frozen or thawed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Filesystems {
    /// Their number.
    pub count: u64,
}

/// What of the file systems of a guest is trimmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrimOptions {
    /// The smallest range of free bytes that is worth it; none for the guest's own idea.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u64>,
}

/// What became of one file system that was trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trimmed {
    /// Where it is mounted in the guest.
    pub path: String,
    /// What was given back, where the guest knows.
    pub trimmed: Option<Bytes>,
    /// Why nothing was.
    pub fault: Option<String>,
}

/// A file system of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestFilesystem {
    /// Where it is mounted in the guest.
    pub mountpoint: String,
    /// Its device in the guest.
    pub name: String,
    /// Its type, e.g. `ext4`.
    pub kind: String,
    /// Its size, where the guest says.
    pub total: Option<Bytes>,
    /// What of it is used, where the guest says.
    pub used: Option<Bytes>,
    /// Targets of the domain's disks that it is on, as far as they can be told.
    pub disks: Vec<String>,
}

/// An address of a guest as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestAddress {
    /// Name of the interface in the guest.
    pub interface: String,
    /// Its MAC address, where it has one.
    pub mac: Option<String>,
    /// The address.
    pub ip: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
}

impl GuestAddress {
    /// Whether the guest says that an interface with this MAC address has it.
    pub fn is_of(&self, mac: MacAddress) -> bool {
        self.mac.as_deref().and_then(|own| own.parse().ok()) == Some(mac)
    }
}

/// A vCPU as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestVcpu {
    /// Number in the guest.
    pub number: u32,
    /// The guest uses it.
    pub online: bool,
    /// The guest could do without it.
    pub can_offline: bool,
}

/// Which vCPUs a guest shall use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetGuestVcpus {
    /// Numbers in the guest.
    pub numbers: Vec<u32>,
    /// Whether it shall use them.
    pub online: bool,
}

/// The clock of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestTime {
    /// Nanoseconds since 1970, UTC.
    pub nanoseconds: i64,
}

/// What the clock of a guest shall be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetGuestTime {
    /// Nanoseconds since 1970, UTC; none takes the guest's own clock that runs while it does not (`--sync`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nanoseconds: Option<i64>,
}

/// What a guest calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestHostname {
    /// Its host name.
    pub hostname: String,
}

/// What operating system a guest says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestOs {
    /// Short name, e.g. `debian`.
    pub id: Option<String>,
    /// Name for people.
    pub pretty_name: Option<String>,
    /// Version, e.g. `12`.
    pub version: Option<String>,
    /// Release of its kernel.
    pub kernel: Option<String>,
}

/// Where a guest is asked to suspend to (guide 14.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PmTarget {
    /// Memory: S3.
    Mem,
    /// Its disk: S4.
    Disk,
    /// Both: it goes on from memory, or from disk when that is lost.
    Hybrid,
}

impl PmTarget {
    /// Every target.
    pub const ALL: [Self; 3] = [Self::Mem, Self::Disk, Self::Hybrid];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mem => "mem",
            Self::Disk => "disk",
            Self::Hybrid => "hybrid",
        }
    }
}

/// How a guest is asked to suspend itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PmSuspendOptions {
    /// Where to.
    pub target: PmTarget,
    /// Seconds after which it is woken; 0 for never.
    #[serde(default)]
    pub duration_s: u32,
}

/// A new password of a user in a guest. It is in no log, event or record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetUserPassword {
    /// The password, or what the guest would keep of it.
    pub password: String,
    /// It is already what the guest's crypt(3) makes of it.
    #[serde(default)]
    pub encrypted: bool,
}

impl std::fmt::Debug for SetUserPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetUserPassword").field("encrypted", &self.encrypted).finish_non_exhaustive()
    }
}
