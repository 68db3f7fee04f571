"""Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).

The same policy as scripts/admission, which has the settings in its README.
"""

from dataclasses import dataclass
from typing import Optional

from reeve import Context, DomainConfig, Verdict, allow, deny, domains, host, parse_config, warm
from reeve.contract import Commitment, Info, Memory

MIB = 1 << 20
GIB = 1 << 30
U32_MAX = (1 << 32) - 1
U64_MAX = (1 << 64) - 1


@warm
@dataclass
class Limits:
    """What the operator may set."""

    #: Committed guest memory may be so many times the memory the host can give.
    memory_overcommit: float = 1.5
    #: Memory kept for the host, MiB; None is an eighth of the memory, 4 GiB at most (guide 6.1).
    host_reserve_mib: Optional[int] = None
    #: Whether swap counts as memory the host can give.
    count_swap: bool = True
    #: vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most).
    vcpus_per_cpu: float = 10.0
    #: Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2).
    guest_within_cpus: bool = True


def domain_prepare(ctx: Context, domain: DomainConfig) -> Verdict:
    limits = parse_config(ctx, Limits)
    info = host.get_info()
    memory = host.get_memory()
    others = domains.committed(domain.uuid())
    reason = (
        too_wide(limits, info, domain.vcpus())
        or too_many_vcpus(limits, info, others, domain.vcpus())
        or too_much_memory(limits, memory, others, domain.memory())
    )
    return deny(reason) if reason else allow()


def too_wide(limits: Limits, info: Info, vcpus: int) -> Optional[str]:
    """Why one domain alone has too many vCPUs; None when it has not."""
    if limits.guest_within_cpus and vcpus > info.cpus:
        return f"it has {vcpus} vCPUs and the host only {info.cpus} CPUs"
    return None


def too_many_vcpus(limits: Limits, info: Info, others: Commitment, vcpus: int) -> Optional[str]:
    """Why all domains together would have too many vCPUs."""
    wanted = min(others.vcpus + vcpus, U32_MAX)
    allowed = whole(info.cpus * limits.vcpus_per_cpu, U32_MAX)
    if wanted > allowed:
        return f"the active domains would have {wanted} vCPUs and this host allows {allowed}"
    return None


def too_much_memory(limits: Limits, memory: Memory, others: Commitment, size: int) -> Optional[str]:
    """Why all domains together would have too much memory."""
    if limits.host_reserve_mib is None:
        reserve = min(memory.total // 8, 4 * GIB)
    else:
        reserve = min(limits.host_reserve_mib * MIB, U64_MAX)
    can_give = max(min(memory.total + (memory.swap_total if limits.count_swap else 0), U64_MAX) - reserve, 0)
    allowed = whole(float(can_give) * limits.memory_overcommit, U64_MAX)
    wanted = min(others.memory + size, U64_MAX)
    if wanted > allowed:
        return (
            f"the active domains would have {wanted // MIB} MiB of memory and this host allows {allowed // MIB} MiB"
        )
    return None


def whole(number: float, most: int) -> int:
    """A number as a whole one: cut, never below nothing, `most` at most."""
    return most if number >= most else max(int(number), 0)
