"""The storage pools of this host, to read. Every function needs the grant `pool:read`; a pool outside the grant's subjects is
`not-found`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List

from . import _bridge
from .contract import Pool

_calls = _bridge.interface("reeve:storage/pools", "pools")


def list() -> List[Pool]:
    """All pools by name. Raises HostError."""
    return _calls("list")


def get(name: str) -> Pool:
    """One pool by name. Raises HostError."""
    return _calls("get", name)
