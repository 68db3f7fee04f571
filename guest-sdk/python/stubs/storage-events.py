def storage_events(ctx: reeve.Context, event: reeve.StorageEvent) -> None:
    """Something happened to a storage pool or its volumes."""
    log.info(f"{event.name}: {event.change.name.lower()} {event.detail}")
