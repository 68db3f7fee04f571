def network_start(ctx: reeve.Context, network: reeve.Network, xml: str) -> reeve.Verdict:
    """A virtual network is about to start; `xml` is its document. Rewrites are refused."""
    return reeve.allow()
