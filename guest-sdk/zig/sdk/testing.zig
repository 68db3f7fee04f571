//! Tests of a policy on the machine you sit at, without Wasm and without a host: `zig test --dep reeve -Mroot=policy.zig
//! -Mreeve=sdk/reeve.zig`, and call the hook's function.
//!
//!     test "small domains are refused" {
//!         const small: reeve.testing.DomainData = .{ .memory = 64 << 20 };
//!         try reeve.testing.expectDeny("too small", domainDefine(reeve.testing.context("{}"), reeve.testing.domain(&small)));
//!     }

const std = @import("std");
const answer = @import("answer.zig");
const log = @import("log.zig");
const memory = @import("memory.zig");
const migration = @import("migration.zig");
const net = @import("networks.zig");
const storage = @import("storage.zig");
const types = @import("types.zig");
const Domain = @import("domain.zig").Domain;

/// A domain as a test makes it.
pub const DomainData = struct {
    name: []const u8 = "test",
    uuid: []const u8 = "00000000-0000-4000-8000-000000000000",
    state: types.State = .shut_off,
    title: ?[]const u8 = null,
    domain_type: []const u8 = "kvm",
    memory: u64 = 1 << 30,
    current_memory: u64 = 1 << 30,
    vcpus: u32 = 1,
    current_vcpus: u32 = 1,
    mergeable: bool = true,
    kernel: ?[]const u8 = null,
    cmdline: ?[]const u8 = null,
    disks: []const types.Disk = &.{},
    interfaces: []const types.NetworkInterface = &.{},
    balloon: ?types.Balloon = null,
    rng_count: u32 = 0,
    metadata: ?[]const u8 = null,
    xml: []const u8 = "",
};

/// What the host answers, and what it was asked to do.
pub const Host = struct {
    info: types.Info = .{},
    memory: types.Memory = .{},
    ksm: types.Ksm = .{},
    committed: types.Commitment = .{},
    /// The domains there are.
    domains: []const *const DomainData = &.{},
    /// The networks there are.
    networks: []const net.Network = &.{},
    /// What is plugged into them, by `network`.
    ports: []const net.Port = &.{},
    /// What the DHCP server of every network gave out.
    leases: []const net.Lease = &.{},
    /// What passed every port.
    counters: net.Counters = .{},
    /// Storage pools.
    pools: []const storage.Pool = &.{},
    /// Volumes of any pool; a change is remembered and not made.
    volumes: []const storage.Volume = &.{},
    /// Disks of the guest that moves.
    migrated_disks: []const migration.Disk = &.{},
    now: u64 = 0,
    monotonic: u64 = 0,
    /// When it is set, every call that can fail does so.
    failure: ?struct { code: types.HostError, message: []const u8 } = null,
    /// The calls that would have changed something, one line each: `start web-1`.
    calls: std.ArrayList([]const u8) = .empty,
    /// Lines that were logged.
    lines: std.ArrayList([]const u8) = .empty,
    store: std.StringArrayHashMapUnmanaged([]const u8) = .empty,
};

/// The host of the test: set it before the hook is called, `the_host = .{};` for a new one.
pub var the_host: Host = .{};

/// A domain to hand to a hook; `data` must live as long.
pub fn domain(data: *const DomainData) Domain {
    return .{ .handle = data };
}

/// The context of a call by the daemon, with this configuration.
pub fn context(config: []const u8) types.Context {
    return .{ .call_id = "test", .time = 0, .actor = .daemon, .config = config, .attempt = 1 };
}

/// The guard has no objection.
pub fn expectAllow(answered: anyerror!types.Verdict) !void {
    try std.testing.expectEqual(types.Verdict.allow, try answered);
}

/// The guard stops for this reason.
pub fn expectDeny(reason: []const u8, answered: anyerror!types.Verdict) !void {
    switch (try answered) {
        .deny => |found| try std.testing.expectEqualStrings(reason, found),
        else => return error.NoDeny,
    }
}

/// The guard goes on with these changes.
pub fn expectRewrite(edits: []const types.Edit, answered: anyerror!types.Verdict) !void {
    switch (try answered) {
        .rewrite => |found| try std.testing.expectEqualDeep(edits, found),
        else => return error.NoRewrite,
    }
}

/// The hook fails, and this is what the operator reads.
pub fn expectFailure(sentence: []const u8, answered: anytype) !void {
    if (answered) |_| return error.NoFailure else |code| {
        try std.testing.expectEqualStrings(sentence, answer.sentenceOf(code));
    }
}

/// What stands for a domain in a test.
pub const Handle = *const DomainData;

/// The value of a getter of a domain.
pub fn get(comptime T: type, comptime getter: []const u8, handle: Handle) T {
    return @field(handle, getter);
}

/// An error when the test lets every call fail.
fn ready() types.HostError!void {
    const failure = the_host.failure orelse return;
    return answer.because(failure.code, answer.format("the host answered: {s}", .{failure.message}));
}

/// Remembers a call that would have changed something.
fn change(comptime pattern: []const u8, arguments: anytype) types.HostError!void {
    try ready();
    the_host.calls.append(memory.allocator, answer.format(pattern, arguments)) catch @panic("out of memory");
}

