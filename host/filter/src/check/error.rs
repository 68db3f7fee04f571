//! Why a ruleset is refused.

use reeve_model::filter::{Field, Flow};

/// A ruleset is refused; the old rules stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesetError {
    /// There is too much of something.
    #[error("a ruleset has {limit} {what} at most, not {count}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// How much there may be.
        limit: usize,
    },
    /// A name has other characters than the plain ones, or too many.
    #[error("'{name}' can't be the name of a {what}: it is 1 to 64 letters, digits, '-' and '_'")]
    Name {
        /// A chain, set or map.
        what: &'static str,
        /// The name, cut.
        name: String,
    },
    /// Two have one name.
    #[error("there is a {what} '{name}' twice")]
    Twice {
        /// A chain, set or map.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A second chain where packets of one layer and way begin.
    #[error("chain '{chain}' is a second entry of its layer and way")]
    Entry {
        /// The second chain.
        chain: String,
    },
    /// An element is none, or of another type than those before.
    #[error("element {element} of set '{set}' {why}")]
    Element {
        /// Name of the set or map.
        set: String,
        /// Position, from 0.
        element: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// A map says two things of one value.
    #[error("map '{map}' has two verdicts for one value")]
    Overlap {
        /// The map.
        map: String,
    },
    /// A map asks a map.
    #[error("map '{map}' has a map for a verdict")]
    MapOfMaps {
        /// The map.
        map: String,
    },
    /// A map jumps to a chain that is not there or of the other layer.
    #[error("map '{map}' jumps to chain '{chain}', which is not in the layer it is used in")]
    MapJump {
        /// The map.
        map: String,
        /// The chain.
        chain: String,
    },
    /// Jumps go in a circle.
    #[error("chains jump in a loop: {path}")]
    Loop {
        /// `a -> b -> a`.
        path: String,
    },
    /// Jumps go too deep.
    #[error("from chain '{chain}' jumps lead more than {limit} chains deep")]
    Depth {
        /// The chain.
        chain: String,
        /// The limit.
        limit: usize,
    },
    /// There are too many ways through.
    #[error("chain '{chain}' and the chains behind it are visited more than {limit} times")]
    Visits {
        /// The chain.
        chain: String,
        /// The limit.
        limit: usize,
    },
    /// Too many rules count connections.
    #[error("{count} rules count connections {way} the guest, and {} can", super::MAX_COUNTED, way = way(*flow))]
    Counted {
        /// Which way.
        flow: Flow,
        /// How many.
        count: usize,
    },
    /// A rule is wrong.
    #[error("rule {rule} of chain '{chain}': {why}")]
    Rule {
        /// The chain.
        chain: String,
        /// Position of the rule in it, from 0.
        rule: usize,
        /// What is wrong.
        why: Box<RuleError>,
    },
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It has too many conditions.
    #[error("it has {count} conditions, and {limit} are allowed")]
    Conditions {
        /// How many.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A field of connections where there are none yet.
    #[error("{field:?} is known in layer connection only")]
    Layer {
        /// The field.
        field: Field,
    },
    /// Connections are counted in the middle of a rule, or negated.
    #[error("ConnectionsAbove is the last condition of a rule and is not negated")]
    Count,
    /// Connections are counted by something that only the other table knows.
    #[error("connections can't be counted by membership in a set of the host")]
    CountOfHostSet,
    /// What a field is compared with does not fit.
    #[error("{field:?} {why}")]
    Operand {
        /// The field.
        field: Field,
        /// What is wrong.
        why: String,
    },
    /// A set is not there.
    #[error("there is no set '{set}'")]
    Set {
        /// Its name.
        set: String,
    },
    /// A map is not there.
    #[error("there is no map '{map}'")]
    Map {
        /// Its name.
        map: String,
    },
    /// The elements of a set are of another type.
    #[error("'{set}' does not hold values of {field:?}")]
    SetKind {
        /// Its name.
        set: String,
        /// The field.
        field: Field,
    },
    /// A port without its protocol.
    #[error("{field:?} needs a match of the protocol in the same rule: TCP, UDP, UDPLITE, SCTP or DCCP")]
    Ports {
        /// The field.
        field: Field,
    },
    /// A jump to nowhere.
    #[error("there is no chain '{chain}'")]
    Jump {
        /// The chain.
        chain: String,
    },
    /// A jump to the other layer.
    #[error("chain '{chain}' is in the other layer")]
    JumpLayer {
        /// The chain.
        chain: String,
    },
}

fn way(flow: Flow) -> &'static str {
    match flow {
        Flow::In => "to",
        Flow::Out => "from",
    }
}
