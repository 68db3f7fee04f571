//! libvirt's packet filters (guide 18.12) as typed rules.
//!
//! ```text
//!   tree of filters ── gather.rs ──▶ rules by chain, in order of priority
//!                                        │
//!        variables.rs: lists, elements, iterators; a rule may become several
//!                                        │
//!          ┌──────────────── protocols of frames ┴ protocols of connections ────────────────┐
//!          ▼                                                                                  ▼
//!   link.rs: root chain with jumps to the chains of protocols          connection.rs: one chain a direction, with states
//! ```
//!
//! Attributes of a rule are written as a packet *to* the guest has them when the rule is `in` or `inout`, and as a packet *from* the
//! guest has them when it is `out`; against that direction source and destination change places.

mod connection;
mod convert;
mod gather;
mod link;
mod variables;

use reeve_sdk::filter::{Filter, Rules, Subject};
use reeve_sdk::prelude::*;

/// The policy.
struct PacketFilter;

impl Policy for PacketFilter {
    fn filter_generate(_ctx: &Context, _interface: &Subject, filters: &[Filter]) -> Result<Rules, Failure> {
        generate(filters)
    }
}

/// The rules of a tree of filters.
pub fn generate(filters: &[Filter]) -> Result<Rules, Failure> {
    let gathered = gather::gather(filters);
    let mut rules = Rules { chains: Vec::new(), sets: Vec::new(), maps: Vec::new() };
    link::chains(&gathered, &mut rules)?;
    connection::chains(&gathered, &mut rules)?;
    Ok(rules)
}

reeve_sdk::policy!(PacketFilter: filter_generate);

#[cfg(test)]
mod tests;
