/* An interface of a domain is about to be plugged. Rewrites are refused. */
reeve_answer port_plug(const reeve_context *ctx, reeve_domain domain, const reeve_port *port) {
    (void)ctx, (void)domain, (void)port;
    return reeve_allow();
}
