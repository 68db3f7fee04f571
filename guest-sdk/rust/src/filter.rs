//! Packet filters: the tree that a policy gets, and the rules that it gives (see [`Policy::filter_generate`](crate::Policy)).

pub use crate::bindings::reeve::filter::ruleset::Rules;
pub use crate::bindings::reeve::filter::tree::{Filter, Subject};
pub use crate::bindings::reeve::filter::{ruleset, tree};
