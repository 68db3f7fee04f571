/* Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused. */
reeve_answer domain_stop(const reeve_context *ctx, reeve_domain domain, bool forced) {
    (void)ctx, (void)domain, (void)forced;
    return reeve_allow();
}
