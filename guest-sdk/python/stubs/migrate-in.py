def migrate_in(ctx: reeve.Context, domain: reeve.DomainConfig, journey: reeve.Journey) -> reeve.Verdict:
    """A domain is about to come from another host; a rewrite changes the document that it runs by here."""
    return reeve.allow()
