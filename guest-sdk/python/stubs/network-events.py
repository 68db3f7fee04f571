def network_events(ctx: reeve.Context, event: reeve.NetworkEvent) -> None:
    """Something happened to a network, to what is plugged into it, or to a packet filter."""
    log.info(f"{event.name}: {event.change.name.lower()} {event.detail}")
