//! The policy `echo` (tests/policies/echo) in Zig.

const std = @import("std");
const reeve = @import("reeve");
const tree = reeve.filter.tree;
const ruleset = reeve.filter.ruleset;
const networks = reeve.networks;
const storage = reeve.storage;
const migration = reeve.migration;
const Rule = ruleset.Rule;

pub fn networkStart(_: reeve.Context, network: networks.Network, xml: []const u8) !reeve.Verdict {
    return reeve.deny("{s} {s} {d} {d}{d}{d} {s} {s} {d} {s}", .{
        network.uuid,
        network.name,
        @intFromEnum(network.mode),
        @intFromBool(network.active),
        @intFromBool(network.persistent),
        @intFromBool(network.autostart),
        network.bridge orelse "-",
        joined(network.addresses, ","),
        network.connections,
        xml,
    });
}

pub fn networkStop(_: reeve.Context, network: networks.Network) !reeve.Verdict {
    if (network.connections == 0) return .allow;
    return reeve.deny("'{s}' has {d} guests", .{ network.name, network.connections });
}

pub fn portPlug(_: reeve.Context, domain: reeve.Domain, port: networks.Port) !reeve.Verdict {
    return reeve.deny("{s} {s} {s} {s} {s} {s} {s}", .{
        domain.name(),
        port.domain,
        port.mac,
        port.link,
        port.network orelse "-",
        port.filter orelse "-",
        joined(port.addresses, ","),
    });
}

pub fn networkEvents(_: reeve.Context, event: networks.NetworkEvent) !void {
    if (std.mem.eql(u8, event.name, "asked")) return asked(event.detail);
    return reeve.fail("{s} {s} {d} {s}", .{ event.uuid, event.name, @intFromEnum(event.change), event.detail });
}

fn way(domain: reeve.Domain, it: migration.Journey) []const u8 {
    return reeve.format("{s} {s} {s}/{s} {s}/{s} {d}{d}{d} {s}{s}", .{
        domain.name(),
        it.id,
        it.source.name,
        it.source.version,
        it.destination.name,
        it.destination.version,
        @intFromBool(it.same_machine),
        @intFromBool(it.unchecked),
        @intFromBool(it.persistent),
        it.transport,
        brought(),
    });
}

/// The disks of the guest, where it has some.
fn brought() []const u8 {
    var said: []const u8 = "";
    for (migration.disks()) |it| said = reeve.format("{s} {s}", .{ said, disk(it) });
    return said;
}

fn disk(it: migration.Disk) []const u8 {
    const place = reeve.format("{s},{s},{s},{s},{s},{s}", .{
        it.target, it.device, it.source, it.path orelse "-", it.pool orelse "-", it.volume orelse "-",
    });
    const size = reeve.format("{s},{s},{s},{s}", .{
        it.format orelse "-", figure(it.capacity), figure(it.allocation), it.file_system orelse "-",
    });
    return reeve.format("{s},{s},{d}{d}{d},{d},{d},{s}", .{
        place,
        size,
        @intFromBool(it.readonly),
        @intFromBool(it.shareable),
        @intFromBool(it.coherent),
        @intFromEnum(it.cache),
        @intFromEnum(it.way),
        it.backing orelse "-",
    });
}

pub fn migrateOut(_: reeve.Context, domain: reeve.Domain, journey: migration.Journey) !reeve.Verdict {
    if (std.mem.eql(u8, journey.id, "fine")) return .allow;
    if (std.mem.eql(u8, journey.id, "titled")) {
        const edits = try reeve.allocator.alloc(reeve.Edit, 1);
        edits[0] = .{ .set_title = journey.destination.name };
        return reeve.rewrite(edits);
    }
    return reeve.deny("{s}", .{way(domain, journey)});
}

pub fn migrateIn(_: reeve.Context, domain: reeve.Domain, journey: migration.Journey) !reeve.Verdict {
    return reeve.deny("{s}", .{way(domain, journey)});
}

pub fn migrationPrecheck(_: reeve.Context, domain: reeve.Domain, journey: migration.Journey) !?[]const u8 {
    return if (std.mem.eql(u8, journey.id, "fine")) null else way(domain, journey);
}

fn offer(it: migration.Capabilities) []const u8 {
    return reeve.format("{d}{d} {d}", .{ @intFromBool(it.compression), @intFromBool(it.post_copy), it.streams });
}

