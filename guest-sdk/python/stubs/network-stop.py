def network_stop(ctx: reeve.Context, network: reeve.Network) -> reeve.Verdict:
    """Somebody asks to stop a virtual network. Rewrites are refused."""
    return reeve.allow()
