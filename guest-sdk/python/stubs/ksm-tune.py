def ksm_tune(ctx: reeve.Context, now: reeve.Snapshot) -> List[reeve.Adjustment]:
    """One tick of the KSM tuner; an empty list changes nothing."""
    return []
