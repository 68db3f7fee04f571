//! The operator's configuration, read into a struct of the policy's own.
//!
//!     const Config = struct { min_memory_mib: u64 = 128 };
//!
//!     const config = try ctx.parseConfig(Config);     // the key is "min-memory-mib"
//!
//! Every field has its default in the struct. Fields are `bool`, whole numbers, `f64`, texts, enums (written with dashes), structs,
//! slices of these, and optionals, which take `null`. An unknown or repeated key and a value of another kind are errors whose
//! sentence names the key, line and column.

const std = @import("std");
const answer = @import("answer.zig");
const memory = @import("memory.zig");

/// The configuration does not fit; `reeve.problem()` has the sentence.
pub const Error = error{InvalidConfig};

/// Reads JSON text.
pub fn parse(comptime T: type, text: []const u8) Error!T {
    var reader: Reader = .{ .scanner = .initCompleteInput(memory.allocator, text) };
    reader.scanner.enableDiagnostics(&reader.place);
    if (try reader.peek() != .object_begin) return refuse("it must be an object", .{});
    const out = try reader.value(T, "it");
    if (try reader.peek() != .end_of_document) return refuse("it must end after its object", .{});
    return out;
}

fn refuse(comptime pattern: []const u8, arguments: anytype) Error {
    return answer.because(
        error.InvalidConfig,
        answer.format("the policy's configuration is not valid: " ++ pattern, arguments),
    );
}

/// The key of a field.
fn keyOf(comptime field: []const u8) []const u8 {
    comptime var key: [field.len]u8 = undefined;
    comptime for (field, &key) |letter, *to| {
        to.* = if (letter == '_') '-' else letter;
    };
    const whole = key;
    return &whole;
}

const Reader = struct {
    scanner: std.json.Scanner,
    place: std.json.Diagnostics = .{},

    fn peek(self: *Reader) Error!std.json.TokenType {
        return self.scanner.peekNextTokenType() catch self.noJson();
    }

    fn next(self: *Reader) Error!std.json.Token {
        return self.scanner.nextAlloc(memory.allocator, .alloc_if_needed) catch self.noJson();
    }

    fn noJson(self: *Reader) Error {
        return refuse("it is no JSON, at line {d} column {d}", .{ self.place.getLine(), self.place.getColumn() });
    }

    fn wrong(self: *Reader, key: []const u8, expected: []const u8) Error {
        return refuse("'{s}' must be {s}, at line {d} column {d}", .{ key, expected, self.place.getLine(), self.place.getColumn() });
    }

    fn value(self: *Reader, comptime T: type, key: []const u8) Error!T {
        switch (@typeInfo(T)) {
            .bool => return switch (try self.next()) {
                .true => true,
                .false => false,
                else => self.wrong(key, "true or false"),
            },
            .int => |int| {
                const expected = if (int.signedness == .unsigned) "a whole number, 0 or more" else "a whole number";
                const digits = numberOf(try self.next()) orelse return self.wrong(key, expected);
                return std.fmt.parseInt(T, digits, 10) catch self.wrong(key, expected);
            },
            .float => {
                const digits = numberOf(try self.next()) orelse return self.wrong(key, "a number");
                const number = std.fmt.parseFloat(T, digits) catch return self.wrong(key, "a number");
                return if (std.math.isFinite(number)) number else self.wrong(key, "a number that is not too large");
            },
            .optional => |optional| {
                if (try self.peek() != .null) return try self.value(optional.child, key);
                _ = try self.next();
                return null;
            },
            .@"enum" => |choice| {
                const word = textOf(try self.next()) orelse return self.wrong(key, "a text");
                inline for (choice.fields) |field| {
                    if (std.mem.eql(u8, word, keyOf(field.name))) return @enumFromInt(field.value);
                }
                return self.wrong(key, "one of " ++ comptime namesOf(choice.fields));
            },
            .pointer => |pointer| {
                if (pointer.child == u8) return textOf(try self.next()) orelse self.wrong(key, "a text");
                return self.list(pointer.child, key);
            },
            .@"struct" => return self.object(T, key),
            else => @compileError("a configuration holds no " ++ @typeName(T)),
        }
    }

    fn list(self: *Reader, comptime T: type, key: []const u8) Error![]const T {
        if (try self.next() != .array_begin) return self.wrong(key, "a list");
        var items: std.ArrayList(T) = .empty;
        while (try self.peek() != .array_end) {
            items.append(memory.allocator, try self.value(T, key)) catch @panic("out of memory");
        }
        _ = try self.next();
        return items.items;
    }

    fn object(self: *Reader, comptime T: type, key: []const u8) Error!T {
        const fields = @typeInfo(T).@"struct".fields;
        if (try self.next() != .object_begin) return self.wrong(key, "an object");
        var out: T = .{};
        var seen = [_]bool{false} ** fields.len;
        while (true) {
            const name = textOf(try self.next()) orelse return out;
            const known = inline for (fields, 0..) |field, number| {
                if (std.mem.eql(u8, name, keyOf(field.name))) {
                    if (seen[number]) return refuse("'{s}' is there twice", .{name});
                    seen[number] = true;
                    @field(out, field.name) = try self.value(field.type, name);
                    break true;
                }
            } else false;
            if (!known) return refuse("'{s}' is no key of it; there are " ++ comptime namesOf(fields), .{name});
        }
    }
};

