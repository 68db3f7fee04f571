def volume_delete(ctx: reeve.Context, pool: reeve.Pool, volume: reeve.Volume) -> reeve.Verdict:
    """A volume is about to be deleted. Rewrites are refused."""
    return reeve.allow()
