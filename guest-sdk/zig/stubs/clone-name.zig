/// The name of a clone that nobody named.
pub fn cloneName(_: reeve.Context, clone: reeve.storage.Clone) ![]const u8 {
    search: for (1..1 << 16) |number| {
        const name = reeve.format("{s}-{d}", .{ clone.source, number });
        for (clone.taken) |other| {
            if (std.mem.eql(u8, name, other)) continue :search;
        }
        return name;
    }
    return reeve.fail("every name is taken", .{});
}
