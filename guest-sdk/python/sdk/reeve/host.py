"""What the host machine is and how it is loaded. Needs the grant `node:read`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from . import _bridge
from .contract import Info, Memory

_calls = _bridge.interface("reeve:node/host", "host")


def get_info() -> Info:
    """The machine; it does not change while the daemon runs, except for CPUs going on and off line. Raises HostError."""
    return _calls("get_info")


def get_memory() -> Memory:
    """Memory now. Raises HostError."""
    return _calls("get_memory")
