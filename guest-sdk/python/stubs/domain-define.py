def domain_define(ctx: reeve.Context, domain: reeve.DomainConfig) -> reeve.Verdict:
    """A definition is added or replaced; a rewrite changes what is stored."""
    return reeve.allow()
