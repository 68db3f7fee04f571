/* A domain is about to come from another host; a rewrite changes the document that it runs by here. */
reeve_answer migrate_in(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    (void)ctx, (void)domain, (void)journey;
    return reeve_allow();
}
