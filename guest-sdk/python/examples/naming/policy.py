"""Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.

The same policy as scripts/naming, which has the settings in its README.
"""

from dataclasses import dataclass, field
from typing import List, Optional

from reeve import Context, Disk, DomainConfig, Edit, Verdict, add_device, deny, parse_config, rewrite, set_disk_cache, warm

BALLOON = "<memballoon model='virtio'/>"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


@warm
@dataclass
class House:
    """What the operator may set."""

    #: Names must begin with one of these; empty allows every name.
    prefixes: List[str] = field(default_factory=list)
    #: Cache mode of a writable disk that does not say; empty leaves it open.
    cache: str = "none"
    #: Whether a domain that does not say gets a memory balloon.
    balloon: bool = True
    #: Whether a domain without one gets a random-number device.
    rng: bool = True


def domain_define(ctx: Context, domain: DomainConfig) -> Verdict:
    house = parse_config(ctx, House)
    reason = objection(house, domain.name())
    return deny(reason) if reason else rewrite(fill_in(house, domain))


def objection(house: House, name: str) -> Optional[str]:
    """Why `name` is refused; None when it is not."""
    if not house.prefixes or name.startswith(tuple(house.prefixes)):
        return None
    return f"the name '{name}' must begin with one of: {', '.join(house.prefixes)}"


def fill_in(house: House, domain: DomainConfig) -> List[Edit]:
    """What a definition leaves open and this house fills in."""
    edits = [set_disk_cache(disk.target, house.cache) for disk in domain.disks() if house.cache and is_open(disk)]
    if house.balloon and domain.balloon() is None:
        edits.append(add_device(BALLOON))
    if house.rng and domain.rng_count() == 0:
        edits.append(add_device(RNG))
    return edits


def is_open(disk: Disk) -> bool:
    """True for a writable disk with a medium, and no cache mode."""
    return disk.device == "disk" and not disk.readonly and disk.source is not None and disk.cache is None
