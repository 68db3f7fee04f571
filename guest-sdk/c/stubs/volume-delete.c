/* A volume is about to be deleted. Rewrites are refused. */
reeve_answer volume_delete(const reeve_context *ctx, const reeve_pool *pool, const reeve_volume *volume) {
    (void)ctx, (void)pool, (void)volume;
    return reeve_allow();
}
