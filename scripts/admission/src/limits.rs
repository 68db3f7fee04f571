//! The rules, as a plain function over plain values.

use serde::Deserialize;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What the operator may set; every key has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Committed guest memory may be so many times the memory the host can give.
    pub memory_overcommit: f64,
    /// Memory kept for the host, MiB; none is an eighth of the memory, 4 GiB at most (guide 6.1).
    pub host_reserve_mib: Option<u64>,
    /// Whether swap counts as memory the host can give.
    pub count_swap: bool,
    /// vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most).
    pub vcpus_per_cpu: f64,
    /// Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2).
    pub guest_within_cpus: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_overcommit: 1.5,
            host_reserve_mib: None,
            count_swap: true,
            vcpus_per_cpu: 10.0,
            guest_within_cpus: true,
        }
    }
}

/// The host and what its active domains may already use; memory in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Online CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory: u64,
    /// Swap.
    pub swap: u64,
    /// Sum of the maximum memory of all other active domains.
    pub committed_memory: u64,
    /// Sum of the vCPUs of all other active domains.
    pub committed_vcpus: u32,
}

/// The domain that is about to start.
#[derive(Debug, Clone, Copy)]
pub struct Domain {
    /// Maximum memory, bytes.
    pub memory: u64,
    /// vCPUs at most.
    pub vcpus: u32,
}

/// Why a start is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// One domain has more vCPUs than the host has CPUs.
    GuestVcpus {
        /// vCPUs of the domain.
        vcpus: u32,
        /// CPUs of the host.
        cpus: u32,
    },
    /// All domains together would have too many vCPUs.
    TotalVcpus {
        /// vCPUs with this domain.
        wanted: u32,
        /// vCPUs allowed.
        allowed: u32,
    },
    /// All domains together would have too much memory; MiB.
    Memory {
        /// Committed memory with this domain.
        wanted: u64,
        /// Memory allowed.
        allowed: u64,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GuestVcpus { vcpus, cpus } => {
                write!(f, "it has {vcpus} vCPUs and the host only {cpus} CPUs")
            }
            Self::TotalVcpus { wanted, allowed } => {
                write!(f, "the active domains would have {wanted} vCPUs and this host allows {allowed}")
            }
            Self::Memory { wanted, allowed } => {
                write!(
                    f,
                    "the active domains would have {wanted} MiB of memory and this host allows {allowed} MiB"
                )
            }
        }
    }
}

/// Whether `domain` may start on `host`.
///
/// # Errors
/// The first rule it breaks.
pub fn check(limits: &Limits, host: &Host, domain: &Domain) -> Result<(), Refusal> {
    if limits.guest_within_cpus && domain.vcpus > host.cpus {
        return Err(Refusal::GuestVcpus { vcpus: domain.vcpus, cpus: host.cpus });
    }

    let wanted = host.committed_vcpus.saturating_add(domain.vcpus);
    let allowed = (f64::from(host.cpus) * limits.vcpus_per_cpu) as u32;
    if wanted > allowed {
        return Err(Refusal::TotalVcpus { wanted, allowed });
    }

    let reserve =
        limits.host_reserve_mib.map_or_else(|| (host.memory / 8).min(4 * GIB), |mib| mib.saturating_mul(MIB));
    let swap = if limits.count_swap { host.swap } else { 0 };
    let can_give = host.memory.saturating_add(swap).saturating_sub(reserve);
    let allowed = (can_give as f64 * limits.memory_overcommit) as u64;
    let wanted = host.committed_memory.saturating_add(domain.memory);
    if wanted > allowed {
        return Err(Refusal::Memory { wanted: wanted / MIB, allowed: allowed / MIB });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host { cpus: 4, memory: 16 * GIB, swap: 0, committed_memory: 0, committed_vcpus: 0 };

    #[test]
    fn a_domain_may_not_have_more_vcpus_than_the_host_has_cpus() {
        let five = Domain { memory: GIB, vcpus: 5 };
        assert_eq!(check(&Limits::default(), &HOST, &five), Err(Refusal::GuestVcpus { vcpus: 5, cpus: 4 }));
        let relaxed = Limits { guest_within_cpus: false, ..Limits::default() };
        assert_eq!(check(&relaxed, &HOST, &five), Ok(()));
    }

    #[test]
    fn ten_vcpus_per_cpu_and_not_one_more() {
        let host = Host { committed_vcpus: 38, ..HOST };
        assert_eq!(check(&Limits::default(), &host, &Domain { memory: GIB, vcpus: 2 }), Ok(()));
        assert_eq!(
            check(&Limits::default(), &host, &Domain { memory: GIB, vcpus: 3 }),
            Err(Refusal::TotalVcpus { wanted: 41, allowed: 40 })
        );
    }

    #[test]
    fn memory_is_counted_with_reserve_swap_and_ratio() {
        // 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB.
        let host = Host { committed_memory: 20 * GIB, ..HOST };
        assert_eq!(check(&Limits::default(), &host, &Domain { memory: GIB, vcpus: 1 }), Ok(()));
        let refused = check(&Limits::default(), &host, &Domain { memory: GIB + MIB, vcpus: 1 });
        assert_eq!(refused, Err(Refusal::Memory { wanted: 21 * 1024 + 1, allowed: 21 * 1024 }));
        let swapping = Host { swap: 8 * GIB, ..host };
        assert_eq!(check(&Limits::default(), &swapping, &Domain { memory: 8 * GIB, vcpus: 1 }), Ok(()));
    }
}
