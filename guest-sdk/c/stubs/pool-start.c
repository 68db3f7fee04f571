/* A storage pool is about to start; `xml` is its document. Rewrites are refused. */
reeve_answer pool_start(const reeve_context *ctx, const reeve_pool *pool, reeve_text xml) {
    (void)ctx, (void)pool, (void)xml;
    return reeve_allow();
}