pub const domains = struct {
    pub fn list() types.HostError![]const types.Summary {
        try ready();
        const rows = memory.allocator.alloc(types.Summary, the_host.domains.len) catch @panic("out of memory");
        for (rows, the_host.domains) |*row, it| {
            row.* = .{ .uuid = it.uuid, .name = it.name, .state = it.state, .persistent = true, .autostart = false };
        }
        return rows;
    }

    pub fn get(name: []const u8) types.HostError!Domain {
        try ready();
        for (the_host.domains) |it| {
            if (std.mem.eql(u8, it.name, name) or std.mem.eql(u8, it.uuid, name)) return domain(it);
        }
        return answer.because(error.NotFound, answer.format("the host answered: there is no domain '{s}'", .{name}));
    }

    pub fn committed(_: ?[]const u8) types.HostError!types.Commitment {
        try ready();
        return the_host.committed;
    }

    pub fn start(name: []const u8) types.HostError!void {
        return change("start {s}", .{name});
    }

    pub fn shutdown(name: []const u8) types.HostError!void {
        return change("shutdown {s}", .{name});
    }

    pub fn destroy(name: []const u8) types.HostError!void {
        return change("destroy {s}", .{name});
    }

    pub fn @"suspend"(name: []const u8) types.HostError!void {
        return change("suspend {s}", .{name});
    }

    pub fn @"resume"(name: []const u8) types.HostError!void {
        return change("resume {s}", .{name});
    }

    pub fn setMemory(name: []const u8, target: u64) types.HostError!void {
        return change("set-memory {s} {d}", .{ name, target });
    }
};

pub fn migratedDisks() []const migration.Disk {
    return the_host.migrated_disks;
}

pub const networks = struct {
    pub fn list() types.HostError![]const net.Network {
        try ready();
        return the_host.networks;
    }

    pub fn get(name: []const u8) types.HostError!net.Network {
        try ready();
        for (the_host.networks) |it| {
            if (std.mem.eql(u8, it.name, name)) return it;
        }
        return answer.because(error.NotFound, answer.format("the host answered: there is no network '{s}'", .{name}));
    }

    pub fn ports(network: []const u8) types.HostError![]const net.Port {
        _ = try networks.get(network);
        var found: std.ArrayList(net.Port) = .empty;
        for (the_host.ports) |it| {
            const of = it.network orelse continue;
            if (std.mem.eql(u8, of, network)) found.append(memory.allocator, it) catch @panic("out of memory");
        }
        return found.items;
    }

    pub fn leases(network: []const u8) types.HostError![]const net.Lease {
        _ = try networks.get(network);
        return the_host.leases;
    }

    pub fn portCounters(network: []const u8, link: []const u8) types.HostError!net.Counters {
        for (try networks.ports(network)) |it| {
            if (std.mem.eql(u8, it.link, link)) return the_host.counters;
        }
        return answer.because(error.NotFound, answer.format("the host answered: there is no port '{s}'", .{link}));
    }
};

pub const pools = struct {
    pub fn list() types.HostError![]const storage.Pool {
        try ready();
        return the_host.pools;
    }

    pub fn get(name: []const u8) types.HostError!storage.Pool {
        try ready();
        for (the_host.pools) |it| {
            if (std.mem.eql(u8, it.name, name)) return it;
        }
        return answer.because(error.NotFound, answer.format("the host answered: there is no pool '{s}'", .{name}));
    }
};

pub const volumes = struct {
    pub fn list(pool: []const u8) types.HostError![]const storage.Volume {
        try ready();
        var found: std.ArrayList(storage.Volume) = .empty;
        for (the_host.volumes) |it| {
            if (std.mem.eql(u8, it.pool, pool)) found.append(memory.allocator, it) catch @panic("out of memory");
        }
        return found.items;
    }

    pub fn get(pool: []const u8, name: []const u8) types.HostError!storage.Volume {
        for (try volumes.list(pool)) |it| {
            if (std.mem.eql(u8, it.name, name)) return it;
        }
        return answer.because(error.NotFound, answer.format("the host answered: there is no volume '{s}'", .{name}));
    }

    pub fn create(pool: []const u8, wanted: storage.NewVolume) types.HostError!storage.Volume {
        try change("create {s} {s} {d}", .{ pool, wanted.name, wanted.capacity });
        return .{ .pool = pool, .name = wanted.name, .capacity = wanted.capacity };
    }

    pub fn copy(pool: []const u8, source: []const u8, name: []const u8) types.HostError!storage.Volume {
        var copied = try volumes.get(pool, source);
        try change("copy {s} {s} {s}", .{ pool, source, name });
        copied.name = name;
        return copied;
    }

    pub fn resize(pool: []const u8, name: []const u8, capacity: u64, shrink: bool) types.HostError!storage.Volume {
        var resized = try volumes.get(pool, name);
        if (capacity < resized.capacity and !shrink) {
            return answer.because(error.Invalid, "the host answered: it would become smaller");
        }
        try change("resize {s} {s} {d}", .{ pool, name, capacity });
        resized.capacity = capacity;
        return resized;
    }

    pub fn delete(pool: []const u8, name: []const u8) types.HostError!void {
        _ = try volumes.get(pool, name);
        return change("delete {s} {s}", .{ pool, name });
    }

    /// The volumes of tests hold zeroes.
    pub fn read(pool: []const u8, name: []const u8, offset: u64, length: u32) types.HostError![]const u8 {
        const it = try volumes.get(pool, name);
        const count: usize = @intCast(@min(it.capacity -| offset, length, 1 << 20));
        const bytes = memory.allocator.alloc(u8, count) catch @panic("out of memory");
        @memset(bytes, 0);
        return bytes;
    }

    pub fn write(pool: []const u8, name: []const u8, offset: u64, data: []const u8) types.HostError!void {
        _ = try volumes.get(pool, name);
        return change("write {s} {s} {d} {d}", .{ pool, name, offset, data.len });
    }
};

