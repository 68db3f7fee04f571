/* The daemon started, stops or reloaded. */
reeve_reply daemon_events(const reeve_context *ctx, reeve_daemon_change change) {
    (void)ctx, (void)change;
    return reeve_done();
}