fn allowed(it: migration.Limits) []const u8 {
    return reeve.format("{d} {s} {d} {d}", .{ it.max_downtime_us, figure(it.bandwidth), it.max_throttle, it.max_rounds });
}

pub fn migrationPlan(
    _: reeve.Context,
    offered: migration.Capabilities,
    limits: migration.Limits,
    journey: migration.Journey,
) !migration.Plan {
    if (!std.mem.eql(u8, journey.id, "fine")) {
        return reeve.fail("{s} {s} {s}{s}", .{ offer(offered), allowed(limits), journey.id, brought() });
    }
    return .{ .max_downtime_us = limits.max_downtime_us / 2, .compress = offered.compression, .streams = offered.streams };
}

fn roundText(it: migration.Round) []const u8 {
    const times = reeve.format("{d},{d},{d}", .{ it.number, it.elapsed_us, it.duration_us });
    const sent = reeve.format("{d},{d},{d},{d},{d}", .{ it.pages, it.zero_pages, it.sent, it.dirty_pages, it.bandwidth });
    const compressed = @intFromBool(it.compressed);
    return reeve.format("{s},{s},{d},{d},{d},{d},{d}", .{
        times, sent, it.expected_downtime_us, it.max_downtime_us, it.throttle, compressed, it.streams,
    });
}

pub fn migrationStep(_: reeve.Context, now: migration.Progress) !migration.Step {
    if (now.rounds.len == 0) return .@"continue";
    const last = now.rounds[now.rounds.len - 1];
    switch (last.number) {
        1 => return .@"continue",
        2 => return .{ .throttle = last.throttle + 5 },
        3 => return .{ .set_max_downtime = last.expected_downtime_us },
        4 => return .compress,
        5 => return .{ .add_streams = last.streams },
        6 => return .switch_to_post_copy,
        7 => return .stop_and_copy,
        else => {
            const rounds = try reeve.allocator.alloc([]const u8, now.rounds.len);
            for (rounds, now.rounds) |*text, round| text.* = roundText(round);
            return migration.abort("{s} {s} {s}{s}", .{
                offer(now.capabilities), allowed(now.limits), joined(rounds, ";"), brought(),
            });
        },
    }
}

fn figure(it: ?u64) []const u8 {
    return if (it) |value| reeve.format("{d}", .{value}) else "-";
}

fn volume(it: storage.Volume) []const u8 {
    return reeve.format("{s},{s},{s},{s},{s},{d},{d},{s},{s},{d}", .{
        it.pool,
        it.name,
        it.key,
        it.path,
        it.format,
        it.capacity,
        it.allocation,
        it.backing orelse "-",
        figure(it.created),
        @intFromBool(it.complete),
    });
}

pub fn volumeCreate(_: reeve.Context, pool: storage.Pool, plan: storage.Plan) !storage.Verdict {
    if (std.mem.eql(u8, plan.name, "fine")) return .allow;
    if (std.mem.eql(u8, plan.name, "renamed")) return .{ .rewrite = .{ .name = "x", .allocation = 4096 } };
    const available: ?u64 = if (pool.space) |space| space.available else null;
    return storage.deny("{s} {s} {s} {s} {d} {s} {s} {s} {s} {s} {s}", .{
        pool.name,
        pool.kind,
        pool.path orelse "-",
        figure(available),
        pool.volumes,
        plan.name,
        figure(plan.capacity),
        figure(plan.allocation),
        plan.format orelse "-",
        plan.backing orelse "-",
        if (plan.source) |source| volume(source) else "-",
    });
}

pub fn volumeResize(_: reeve.Context, pool: storage.Pool, of: storage.Volume, capacity: u64) !reeve.Verdict {
    return reeve.deny("{s} {s} {d}", .{ pool.name, volume(of), capacity });
}

pub fn storageEvents(_: reeve.Context, event: storage.Event) !void {
    if (std.mem.eql(u8, event.name, "asked")) return stored(event.detail);
    return reeve.fail("{s} {s} {d} {s}", .{ event.uuid, event.name, @intFromEnum(event.change), event.detail });
}

pub fn cloneName(_: reeve.Context, clone: storage.Clone) ![]const u8 {
    const parts = .{ @intFromEnum(clone.kind), clone.source, clone.pool orelse "-", joined(clone.taken, ",") };
    return reeve.format("{d} {s} {s} {s}", parts);
}

