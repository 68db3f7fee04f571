def domain_start(ctx: reeve.Context, domain: reeve.DomainConfig) -> reeve.Verdict:
    """The last word before the machine is made; the configuration is settled. Rewrites are refused."""
    return reeve.allow()
