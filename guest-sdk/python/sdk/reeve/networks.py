"""The virtual networks of this host, to read. Every function needs the grant `network:read`; a network outside the grant's
subjects is `not-found`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List

from . import _bridge
from .contract import Counters, Lease, Network, Port

_calls = _bridge.interface("reeve:network/networks", "networks")


def list() -> List[Network]:
    """All networks by name. Raises HostError."""
    return _calls("list")


def get(name: str) -> Network:
    """One network by name. Raises HostError."""
    return _calls("get", name)


def ports(network: str) -> List[Port]:
    """Ports of one network. Raises HostError."""
    return _calls("ports", network)


def leases(network: str) -> List[Lease]:
    """Leases of one network that have not expired. Raises HostError."""
    return _calls("leases", network)


def port_counters(network: str, link: str) -> Counters:
    """Counters of a port of one network, by its link. Raises HostError."""
    return _calls("port_counters", network, link)
