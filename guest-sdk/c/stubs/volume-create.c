/* A volume is about to be made or copied; what is written into `changes` changes its document. */
reeve_answer volume_create(
    const reeve_context *ctx, const reeve_pool *pool, const reeve_volume_plan *plan, reeve_volume_changes *changes
) {
    (void)ctx, (void)pool, (void)plan, (void)changes;
    return reeve_allow();
}
