/* A device (XML text) is about to be unplugged. Rewrites are refused. */
reeve_answer device_detach(const reeve_context *ctx, reeve_domain domain, reeve_text device) {
    (void)ctx, (void)domain, (void)device;
    return reeve_allow();
}
