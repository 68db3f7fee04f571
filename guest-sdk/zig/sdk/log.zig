//! Lines for the daemon's log, marked with the policy's name. Bytes per call are limited (16 KiB by default).

const answer = @import("answer.zig");
const backend = @import("backend.zig");

/// How important a line is.
pub const Level = enum(u8) { debug, info, warn, @"error" };

/// Every detail.
pub fn debug(comptime pattern: []const u8, arguments: anytype) void {
    backend.write(.debug, answer.format(pattern, arguments));
}

/// The normal course of things.
pub fn info(comptime pattern: []const u8, arguments: anytype) void {
    backend.write(.info, answer.format(pattern, arguments));
}

/// Something an operator should look at.
pub fn warn(comptime pattern: []const u8, arguments: anytype) void {
    backend.write(.warn, answer.format(pattern, arguments));
}

/// Something failed.
pub fn err(comptime pattern: []const u8, arguments: anytype) void {
    backend.write(.@"error", answer.format(pattern, arguments));
}
