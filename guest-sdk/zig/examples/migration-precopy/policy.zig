//! Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy.

const std = @import("std");
const reeve = @import("reeve");
const migration = reeve.migration;

/// What the operator may set.
const Settings = struct {
    /// Milliseconds that a guest may stand still; null is the operator's limit.
    downtime_ms: ?u64 = null,
    /// Whether pages are compressed where both hosts can.
    compress: bool = false,
    /// Rounds in a row without progress after which the guest stays; 0 is never.
    give_up_after: u64 = 0,
};

/// How it begins.
pub fn migrationPlan(
    ctx: reeve.Context,
    offered: migration.Capabilities,
    limits: migration.Limits,
    _: migration.Journey,
) !migration.Plan {
    const settings = try ctx.parseConfig(Settings);
    const wanted = if (settings.downtime_ms) |ms| ms *| 1000 else limits.max_downtime_us;
    return .{
        .max_downtime_us = @min(wanted, limits.max_downtime_us),
        .compress = settings.compress and offered.compression,
    };
}

/// What comes after a round.
pub fn migrationStep(ctx: reeve.Context, now: migration.Progress) !migration.Step {
    const settings = try ctx.parseConfig(Settings);
    if (now.rounds.len == 0) return .@"continue";
    const last = now.rounds.len - 1;
    if (now.rounds[last].expected_downtime_us <= now.rounds[last].max_downtime_us) return .stop_and_copy;
    var stalled: usize = 0;
    while (stalled < last and !progressed(now.rounds[last - stalled - 1], now.rounds[last - stalled])) stalled += 1;
    if (settings.give_up_after > 0 and stalled >= settings.give_up_after) {
        return migration.abort("{d} rounds brought nothing: the guest writes as fast as it is sent", .{stalled});
    }
    return .@"continue";
}

/// Less than a tenth fewer pages is no progress.
fn progressed(before: migration.Round, after: migration.Round) bool {
    return after.dirty_pages < before.dirty_pages - before.dirty_pages / 10;
}

fn plan(config: []const u8) !u64 {
    const planned = try migrationPlan(reeve.testing.context(config), .{}, .{}, .{});
    try std.testing.expect(!planned.compress);
    return planned.max_downtime_us;
}

test "it plans within the operator's limit" {
    try std.testing.expectEqual(300_000, try plan("{}"));
    try std.testing.expectEqual(300_000, try plan("{\"downtime-ms\": 5000}"));
    try std.testing.expectEqual(50_000, try plan("{\"downtime-ms\": 50, \"compress\": true}"));
}

fn then(config: []const u8, dirty: []const u64) !std.meta.Tag(migration.Step) {
    var rounds: [3]migration.Round = undefined;
    for (dirty, 0..) |pages, place| {
        rounds[place] = .{ .dirty_pages = pages, .expected_downtime_us = pages * 100, .max_downtime_us = 50_000 };
    }
    return try migrationStep(reeve.testing.context(config), .{ .rounds = rounds[0..dirty.len] });
}

test "it ends when the rest fits, and gives up when it never will" {
    try std.testing.expectEqual(.@"continue", try then("{}", &.{501}));
    try std.testing.expectEqual(.stop_and_copy, try then("{}", &.{ 5000, 500 }));
    try std.testing.expectEqual(.@"continue", try then("{}", &.{ 5000, 5000, 5000 }));
    try std.testing.expectEqual(.@"continue", try then("{\"give-up-after\": 3}", &.{ 5000, 5000, 5000 }));
    try std.testing.expectEqual(.abort, try then("{\"give-up-after\": 2}", &.{ 5000, 5000, 5000 }));
}
