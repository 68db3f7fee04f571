def migrate_out(ctx: reeve.Context, domain: reeve.DomainConfig, journey: reeve.Journey) -> reeve.Verdict:
    """A domain is about to move to another host; a rewrite changes the document that the destination gets."""
    return reeve.allow()
