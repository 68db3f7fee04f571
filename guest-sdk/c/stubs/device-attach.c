/* A device (XML text) is about to be plugged. Rewrites are refused. */
reeve_answer device_attach(const reeve_context *ctx, reeve_domain domain, reeve_text device) {
    (void)ctx, (void)domain, (void)device;
    return reeve_allow();
}
