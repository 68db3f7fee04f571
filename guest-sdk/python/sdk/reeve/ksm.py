"""Kernel samepage merging (guide ch. 7): the files under /sys/kernel/mm/ksm. Needs the grant `node:read`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from . import _bridge
from .contract import KsmState

_calls = _bridge.interface("reeve:node/ksm", "ksm")


def get() -> KsmState:
    """The present state. Raises HostError."""
    return _calls("get")