/// Fails with what the host says of a pool, and of the volumes that are made there.
fn stored(pool: []const u8) !void {
    const volumes = storage.volumes;
    var names: std.ArrayList([]const u8) = .empty;
    for (try storage.pools.list()) |it| try names.append(reeve.allocator, it.name);
    const kind = (try storage.pools.get(pool)).kind;
    var there: std.ArrayList([]const u8) = .empty;
    for (try volumes.list(pool)) |it| try there.append(reeve.allocator, volume(it));
    const one = volume(try volumes.get(pool, "a"));
    const made = volume(try volumes.create(pool, .{ .name = "b", .capacity = 5, .allocation = 7 }));
    const copied = (try volumes.copy(pool, "b", "c")).name;
    const resized = (try volumes.resize(pool, "c", 9, true)).capacity;
    const data = try volumes.read(pool, "c", 1, 3);
    try volumes.write(pool, "c", 2, data);
    try volumes.delete(pool, "b");
    return reeve.fail("{s} {s} {s} {s} {s} {s} {d} {d}", .{
        joined(names.items, ","),
        kind,
        joined(there.items, ";"),
        one,
        made,
        copied,
        resized,
        data.len,
    });
}

/// Fails with what the host says of a network.
fn asked(name: []const u8) !void {
    var names: std.ArrayList([]const u8) = .empty;
    for (try networks.list()) |network| try names.append(reeve.allocator, network.name);
    const mode = (try networks.get(name)).mode;
    var links: std.ArrayList([]const u8) = .empty;
    for (try networks.ports(name)) |port| try links.append(reeve.allocator, port.link);
    var given: std.ArrayList([]const u8) = .empty;
    for (try networks.leases(name)) |lease| {
        const expires = if (lease.expires) |expires| reeve.format("{d}", .{expires}) else "-";
        const parts = .{ lease.mac orelse "-", lease.ip, lease.hostname orelse "-", expires };
        try given.append(reeve.allocator, reeve.format("{s}/{s}/{s}/{s}", parts));
    }
    const of = try networks.portCounters(name, "vnet0");
    const received = reeve.format("{d} {d} {d}", .{ of.received_bytes, of.received_packets, of.received_dropped });
    const sent = reeve.format("{d} {d} {d}", .{ of.sent_bytes, of.sent_packets, of.sent_dropped });
    return reeve.fail("{s} {d} {s} {s} {s} {s}", .{
        joined(names.items, ","),
        @intFromEnum(mode),
        joined(links.items, ","),
        joined(given.items, ","),
        received,
        sent,
    });
}

pub fn filterGenerate(_: reeve.Context, interface: reeve.filter.Subject, filters: []const reeve.filter.Filter) !reeve.filter.Rules {
    var told: std.ArrayList(Rule) = .empty;
    for (filters) |filter| try tell(&told, filter);
    var known: std.ArrayList(ruleset.Operand) = .empty;
    for (interface.addresses) |address| try known.append(reeve.allocator, .{ .address = address });
    const chains: []const ruleset.Chain = &.{
        .{ .name = "tree", .layer = .link, .rules = told.items },
        .{ .name = "out", .layer = .link, .entry = .out, .rules = try fromGuest(interface) },
        .{ .name = "in", .layer = .connection, .entry = .in, .rules = &to_guest },
    };
    return .{
        .chains = try reeve.allocator.dupe(ruleset.Chain, chains),
        .sets = try reeve.allocator.dupe(ruleset.Set, &.{.{ .name = "known", .elements = known.items }}),
        .maps = &.{.{ .name = "by-source", .entries = &.{
            .{ .element = .{ .address = "192.0.2.7" }, .verdict = .drop },
            .{ .element = .{ .address = "192.0.2.8" }, .verdict = .accept },
        } }},
    };
}

fn joined(texts: []const []const u8, separator: []const u8) []const u8 {
    return std.mem.join(reeve.allocator, separator, texts) catch @panic("out of memory");
}

