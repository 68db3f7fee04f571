//! Interfaces of the host as operators see and change them.

use serde::{Deserialize, Serialize};

use crate::MacAddress;

/// How long a change waits for its commit, in seconds, when nobody says otherwise.
pub const CHANGE_SECONDS: u64 = 120;
/// The longest a change can wait, in seconds, unless it waits for ever.
pub const LONGEST_CHANGE_SECONDS: u64 = 24 * 60 * 60;
/// The longest forward delay of a bridge, in seconds.
pub const LONGEST_DELAY_SECONDS: u32 = 30;

/// One row of a list of host interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostInterfaceSummary {
    /// Name of the link.
    pub name: String,
    /// True while it is up.
    pub active: bool,
    /// Its hardware address; none while it is not there.
    pub mac: Option<MacAddress>,
    /// True when a definition of it is kept.
    pub defined: bool,
    /// `ethernet`, `bridge`, `bond` or `vlan`.
    pub kind: String,
}

/// An interface that was defined or changed, and what an operator should know about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedHostInterface {
    /// The interface.
    pub interface: HostInterfaceSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// Which interfaces are listed; an empty filter lists all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct HostInterfaceFilter {
    /// Only those that are up, or only those that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only those with a definition, or only those without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined: Option<bool>,
}

impl HostInterfaceFilter {
    /// True for an interface that is listed.
    pub fn matches(&self, row: &HostInterfaceSummary) -> bool {
        self.active.is_none_or(|active| active == row.active)
            && self.defined.is_none_or(|defined| defined == row.defined)
    }
}

/// How an interface document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakeHostInterface {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
}

/// Body that puts an interface into a new bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BridgeHostInterface {
    /// Name of the bridge, at most 15 bytes.
    pub bridge: String,
    /// Whether it speaks the spanning tree protocol.
    #[serde(default = "yes")]
    pub stp: bool,
    /// How long a new port waits before it forwards, 0 to 30 seconds. With the spanning tree protocol the kernel takes no less than 2.
    #[serde(default)]
    pub delay: u32,
    /// Whether the host is changed at once; else only the definition is.
    #[serde(default = "yes")]
    pub start: bool,
}

/// Body that takes a bridge apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnbridgeHostInterface {
    /// Whether its port is started with what the bridge had; else it stays down.
    #[serde(default = "yes")]
    pub start: bool,
}

/// Body that begins a change of the host's interfaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginHostChange {
    /// Seconds until it is rolled back by itself, at most 86400; 0 waits for ever, none is 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// How a change of the host's interfaces stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostChange {
    /// True between begin and commit or rollback.
    pub open: bool,
    /// Seconds until it is rolled back by itself; none while none is open or it waits for ever.
    pub seconds_left: Option<u64>,
}

/// What a rollback had to leave alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostRollback {
    /// A sentence each.
    pub warnings: Vec<String>,
}

fn yes() -> bool {
    true
}
