def pool_start(ctx: reeve.Context, pool: reeve.Pool, xml: str) -> reeve.Verdict:
    """A storage pool is about to start; `xml` is its document. Rewrites are refused."""
    return reeve.allow()
