"""Waiting. Needs no grant, but only tasks may wait: from any other hook `pause` answers `denied`.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from . import _bridge

_calls = _bridge.interface("reeve:clock/timer", "timer")


def pause(milliseconds: int) -> None:
    """Waits so many milliseconds, 0 to 60000. The deadline of the run goes on meanwhile; what is beyond it ends the run. Raises HostError."""
    return _calls("pause", milliseconds)
