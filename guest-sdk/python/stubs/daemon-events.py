def daemon_events(ctx: reeve.Context, change: reeve.DaemonChange) -> None:
    """The daemon started, stops or reloaded."""
    log.info(f"the daemon {change.name.lower()}")
