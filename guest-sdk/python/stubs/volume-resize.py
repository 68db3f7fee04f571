def volume_resize(ctx: reeve.Context, pool: reeve.Pool, volume: reeve.Volume, capacity: int) -> reeve.Verdict:
    """A volume is about to get another capacity, bytes. Rewrites are refused."""
    return reeve.allow()
