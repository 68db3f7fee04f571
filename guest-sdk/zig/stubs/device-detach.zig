/// A device (XML text) is about to be unplugged. Rewrites are refused.
pub fn deviceDetach(_: reeve.Context, _: reeve.Domain, device: []const u8) !reeve.Verdict {
    _ = device;
    return .allow;
}
