def domain_prepare(ctx: reeve.Context, domain: reeve.DomainConfig) -> reeve.Verdict:
    """A domain is about to start; a rewrite changes the effective configuration of this run only."""
    return reeve.allow()
