/* Kernel samepage merging; nothing in `out` changes nothing. */
reeve_reply ksm_tune(const reeve_context *ctx, const reeve_ksm_snapshot *now, reeve_adjustments *out) {
    (void)ctx, (void)now, (void)out;
    return reeve_done();
}