pub const host = struct {
    pub fn getInfo() types.HostError!types.Info {
        try ready();
        return the_host.info;
    }

    pub fn getMemory() types.HostError!types.Memory {
        try ready();
        return the_host.memory;
    }

    pub fn getKsm() types.HostError!types.Ksm {
        try ready();
        return the_host.ksm;
    }
};

pub const kv = struct {
    pub fn get(key: []const u8) types.HostError!?[]const u8 {
        try ready();
        return the_host.store.get(key);
    }

    pub fn set(key: []const u8, value: []const u8) types.HostError!void {
        try ready();
        the_host.store.put(memory.allocator, answer.format("{s}", .{key}), answer.format("{s}", .{value})) catch @panic("out of memory");
    }

    pub fn delete(key: []const u8) types.HostError!bool {
        try ready();
        return the_host.store.orderedRemove(key);
    }

    pub fn keys(prefix: []const u8) types.HostError![]const []const u8 {
        try ready();
        var found: std.ArrayList([]const u8) = .empty;
        for (the_host.store.keys()) |key| {
            if (std.mem.startsWith(u8, key, prefix)) found.append(memory.allocator, key) catch @panic("out of memory");
        }
        std.mem.sort([]const u8, found.items, {}, before);
        return found.items;
    }

    fn before(_: void, one: []const u8, other: []const u8) bool {
        return std.mem.lessThan(u8, one, other);
    }
};

pub const clock = struct {
    pub fn now() u64 {
        return the_host.now;
    }

    pub fn monotonic() u64 {
        return the_host.monotonic;
    }

    pub fn pause(milliseconds: u32) types.HostError!void {
        try ready();
        the_host.now += milliseconds;
        the_host.monotonic += @as(u64, milliseconds) * std.time.ns_per_ms;
    }
};

/// Remembers a line.
pub fn write(level: log.Level, line: []const u8) void {
    const text = answer.format("{s}: {s}", .{ @tagName(level), line });
    the_host.lines.append(memory.allocator, text) catch @panic("out of memory");
}

test "the store is in byte order and a failing host fails every call" {
    the_host = .{};
    try kv.set("b", "2");
    try kv.set("a", "1");
    try std.testing.expectEqualDeep(@as([]const []const u8, &.{ "a", "b" }), try kv.keys(""));
    try std.testing.expect(try kv.delete("a") and !try kv.delete("a"));
    try domains.setMemory("web-1", 5);
    try std.testing.expectEqualStrings("set-memory web-1 5", the_host.calls.items[0]);
    the_host.failure = .{ .code = error.Denied, .message = "no" };
    try expectFailure("the host answered: no", kv.get("b"));
}

test "volumes are made and deleted" {
    the_host = .{ .volumes = &.{.{ .name = "a", .pool = "blue", .capacity = 7 }} };
    try std.testing.expectEqual(5, (try volumes.create("blue", .{ .name = "b", .capacity = 5 })).capacity);
    try expectFailure("the host answered: it would become smaller", volumes.resize("blue", "a", 1, false));
    try volumes.delete("blue", "a");
    try std.testing.expectEqual(2, (try volumes.read("blue", "a", 5, 9)).len);
    try std.testing.expectEqual(2, the_host.calls.items.len);
    try std.testing.expectEqualStrings("delete blue a", the_host.calls.items[1]);
    try expectFailure("the host answered: there is no volume 'a'", volumes.get("red", "a"));
}

test "networks and their ports are found by name" {
    the_host = .{
        .networks = &.{.{ .name = "blue" }},
        .ports = &.{ .{ .link = "tap0", .network = "blue" }, .{ .link = "tap1" } },
        .counters = .{ .sent_packets = 3 },
    };
    try std.testing.expectEqual(1, (try networks.ports("blue")).len);
    try std.testing.expectEqual(3, (try networks.portCounters("blue", "tap0")).sent_packets);
    try expectFailure("the host answered: there is no port 'tap1'", networks.portCounters("blue", "tap1"));
    try expectFailure("the host answered: there is no network 'red'", networks.leases("red"));
}
