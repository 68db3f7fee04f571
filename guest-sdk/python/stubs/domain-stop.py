def domain_stop(ctx: reeve.Context, domain: reeve.DomainConfig, forced: bool) -> reeve.Verdict:
    """Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused."""
    return reeve.allow()
