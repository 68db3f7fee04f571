/* Something happened to a domain; calls for one domain come in order. */
reeve_reply domain_events(const reeve_context *ctx, const reeve_domain_event *event) {
    (void)ctx;
    reeve_log_info("domain '" REEVE_S "': " REEVE_S, REEVE_ARG(event->name), REEVE_ARG(event->reason));
    return reeve_done();
}
