"""The host's clock, recorded and replayed with the call. Needs no grant.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from . import _bridge
from .contract import Timestamp

_calls = _bridge.interface("reeve:clock/clock", "clock")


def now() -> Timestamp:
    """Time since the Unix epoch in milliseconds, UTC."""
    return _calls("now")


def monotonic() -> int:
    """Nanoseconds on a clock that never goes back; only differences mean something."""
    return _calls("monotonic")
