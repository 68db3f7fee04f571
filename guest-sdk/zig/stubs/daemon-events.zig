/// The daemon started, stops or reloaded.
pub fn daemonEvents(_: reeve.Context, change: reeve.DaemonChange) !void {
    reeve.log.info("the daemon: {s}", .{@tagName(change)});
}
