/* A domain is about to move to another host; a rewrite changes the document that the destination gets. */
reeve_answer migrate_out(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    (void)ctx, (void)domain, (void)journey;
    return reeve_allow();
}