fn namesOf(comptime fields: anytype) []const u8 {
    comptime var names: []const u8 = "";
    inline for (fields, 0..) |field, number| names = names ++ (if (number == 0) "" else ", ") ++ comptime keyOf(field.name);
    return names;
}

fn numberOf(token: std.json.Token) ?[]const u8 {
    return switch (token) {
        .number, .allocated_number => |digits| digits,
        else => null,
    };
}

fn textOf(token: std.json.Token) ?[]const u8 {
    return switch (token) {
        .string, .allocated_string => |text| text,
        else => null,
    };
}

const Settings = struct {
    flag: bool = false,
    number: u64 = 7,
    maybe: ?u64 = null,
    real: f64 = 0,
    some_text: []const u8 = "default",
    texts: []const []const u8 = &.{},
    choice: enum { one, two_words } = .one,
    inner: struct { depth: i8 = 0 } = .{},
};

test "what fits is read, and what is not there keeps its default" {
    const empty = try parse(Settings, "{}");
    try std.testing.expectEqual(7, empty.number);
    try std.testing.expectEqualStrings("default", empty.some_text);
    const whole = try parse(Settings,
        \\ {"flag": true, "number": 18446744073709551615, "maybe": 0, "real": -1.5e2, "some-text": "\u00e9\n",
        \\  "texts": ["a", ""], "choice": "two-words", "inner": {"depth": -3}}
    );
    try std.testing.expect(whole.flag and whole.maybe == 0 and whole.real == -150 and whole.inner.depth == -3);
    try std.testing.expectEqual(std.math.maxInt(u64), whole.number);
    try std.testing.expectEqualStrings("\u{e9}\n", whole.some_text);
    try std.testing.expectEqual(2, whole.texts.len);
    try std.testing.expectEqual(.two_words, whole.choice);
    try std.testing.expectEqual(null, (try parse(Settings, "{\"maybe\": null}")).maybe);
}

test "what does not fit is an error that names the key" {
    inline for (.{
        .{ "", "it is no JSON, at line 1 column 1" },
        .{ "[]", "it must be an object" },
        .{ "{\"flag\": true", "it is no JSON, at line 1 column 14" },
        .{ "{\"flag\": true}}", "it is no JSON, at line 1 column 15" },
        .{ "{\"flag\": 1}", "'flag' must be true or false, at line 1 column 11" },
        .{ "{\"flag\": null}", "'flag' must be true or false, at line 1 column 14" },
        .{ "{\n  \"number\": -1}", "'number' must be a whole number, 0 or more, at line 2 column 15" },
        .{ "{\"number\": 1.0}", "'number' must be a whole number, 0 or more, at line 1 column 15" },
        .{ "{\"number\": \"1\"}", "'number' must be a whole number, 0 or more, at line 1 column 15" },
        .{ "{\"number\": 18446744073709551616}", "'number' must be a whole number, 0 or more, at line 1 column 32" },
        .{ "{\"real\": 1e999}", "'real' must be a number that is not too large, at line 1 column 15" },
        .{ "{\"real\": \"2\"}", "'real' must be a number, at line 1 column 13" },
        .{ "{\"texts\": [\"a\", 2]}", "'texts' must be a text, at line 1 column 18" },
        .{ "{\"choice\": \"three\"}", "'choice' must be one of one, two-words, at line 1 column 19" },
        .{ "{\"flag\": true, \"flag\": true}", "'flag' is there twice" },
        .{ "{\"falg\": true}", "'falg' is no key of it; there are flag, number, maybe, real, some-text, texts, choice, inner" },
        .{ "{\"inner\": {\"deep\": 1}}", "'deep' is no key of it; there are depth" },
    }) |case| {
        try std.testing.expectError(error.InvalidConfig, parse(Settings, case[0]));
        try std.testing.expectEqualStrings("the policy's configuration is not valid: " ++ case[1], answer.problem());
    }
}

test "no beginning of a good text is good" {
    const whole = "{\"flag\":false,\"number\":12,\"real\":1.5e3,\"some-text\":\"\\ud83d\\ude00\",\"texts\":[\"a\"]}";
    _ = try parse(Settings, whole);
    for (0..whole.len) |length| try std.testing.expectError(error.InvalidConfig, parse(Settings, whole[0..length]));
}
