#![forbid(unsafe_code)]
//! Packet filters of interfaces (guide 18.12), as far as they are mechanism.
//!
//! ```text
//!   <filterref> ──[tree::resolve]──> FilterTree ──> a policy ──> Ruleset ──[check]──> ValidRuleset ──[Bindings]──> nft
//!        ^                                                                                             |
//!        └── address of the guest <──[learning]── a sandboxed sniffer that sees its frames <───────────┘ link
//! ```
//!
//! What rules a filter means is a policy's to say. This crate says what the filter is, whether the policy's rules may be, and puts them
//! into force: those of an interface at once or not at all, without touching any other.

pub mod bindings;
pub mod check;
pub mod compile;
mod field;
pub mod learning;
pub mod shipped;
pub mod tree;

pub use bindings::{BindError, Binding, Bindings};
pub use check::{Limits, RuleError, RulesetError, ValidRuleset, check};
pub use learning::{
    AddressSink, Learning, LearningError, Lease, LeaseKeeper, SnifferProgram, Watch, provisional,
};
pub use tree::{Interface, LearningMode, Lookup, Resolved, TreeError, check_definition, resolve};
