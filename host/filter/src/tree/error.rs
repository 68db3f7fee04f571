//! Why a reference of an interface means nothing.

/// A tree of filters can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Filters refer to each other in a circle.
    #[error("filters refer to each other in a loop: {path}")]
    Loop {
        /// `a -> b -> a`.
        path: String,
    },
    /// A filter is not there.
    #[error("filter '{filter}' is not defined{}", referrer.as_ref().map(|name| format!("; filter '{name}' refers to it")).unwrap_or_default())]
    Missing {
        /// Its name.
        filter: String,
        /// The filter that refers to it; none for the interface.
        referrer: Option<String>,
    },
    /// A rule wants a variable that nobody gives.
    #[error("rule {rule} of filter '{filter}' wants variable '{variable}', which has no value")]
    Variable {
        /// The filter.
        filter: String,
        /// Position of the rule in it, from 0.
        rule: usize,
        /// The variable.
        variable: String,
    },
    /// `$NAME[2]` of a variable with fewer values.
    #[error(
        "rule {rule} of filter '{filter}' wants value {index} of variable '{variable}', which has {count}"
    )]
    Element {
        /// The filter.
        filter: String,
        /// Position of the rule in it, from 0.
        rule: usize,
        /// The variable.
        variable: String,
        /// Which value, from 0.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// The value of a variable does not fit where it is used.
    #[error(
        "variable '{variable}' is '{value}', which is no value of '{attribute}' in rule {rule} of filter '{filter}'"
    )]
    Value {
        /// The filter.
        filter: String,
        /// Position of the rule in it, from 0.
        rule: usize,
        /// The attribute.
        attribute: &'static str,
        /// The variable.
        variable: String,
        /// The value, cut.
        value: String,
    },
    /// Two lists go in step and are not of one length.
    #[error(
        "rule {rule} of filter '{filter}' goes through variables in step that have {one} and {other} values"
    )]
    Uneven {
        /// The filter.
        filter: String,
        /// Position of the rule in it, from 0.
        rule: usize,
        /// Values of one of them.
        one: usize,
        /// Values of another.
        other: usize,
    },
    /// `CTRL_IP_LEARNING` is none of its words.
    #[error("variable 'CTRL_IP_LEARNING' is 'any', 'dhcp' or 'none', not '{value}' as for filter '{filter}'")]
    Learning {
        /// The filter.
        filter: String,
        /// What it is.
        value: String,
    },
    /// `DHCPSERVER` is no address.
    #[error("variable 'DHCPSERVER' of filter '{filter}' is '{value}', which is no address")]
    Server {
        /// The filter.
        filter: String,
        /// What it is, cut.
        value: String,
    },
    /// Filters are nested too deep.
    #[error("filter '{filter}' is more than {} references away from its interface", super::MAX_DEPTH)]
    Depth {
        /// The filter.
        filter: String,
    },
    /// There are too many filters.
    #[error("filter '{filter}' is one too many: a tree has {} filters at most", super::MAX_FILTERS)]
    Filters {
        /// The filter.
        filter: String,
    },
    /// There are too many rules.
    #[error("filter '{filter}' has a rule too many: a tree has {} rules at most", super::MAX_RULES)]
    Rules {
        /// The filter.
        filter: String,
    },
    /// A variable has too many values.
    #[error("variable '{variable}' of filter '{filter}' has more than {} values", super::MAX_VALUES)]
    Values {
        /// The filter.
        filter: String,
        /// The variable.
        variable: String,
    },
    /// The values of variables multiply rules.
    #[error(
        "the rules of filter '{root}' become more than {} with the values of their variables",
        super::MAX_EXPANSIONS
    )]
    Expansions {
        /// The filter of the interface.
        root: String,
    },
}
