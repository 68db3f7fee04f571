//! Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.
//!
//! The shortest policy that denies *and* rewrites; a good one to copy.

mod rules;

use reeve_sdk::prelude::*;
use rules::{Disk, House, Sketch};

/// The policy.
struct Naming;

impl Policy for Naming {
    fn domain_define(ctx: &Context, domain: &DomainConfig) -> Decision {
        let house: House = ctx.parse_config()?;
        if let Some(reason) = house.objection(&domain.name()) {
            return deny(reason);
        }
        let sketch = Sketch {
            disks: domain.disks().into_iter().map(Disk::from).collect(),
            has_balloon: domain.balloon().is_some(),
            rngs: domain.rng_count(),
        };
        rewrite(house.fill_in(&sketch).into_iter().map(Edit::from).collect())
    }
}

reeve_sdk::policy!(Naming: domain_define);
