/// An interface of a domain is about to be plugged. Rewrites are refused.
pub fn portPlug(_: reeve.Context, _: reeve.Domain, port: reeve.networks.Port) !reeve.Verdict {
    _ = port;
    return .allow;
}
