/* Somebody asks to stop a virtual network. Rewrites are refused. */
reeve_answer network_stop(const reeve_context *ctx, const reeve_network *network) {
    (void)ctx, (void)network;
    return reeve_allow();
}
