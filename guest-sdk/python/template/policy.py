"""A guard to start from: it refuses domains with too little memory."""

from dataclasses import dataclass

from reeve import Context, DomainConfig, Verdict, allow, deny, parse_config, warm

MIB = 1 << 20


@warm
@dataclass
class Settings:
    """What the operator may set; every key has a default, and a typo is an error. In the configuration: "min-memory-mib"."""

    #: Least memory of a domain, MiB.
    min_memory_mib: int = 128


def domain_define(ctx: Context, domain: DomainConfig) -> Verdict:
    least = parse_config(ctx, Settings).min_memory_mib
    mib = domain.memory() // MIB
    return deny(f"{mib} MiB of memory; at least {least} MiB are needed") if mib < least else allow()
