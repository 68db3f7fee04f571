//! Packet filters as their documents describe them (guide 18.12), and the typed rulesets that policies make of them.

mod attribute;
mod check;
mod protocol;
mod ruleset;
mod tree;
mod value;

pub use attribute::{Attribute, Datatype};
pub use check::{FilterViolation, check_parameters};
pub use protocol::Protocol;
pub use ruleset::*;
pub use tree::*;
pub use value::{Access, Value};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Extra;

/// A whole filter document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterConfig {
    /// Unique name.
    pub name: String,
    /// Identity; made when the document has none.
    pub uuid: Uuid,
    /// `chain`: `root`, a protocol's chain, or a protocol's with a suffix (`arp-xyz`); `root` when it is not written.
    pub chain: String,
    /// `priority` of the chain, -1000 to 1000; none takes the default of its protocol.
    #[serde(default)]
    pub priority: Option<i32>,
    /// References and rules in document order.
    #[serde(default)]
    pub entries: Vec<FilterEntry>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A child of `<filter>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterEntry {
    /// `<filterref>`.
    Reference(FilterReference),
    /// `<rule>`.
    Rule(FilterRule),
}

/// `<filterref filter='…'>` in a filter or in an interface of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FilterReference {
    /// Name of the filter.
    pub filter: String,
    /// `<parameter>` in document order; a name that is repeated makes a list.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// `<parameter name='…' value='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parameter {
    /// Name of the variable: letters, digits and `_`.
    pub name: String,
    /// One value of it.
    pub value: String,
}

/// What becomes of a packet that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Silently thrown away.
    Drop,
    /// Thrown away, the sender is told by ICMP where the kernel can.
    Reject,
    /// Passes.
    Accept,
    /// Back to the calling filter.
    Return,
    /// On to the next rule.
    Continue,
}

/// Which way a packet goes, seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleDirection {
    /// To the guest.
    In,
    /// From the guest.
    Out,
    /// Both.
    Inout,
}

macro_rules! words {
    ($name:ident, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word in the document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(
    RuleAction,
    Drop = "drop",
    Reject = "reject",
    Accept = "accept",
    Return = "return",
    Continue = "continue"
);
words!(RuleDirection, In = "in", Out = "out", Inout = "inout");

/// `<rule>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRule {
    /// What becomes of a packet.
    pub action: RuleAction,
    /// Which way.
    pub direction: RuleDirection,
    /// `priority`, -1000 to 1000, lower first; 500 when it is not written. Equal ones keep document order.
    pub priority: i32,
    /// False for `statematch='false'` or `'0'`.
    pub statematch: bool,
    /// Protocol nodes, all of one protocol and all of which must match; none matches every packet.
    pub matches: Vec<ProtocolMatch>,
}

/// A protocol node of a rule, e.g. `<arp match='no' arpsrcipaddr='$IP'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolMatch {
    /// Its protocol.
    pub protocol: Protocol,
    /// `match='no'`: every attribute must differ.
    pub negated: bool,
    /// Attributes in document order, `comment` among them.
    pub conditions: Vec<Condition>,
}

/// One attribute of a protocol node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Which.
    pub attribute: Attribute,
    /// Its value.
    pub value: Value,
}

/// One row of a list of filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilterSummary {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// Its chain.
    pub chain: String,
    /// Interfaces of running domains that it is in force on, through references too.
    pub bindings: u32,
}

/// A filter that was defined, and what of its document has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedFilter {
    /// The filter.
    pub filter: FilterSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// How a filter document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakeFilter {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
}

/// The priority of a chain whose filter names none (guide 18.12.3).
pub fn default_priority(chain: &str) -> i32 {
    const DEFAULTS: [(&str, i32); 7] = [
        ("stp", -810),
        ("mac", -800),
        ("vlan", -750),
        ("ipv4", -700),
        ("ipv6", -600),
        ("arp", -500),
        ("rarp", -400),
    ];
    DEFAULTS.iter().find(|(base, _)| is_chain_of(chain, base)).map_or(0, |(_, priority)| *priority)
}

/// The protocol chains that a filter may be in, besides `root`.
pub const CHAINS: [&str; 7] = ["stp", "mac", "vlan", "ipv4", "ipv6", "arp", "rarp"];

/// True for the chain `base` itself, or a name that starts with it and a dash.
pub fn is_chain_of(chain: &str, base: &str) -> bool {
    chain.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
