def port_plug(ctx: reeve.Context, domain: reeve.DomainConfig, port: reeve.Port) -> reeve.Verdict:
    """An interface of a domain is about to be plugged. Rewrites are refused."""
    return reeve.allow()
