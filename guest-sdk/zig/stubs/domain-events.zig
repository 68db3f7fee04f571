/// Something happened to a domain; calls for one domain come in order.
pub fn domainEvents(_: reeve.Context, event: reeve.DomainEvent) !void {
    reeve.log.info("domain '{s}': {s}", .{ event.name, event.reason });
}
