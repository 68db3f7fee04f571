def domain_events(ctx: reeve.Context, event: reeve.DomainEvent) -> None:
    """Something happened to a domain; calls for one domain come in order."""
    log.info(f"{event.name}: {event.change.name.lower()}")
