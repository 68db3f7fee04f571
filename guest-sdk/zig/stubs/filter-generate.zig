/// The packet rules of an interface, from its filter and all that it refers to. No chain lets everything pass.
pub fn filterGenerate(_: reeve.Context, interface: reeve.filter.Subject, filters: []const reeve.filter.Filter) !reeve.filter.Rules {
    _ = interface;
    _ = filters;
    return .{};
}
