def volume_create(ctx: reeve.Context, pool: reeve.Pool, plan: reeve.VolumePlan) -> reeve.VolumeVerdict:
    """A volume is about to be made or copied; `reeve.rewrite_volume(name=…)` changes its document."""
    return reeve.allow()
