/// A virtual network is about to start; `xml` is its document. Rewrites are refused.
pub fn networkStart(_: reeve.Context, network: reeve.networks.Network, xml: []const u8) !reeve.Verdict {
    _ = network;
    _ = xml;
    return .allow;
}
