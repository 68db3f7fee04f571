//! Request and answer bodies of the API that are no nouns of their own. Server and client share them, so they cannot drift.

use serde::{Deserialize, Serialize};

use crate::domain::DomainConfig;
use crate::stats::DomainSummary;
use crate::{Bytes, DomainState};

/// Which domains a list shows; an empty filter shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DomainFilter {
    /// Only active (true) or only inactive (false) domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only domains in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DomainState>,
    /// Only persistent (true) or only transient (false) domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Only domains with (true) or without (false) autostart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
    /// Only domains with (true) or without (false) a managed save.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_save: Option<bool>,
}

impl DomainFilter {
    /// True when the filter lets `row` through.
    pub fn matches(&self, row: &DomainSummary) -> bool {
        self.active.is_none_or(|active| active == row.state.is_active())
            && self.state.is_none_or(|state| state == row.state)
            && self.persistent.is_none_or(|persistent| persistent == row.persistent)
            && self.autostart.is_none_or(|autostart| autostart == row.autostart)
            && self.managed_save.is_none_or(|managed_save| managed_save == row.managed_save)
    }
}

/// How a domain document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DefineOptions {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
    /// Start it at once and keep no definition: the domain is gone when it stops.
    #[serde(default)]
    pub transient: bool,
    /// Start it with its vCPUs stopped; for transient domains.
    #[serde(default)]
    pub paused: bool,
    /// End it when the connection of this request ends, which becomes one of its own; for transient domains.
    #[serde(default)]
    pub autodestroy: bool,
}

/// How a domain is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct StartOptions {
    /// With its vCPUs stopped, until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// Forget what was saved of it and boot.
    #[serde(default)]
    pub force_boot: bool,
    /// Read what was saved of it past the page cache of the host.
    #[serde(default)]
    pub bypass_cache: bool,
    /// End it when the connection of this request ends, which becomes one of its own.
    #[serde(default)]
    pub autodestroy: bool,
}

/// How a machine is stopped at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DestroyOptions {
    /// Its worker is not killed when it does not end by itself, which is an error then.
    #[serde(default)]
    pub graceful: bool,
}

/// How a definition is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct UndefineOptions {
    /// Remove its managed save too, which is in the way otherwise.
    #[serde(default)]
    pub managed_save: bool,
    /// Forget its snapshots too, which are in the way otherwise; what is in its images stays.
    #[serde(default)]
    pub snapshots_metadata: bool,
}

/// How often the guest of a domain tells statistics of its memory by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetStatsPeriod {
    /// Seconds; 0 for only when they are asked for.
    pub seconds: u32,
}

/// How the definition of a domain is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EditOptions {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
    /// sha256 in hex of the inactive document the edit began with: it is refused when somebody else changed it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// How the interface stands by which the host controls a domain's machine (guide 14.5.20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ControlState {
    /// It was asked, and it answered.
    Ok,
    /// A migration, save or dump is under way.
    BackgroundJob,
    /// A command is being carried out, for which others wait.
    Occupied,
    /// It does not answer.
    Error,
}

impl ControlState {
    /// The words for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BackgroundJob => "background job",
            Self::Occupied => "occupied",
            Self::Error => "error",
        }
    }
}

/// How a running domain can be controlled now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainControl {
    /// How.
    pub state: ControlState,
    /// Milliseconds for which it has been so; none of a state that just is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// What is done with the domain, or why it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which configurations of a domain a device change is for. None of them means the machine of an active domain, else the definition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DeviceOptions {
    /// The running machine.
    #[serde(default)]
    pub live: bool,
    /// The definition.
    #[serde(default)]
    pub config: bool,
    /// The definition, and the running machine where there is one.
    #[serde(default)]
    pub persistent: bool,
}

/// A domain after its document was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Defined {
    /// The domain's row.
    pub domain: DomainSummary,
    /// What in the document is not known or will not be honoured, a sentence each, with its line.
    pub warnings: Vec<String>,
}

/// A domain after one of its devices was attached or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedDomain {
    /// The domain's row.
    #[serde(flatten)]
    pub domain: DomainSummary,
    /// What is to be minded about the device, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Which document of a domain is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct XmlOptions {
    /// The definition that the next start uses, even while the domain is active.
    #[serde(default)]
    pub inactive: bool,
}

/// Body that switches autostart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetAutostart {
    /// True when the daemon shall start the domain by itself.
    pub enabled: bool,
}

/// Body that changes what people know a domain by. What is left out stays; an empty text takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetDescription {
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// sha256 in hex of the text that is replaced, as an editor found it: of the title where that is given, else of the description; where
    /// there was none, of the empty text. The change is refused when it is another one by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl SetDescription {
    /// Puts the change into a document.
    pub fn apply(&self, config: &mut DomainConfig) {
        let put = |place: &mut Option<String>, text: &Option<String>| {
            if let Some(text) = text {
                *place = Some(text.clone()).filter(|text| !text.is_empty());
            }
        };
        put(&mut config.title, &self.title);
        put(&mut config.description, &self.description);
    }
}

/// Body that gives a domain another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenameDomain {
    /// What it is called from now on.
    pub name: String,
}

/// Body that sets the memory of a running domain through its balloon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetMemory {
    /// New size in bytes, at most the domain's maximum.
    pub bytes: Bytes,
}

/// Body that switches the mode of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetMode {
    /// The new mode.
    pub mode: crate::policy::PolicyMode,
}

/// Body that puts an earlier version of a policy back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// Which one: its digest, the first six or more digits of it, or its version; none takes the newest good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Body that gives or takes grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Grants, e.g. `node.ksm:write`.
    pub grants: Vec<String>,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Events after this number, as far back as the daemon still has them; none gives only new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only events of the domain with this name or UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Data of a `lagged` event: the listener was too slow, or asked for events that are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lagged {
    /// How many events are missing at this point of the stream.
    pub missed: u64,
}

/// Which console of a domain is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ConsoleOptions {
    /// Alias of the console or serial device, e.g. `serial0`; none takes the domain's first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Refused while somebody has it open, whose session ends otherwise.
    #[serde(default)]
    pub exclusive: bool,
}