/// Rules that say what stands in a filter.
fn tell(rules: *std.ArrayList(Rule), filter: tree.Filter) !void {
    var comment = reeve.format("{s} {s} {d}", .{ filter.name, filter.chain, filter.priority });
    for (filter.variables) |variable| {
        comment = reeve.format("{s} {s}={s}", .{ comment, variable.name, joined(variable.values, "|") });
    }
    try rules.append(reeve.allocator, .{ .verdict = .@"continue", .comment = comment });
    for (filter.entries) |entry| try rules.append(reeve.allocator, switch (entry) {
        .reference => |position| .{ .verdict = .@"return", .comment = reeve.format("-> {d}", .{position}) },
        .rule => |rule| .{ .verdict = verdictOf(rule.action), .comment = try commentOf(rule) },
    });
}

fn verdictOf(action: tree.Action) ruleset.Verdict {
    return switch (action) {
        .drop => .drop,
        .reject => .reject,
        .accept => .accept,
        .@"return" => .@"return",
        .@"continue" => .@"continue",
    };
}

fn commentOf(rule: tree.Rule) ![]const u8 {
    const statematch = @intFromBool(rule.statematch);
    var comment = reeve.format("{d} {d} {d}", .{ @intFromEnum(rule.direction), rule.priority, statematch });
    for (rule.matches) |match| {
        const negated = if (match.negated) "!" else "";
        var conditions: std.ArrayList([]const u8) = .empty;
        for (match.conditions) |condition| try conditions.append(reeve.allocator, conditionOf(condition));
        comment = reeve.format("{s} {s}{s}({s})", .{ comment, match.protocol, negated, joined(conditions.items, ",") });
    }
    return comment;
}

fn conditionOf(condition: tree.Condition) []const u8 {
    const attribute = condition.attribute;
    switch (condition.value) {
        .literal => |text| return reeve.format("{s}={s}", .{ attribute, text }),
        .variable => |variable| return switch (variable.access) {
            .element => |place| reeve.format("{s}=${s}[{d}]", .{ attribute, variable.name, place }),
            .iterator => |number| reeve.format("{s}=${s}[@{d}]", .{ attribute, variable.name, number }),
        },
    }
}

fn fromGuest(interface: reeve.filter.Subject) ![]const Rule {
    const group = "01:00:00:00:00:00";
    const foreign: ruleset.Match = .{ .field = .ether_source, .negated = true, .operand = .{ .mac = interface.mac } };
    const own = try reeve.allocator.dupe(ruleset.Match, &.{foreign});
    return reeve.allocator.dupe(Rule, &.{
        .{ .matches = own, .verdict = .reject, .comment = "not its own" },
        .{
            .matches = &.{.{ .field = .ether_destination, .operand = .{ .masked_mac = .{ .value = group, .mask = group } } }},
            .verdict = .@"return",
        },
        .{
            .matches = &.{.{ .field = .ip_source, .operand = .{ .addresses = .{ .from = "192.0.2.1", .to = "192.0.2.9" } } }},
            .verdict = .@"continue",
        },
        .{ .verdict = .{ .jump = "tree" } },
    });
}

const tcp: ruleset.Match = .{ .field = .ip_protocol, .operand = .{ .number = 6 } };
const udp: ruleset.Match = .{ .field = .ip_protocol, .operand = .{ .number = 17 } };

const to_guest = [_]Rule{
    .{ .matches = &.{.{ .field = .state, .operand = .{ .states = &.{ .established, .related } } }}, .verdict = .accept },
    .{ .matches = &.{ tcp, .{ .field = .tcp_flags, .operand = .{ .masked = .{ .value = 2, .mask = 18 } } } }, .verdict = .drop },
    .{ .matches = &.{ udp, .{ .field = .destination_port, .operand = .{ .range = .{ .from = 1024, .to = 65535 } } } }, .verdict = .accept },
    .{ .matches = &.{.{ .field = .ip_source, .operand = .{ .set = "known" } }}, .verdict = .accept },
    .{
        .matches = &.{.{ .field = .ip_source, .operand = .{ .network = .{ .address = "198.51.100.0", .prefix = 24 } } }},
        .verdict = .drop,
    },
    .{ .matches = &.{.{ .field = .ip6_source, .operand = .{ .address = "2001:db8::1" } }}, .verdict = .drop },
    .{
        .matches = &.{.{ .field = .host_set, .operand = .{ .host_set = .{ .name = "trusted", .sources = &.{ true, false } } } }},
        .verdict = .accept,
    },
    .{ .verdict = .{ .lookup = .{ .field = .ip_source, .verdict_map = "by-source" } } },
};
