/// A device (XML text) is about to be plugged. Rewrites are refused.
pub fn deviceAttach(_: reeve.Context, _: reeve.Domain, device: []const u8) !reeve.Verdict {
    _ = device;
    return .allow;
}
