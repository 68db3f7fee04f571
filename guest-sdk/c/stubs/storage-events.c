/* Something happened to a storage pool or its volumes. */
reeve_reply storage_events(const reeve_context *ctx, const reeve_storage_event *event) {
    (void)ctx;
    reeve_log_info("pool '" REEVE_S "': " REEVE_S, REEVE_ARG(event->name), REEVE_ARG(event->detail));
    return reeve_done();
}
