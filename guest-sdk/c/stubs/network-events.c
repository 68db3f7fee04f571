/* Something happened to a network, to what is plugged into it, or to a packet filter. */
reeve_reply network_events(const reeve_context *ctx, const reeve_network_event *event) {
    (void)ctx;
    reeve_log_info("network '" REEVE_S "': " REEVE_S, REEVE_ARG(event->name), REEVE_ARG(event->detail));
    return reeve_done();
}
