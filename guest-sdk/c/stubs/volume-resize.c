/* A volume is about to get another capacity, bytes. Rewrites are refused. */
reeve_answer volume_resize(const reeve_context *ctx, const reeve_pool *pool, const reeve_volume *volume, uint64_t capacity) {
    (void)ctx, (void)pool, (void)volume, (void)capacity;
    return reeve_allow();
}
