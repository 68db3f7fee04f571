"""What a strategy of migrations answers after a round, and the types of what it is told."""

from __future__ import annotations

from . import contract
from .contract import CacheMode, Capabilities, Journey, Limits, MigratedDisk, MigrationPlan, Peer, Progress, Round, Step, Way


def go_on() -> Step:
    """Another round."""
    return contract.Step_Continue()


def throttle(percent: int) -> Step:
    """Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit."""
    return contract.Step_Throttle(percent)


def set_max_downtime(us: int) -> Step:
    """Another limit, in microseconds, for the time that the guest stands still; cut at the operator's limit."""
    return contract.Step_SetMaxDowntime(us)


def compress() -> Step:
    """Compressed from now on, where both hosts can, then another round."""
    return contract.Step_Compress()


def add_streams(more: int) -> Step:
    """So many more streams, as far as both hosts can, then another round."""
    return contract.Step_AddStreams(more)


def switch_to_post_copy() -> Step:
    """The guest goes on at the destination, which fetches what it misses; another round where that is not offered."""
    return contract.Step_SwitchToPostCopy()


def stop_and_copy() -> Step:
    """The guest stands still and the rest is sent; another round where that would take longer than the operator allows."""
    return contract.Step_StopAndCopy()


def abort(reason: str) -> Step:
    """It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked."""
    return contract.Step_Abort(reason)


__all__ = [name for name in globals() if not name.startswith("_") and name not in ("annotations", "contract")]
