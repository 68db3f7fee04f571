"""The domains of this host. Functions that read need the grant `domain:read`, the others the grant named with each. A domain
outside the grant's subjects is `not-found` when read and `denied` when changed. Functions that change something may only
be called from notify hooks and tuners; from a guard or a proposal they answer `denied`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List, Optional

from . import _bridge
from .contract import Bytes, Commitment, DomainConfig, Summary, Uuid

_calls = _bridge.interface("reeve:domain/domains", "domains")


def list() -> List[Summary]:
    """All domains the policy may read, ordered by name. Raises HostError."""
    return _calls("list")


def get(name: str) -> DomainConfig:
    """One domain by name or UUID. Raises HostError."""
    return _calls("get", name)


def committed(except_: Optional[Uuid]) -> Commitment:
    """Sums over all active domains but `except` (a UUID), for admission: the domain that is asked about is not counted twice. Raises HostError."""
    return _calls("committed", except_)


def start(name: str) -> None:
    """Starts a defined domain. Needs `domain:start`. Raises HostError."""
    return _calls("start", name)


def shutdown(name: str) -> None:
    """Asks the guest to shut down; answers before it has. Needs `domain:shutdown`. Raises HostError."""
    return _calls("shutdown", name)


def destroy(name: str) -> None:
    """Stops it by force. Needs `domain:destroy`. Raises HostError."""
    return _calls("destroy", name)


def suspend(name: str) -> None:
    """Stops its vCPUs. Needs `domain:suspend`. Raises HostError."""
    return _calls("suspend", name)


def resume(name: str) -> None:
    """Lets its vCPUs run again. Needs `domain:suspend`. Raises HostError."""
    return _calls("resume", name)


def set_memory(name: str, target: Bytes) -> None:
    """Sets the balloon target, bytes, clamped to the domain's maximum. Needs `domain:configure`. Raises HostError."""
    return _calls("set_memory", name, target)
