//! Between the types of types.zig and those of the C bindings, by their shape: both have the contract's names, in its order.
//!
//!     string, list   {ptr, len}          []const T
//!     option         {is_some, val}      ?T
//!     record         struct              struct, fields by name
//!     tuple          {f0, f1}            struct, fields by place
//!     enum           integer             enum(u8)
//!     variant        {tag, val.case}     union(enum)

const std = @import("std");
const memory = @import("memory.zig");

/// What the bindings hold as a `T`. Texts are not copied.
pub fn lift(comptime T: type, from: anytype) T {
    switch (@typeInfo(T)) {
        .bool, .int => return from,
        .@"enum" => return @enumFromInt(from),
        .optional => |optional| return if (from.is_some) lift(optional.child, from.val) else null,
        .pointer => |pointer| {
            if (from.len == 0) return &.{};
            if (pointer.child == u8) return from.ptr[0..from.len];
            const items = memory.allocator.alloc(pointer.child, from.len) catch @trap();
            for (items, from.ptr[0..from.len]) |*item, each| item.* = lift(pointer.child, each);
            return items;
        },
        .@"struct" => |record| {
            var out: T = undefined;
            inline for (record.fields, 0..) |field, place| {
                @field(out, field.name) = lift(field.type, @field(from, nameIn(@TypeOf(from), field.name, place)));
            }
            return out;
        },
        .@"union" => |variant| {
            inline for (variant.fields, 0..) |case, tag| {
                if (from.tag == tag) {
                    const value = if (case.type == void) {} else lift(case.type, @field(from.val, case.name));
                    return @unionInit(T, case.name, value);
                }
            }
            @trap();
        },
        else => @compileError("no contract has a " ++ @typeName(T)),
    }
}

/// Writes a value where the bindings want it. Texts are not copied.
pub fn lower(to: anytype, value: anytype) void {
    switch (@typeInfo(@TypeOf(value))) {
        .bool, .int => to.* = value,
        .@"enum" => to.* = @intFromEnum(value),
        .optional => {
            to.is_some = value != null;
            if (value) |inner| lower(&to.val, inner);
        },
        .pointer => |pointer| {
            to.len = value.len;
            const Item = std.meta.Child(@TypeOf(to.ptr));
            if (value.len == 0) {
                // The host refuses a pointer beyond the memory, and that of an empty slice may be any.
                to.ptr = @ptrFromInt(@alignOf(Item));
            } else if (pointer.child == u8) {
                to.ptr = @constCast(value.ptr);
            } else {
                const items = memory.allocator.alloc(Item, value.len) catch @trap();
                for (items, value) |*item, each| lower(item, each);
                to.ptr = items.ptr;
            }
        },
        .@"struct" => |record| {
            inline for (record.fields, 0..) |field, place| {
                lower(&@field(to, nameIn(@TypeOf(to.*), field.name, place)), @field(value, field.name));
            }
        },
        .@"union" => {
            to.tag = @intFromEnum(value);
            switch (value) {
                inline else => |inner, case| if (@TypeOf(inner) != void) lower(&@field(to.val, @tagName(case)), inner),
            }
        },
        else => @compileError("no contract has a " ++ @typeName(@TypeOf(value))),
    }
}

/// The name of a record's field in the bindings; tuples have places for names.
fn nameIn(comptime Record: type, comptime name: []const u8, comptime place: usize) []const u8 {
    return if (@hasField(Record, name)) name else std.fmt.comptimePrint("f{d}", .{place});
}
