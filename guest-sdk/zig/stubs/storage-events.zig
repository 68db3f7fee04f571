/// Something happened to a storage pool or its volumes.
pub fn storageEvents(_: reeve.Context, event: reeve.storage.Event) !void {
    reeve.log.info("{s}: {s} {s}", .{ event.name, @tagName(event.change), event.detail });
}
