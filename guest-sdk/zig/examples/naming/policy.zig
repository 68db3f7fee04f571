//! Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.

const std = @import("std");
const reeve = @import("reeve");

/// What the operator may set.
const House = struct {
    /// Names must begin with one of these; none allows every name.
    prefixes: []const []const u8 = &.{},
    /// Cache mode of a writable disk that does not say; empty leaves it open.
    cache: []const u8 = "none",
    /// Whether a domain that does not say gets a memory balloon.
    balloon: bool = true,
    /// Whether a domain without one gets a random-number device.
    rng: bool = true,

    /// True when the house has no rule for names, or `name` follows it.
    fn fits(self: House, name: []const u8) bool {
        for (self.prefixes) |prefix| {
            if (std.mem.startsWith(u8, name, prefix)) return true;
        }
        return self.prefixes.len == 0;
    }
};

/// A definition is added or replaced.
pub fn domainDefine(ctx: reeve.Context, domain: reeve.Domain) !reeve.Verdict {
    const house = try ctx.parseConfig(House);
    const name = domain.name();
    if (!house.fits(name)) {
        const prefixes = try std.mem.join(reeve.allocator, ", ", house.prefixes);
        return reeve.deny("the name '{s}' must begin with one of: {s}", .{ name, prefixes });
    }

    var edits: std.ArrayList(reeve.Edit) = .empty;
    for (domain.disks()) |disk| {
        if (isWritable(disk) and disk.cache == null and house.cache.len > 0) {
            try edits.append(reeve.allocator, .{ .set_disk_cache = .{ .target = disk.target, .cache = house.cache } });
        }
    }
    const has_balloon = domain.balloon() != null;
    const rngs = domain.rngCount();
    if (house.balloon and !has_balloon) {
        try edits.append(reeve.allocator, .{ .add_device = "<memballoon model='virtio'/>" });
    }
    if (house.rng and rngs == 0) {
        const device = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
        try edits.append(reeve.allocator, .{ .add_device = device });
    }
    return reeve.rewrite(edits.items);
}

/// True when the guest may write to it, to a medium that is there.
fn isWritable(disk: reeve.Disk) bool {
    return std.mem.eql(u8, disk.device, "disk") and !disk.readonly and disk.source != null;
}

fn ask(config: []const u8, domain: *const reeve.testing.DomainData) !reeve.Verdict {
    return domainDefine(reeve.testing.context(config), reeve.testing.domain(domain));
}

const open: reeve.testing.DomainData = .{
    .disks = &.{
        .{ .target = "vda", .source = "/images/a" },
        .{ .target = "vdb", .source = "/images/b", .cache = "writeback" },
        .{ .target = "sda", .device = "cdrom", .source = "/images/c" },
    },
    .rng_count = 1,
};

test "what is left open is filled in" {
    try reeve.testing.expectRewrite(&.{
        .{ .set_disk_cache = .{ .target = "vda", .cache = "none" } },
        .{ .add_device = "<memballoon model='virtio'/>" },
    }, ask("{}", &open));
    try reeve.testing.expectAllow(ask("{\"cache\": \"\", \"balloon\": false}", &open));
    var complete = open;
    complete.disks = open.disks[1..];
    complete.balloon = .{ .model = "none" };
    try reeve.testing.expectAllow(ask("{}", &complete));
}

test "a name outside the house is refused" {
    try reeve.testing.expectDeny(
        "the name 'test' must begin with one of: web-, db-",
        ask("{\"prefixes\": [\"web-\", \"db-\"]}", &open),
    );
}
