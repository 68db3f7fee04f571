//! A guard to start from: it refuses domains with too little memory.

use reeve_sdk::prelude::*;
use serde::Deserialize;

/// What the operator may set; every key has a default, and a typo is an error.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Least memory of a domain, MiB.
    min_memory_mib: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { min_memory_mib: 128 }
    }
}

/// The policy.
struct MyPolicy;

impl Policy for MyPolicy {
    fn domain_define(ctx: &Context, domain: &DomainConfig) -> Decision {
        let config: Config = ctx.parse_config()?;
        match objection(&config, domain.memory()) {
            Some(reason) => deny(reason),
            None => allow(),
        }
    }
}

reeve_sdk::policy!(MyPolicy: domain_define);

/// Why a domain with `memory` bytes is refused; none when it is not.
fn objection(config: &Config, memory: u64) -> Option<String> {
    let mib = memory >> 20;
    (mib < config.min_memory_mib).then(|| format!("{mib} MiB of memory; at least {} MiB are needed", config.min_memory_mib))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_domains_are_refused() {
        assert_eq!(objection(&Config::default(), 128 << 20), None);
        assert!(objection(&Config::default(), 64 << 20).is_some());
    }
}
