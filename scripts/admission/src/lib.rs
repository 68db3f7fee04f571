//! Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).
//!
//! The guide's rules are the defaults: no domain has more vCPUs than the host has CPUs, at most 10 vCPUs per CPU in all, and
//! some memory is kept for the host itself.

mod limits;

pub use limits::{Domain, Host, Limits, Refusal, check};
use reeve_sdk::prelude::*;

/// The policy.
struct Admission;

impl Policy for Admission {
    fn domain_prepare(ctx: &Context, domain: &DomainConfig) -> Decision {
        let limits: Limits = ctx.parse_config()?;
        let info = host::get_info()?;
        let memory = host::get_memory()?;
        let others = domains::committed(Some(&domain.uuid()))?;

        let host = Host {
            cpus: info.cpus,
            memory: memory.total,
            swap: memory.swap_total,
            committed_memory: others.memory,
            committed_vcpus: others.vcpus,
        };
        match check(&limits, &host, &Domain { memory: domain.memory(), vcpus: domain.vcpus() }) {
            Ok(()) => allow(),
            Err(refusal) => deny(refusal.to_string()),
        }
    }
}

reeve_sdk::policy!(Admission: domain_prepare);
