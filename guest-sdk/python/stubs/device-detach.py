def device_detach(ctx: reeve.Context, domain: reeve.DomainConfig, device: str) -> reeve.Verdict:
    """A device (XML text) is about to be unplugged. Rewrites are refused."""
    return reeve.allow()
