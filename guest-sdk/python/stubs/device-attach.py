def device_attach(ctx: reeve.Context, domain: reeve.DomainConfig, device: str) -> reeve.Verdict:
    """A device (XML text) is about to be plugged. Rewrites are refused."""
    return reeve.allow()
