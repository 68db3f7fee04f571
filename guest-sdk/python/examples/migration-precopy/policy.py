"""Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy."""

from dataclasses import dataclass
from typing import List, Optional

from reeve import Context, Journey, migration, parse_config, warm
from reeve.migration import Capabilities, Limits, MigrationPlan, Progress, Round, Step


@warm
@dataclass
class Settings:
    """What the operator may set."""

    #: Milliseconds that a guest may stand still; None is the operator's limit.
    downtime_ms: Optional[int] = None
    #: Whether pages are compressed where both hosts can.
    compress: bool = False
    #: Rounds in a row without progress after which the guest stays; 0 is never.
    give_up_after: int = 0


def migration_plan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey) -> MigrationPlan:
    settings = parse_config(ctx, Settings)
    wanted = limits.max_downtime_us if settings.downtime_ms is None else settings.downtime_ms * 1000
    return MigrationPlan(min(wanted, limits.max_downtime_us), settings.compress and offered.compression, 1)


def migration_step(ctx: Context, now: Progress) -> Step:
    give_up_after = parse_config(ctx, Settings).give_up_after
    if not now.rounds:
        return migration.go_on()
    last = now.rounds[-1]
    if last.expected_downtime_us <= last.max_downtime_us:
        return migration.stop_and_copy()
    stalled = stalled_rounds(now.rounds)
    if 0 < give_up_after <= stalled:
        return migration.abort(f"{stalled} rounds brought nothing: the guest writes as fast as it is sent")
    return migration.go_on()


def stalled_rounds(rounds: List[Round]) -> int:
    """Rounds at the end that brought nothing: less than a tenth fewer pages is no progress."""
    stalled = 0
    for before, after in zip(rounds[-2::-1], rounds[::-1]):
        if after.dirty_pages < before.dirty_pages - before.dirty_pages // 10:
            break
        stalled += 1
    return stalled
