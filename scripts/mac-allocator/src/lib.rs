//! MAC addresses for interfaces that have none (guide 8.8): `00:16:3e`, a byte from 00 to 7f, two from 00 to ff.

mod allocate;

pub use allocate::{Prefix, allocate};
use reeve_sdk::prelude::*;
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// First three bytes of every address.
    prefix: Prefix,
}

/// The policy.
struct MacAllocator;

impl Policy for MacAllocator {
    fn mac_allocate(
        ctx: &Context,
        _domain: &DomainConfig,
        _interface: u32,
        taken: &[String],
        seed: u64,
    ) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        allocate(config.prefix, taken, seed)
            .ok_or_else(|| Failure { message: format!("every address in {} is taken", config.prefix) })
    }
}

reeve_sdk::policy!(MacAllocator: mac_allocate);
