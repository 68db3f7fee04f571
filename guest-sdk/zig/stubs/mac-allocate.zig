/// A MAC address for interface number `interface` (from 0) that is not among `taken`; `seed` is random.
pub fn macAllocate(_: reeve.Context, _: reeve.Domain, interface: u32, taken: []const []const u8, seed: u64) ![]const u8 {
    _ = interface;
    search: for (0..1 << 16) |step| {
        const tail = seed +% step;
        const mac = reeve.format("00:16:3e:{x:0>2}:{x:0>2}:{x:0>2}", .{ tail >> 16 & 0x7f, tail >> 8 & 0xff, tail & 0xff });
        for (taken) |other| {
            if (std.mem.eql(u8, mac, other)) continue :search;
        }
        return mac;
    }
    return reeve.fail("no address is free", .{});
}
