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
        let mib = domain.memory() >> 20;
        if mib < config.min_memory_mib {
            return deny(format!("{mib} MiB of memory; at least {} MiB are needed", config.min_memory_mib));
        }
        allow()
    }
}

reeve_sdk::policy!(MyPolicy: domain_define);

#[cfg(test)]
mod tests {
    use reeve_sdk::testing::{self, Domain};

    use super::*;

    fn ask(config: &str, mib: u64) -> Decision {
        let domain = Domain { memory: mib << 20, ..Domain::default() };
        MyPolicy::domain_define(&testing::context(config), &domain.config())
    }

    #[test]
    fn small_domains_are_refused() {
        assert_eq!(ask("{}", 64), deny("64 MiB of memory; at least 128 MiB are needed"));
        assert_eq!(ask("{}", 512), allow());
        assert_eq!(ask(r#"{"min-memory-mib": 32}"#, 64), allow());
    }

    #[test]
    fn a_typo_is_a_failure() {
        assert!(ask(r#"{"min-memory": 32}"#, 64).is_err());
    }
}
