/// Something happened to a network, to what is plugged into it, or to a packet filter.
pub fn networkEvents(_: reeve.Context, event: reeve.networks.NetworkEvent) !void {
    reeve.log.info("{s}: {s} {s}", .{ event.name, @tagName(event.change), event.detail });
}
