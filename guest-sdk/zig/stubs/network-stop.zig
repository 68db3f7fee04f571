/// Somebody asks to stop a virtual network. Rewrites are refused.
pub fn networkStop(_: reeve.Context, network: reeve.networks.Network) !reeve.Verdict {
    _ = network;
    return .allow;
}
