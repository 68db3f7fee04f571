def clone_name(ctx: reeve.Context, clone: reeve.CloneRequest) -> str:
    """The name of a clone that nobody named."""
    number = 1
    while f"{clone.source}-{number}" in clone.taken:
        number += 1
    return f"{clone.source}-{number}"
