def task(ctx: reeve.Context, why: reeve.Occasion) -> str:
    """A run by hand, on a schedule or on an event; the answer is one line on what was done."""
    return f"nothing done, asked by {why}"
