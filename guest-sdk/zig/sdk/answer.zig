//! What a policy answers, and the sentence behind an error.

const std = @import("std");
const memory = @import("memory.zig");
const types = @import("types.zig");

/// Stop, for this reason: one sentence for the one who asked, of which the host keeps 1024 bytes.
pub fn deny(comptime pattern: []const u8, arguments: anytype) types.Verdict {
    return .{ .deny = format(pattern, arguments) };
}

/// Go on with these changes, applied in order. No change at all is an allow.
pub fn rewrite(edits: []const types.Edit) types.Verdict {
    return if (edits.len == 0) .allow else .{ .rewrite = edits };
}

/// The policy could not decide: `return reeve.fail("…", .{});` with one sentence for the operator.
pub fn fail(comptime pattern: []const u8, arguments: anytype) error{Failed} {
    return because(error.Failed, format(pattern, arguments));
}

/// Text by a pattern of `std.fmt`; it lives as long as the call.
pub fn format(comptime pattern: []const u8, arguments: anytype) []const u8 {
    return std.fmt.allocPrint(memory.allocator, pattern, arguments) catch @panic("out of memory");
}

const Problem = struct { code: anyerror, sentence: []const u8 };

var last: ?Problem = null;

/// Remembers the sentence of an error, which Zig's errors do not carry.
pub fn because(code: anytype, sentence: []const u8) @TypeOf(code) {
    last = .{ .code = code, .sentence = sentence };
    return code;
}

/// The sentence of the last error of this SDK; empty before the first.
pub fn problem() []const u8 {
    return if (last) |it| it.sentence else "";
}

/// What the operator reads of an error that a hook returned.
pub fn sentenceOf(code: anyerror) []const u8 {
    if (last) |it| if (it.code == code) return it.sentence;
    return @errorName(code);
}

/// Forgets the last call's error: an instance may live longer.
pub fn begin() void {
    last = null;
}
