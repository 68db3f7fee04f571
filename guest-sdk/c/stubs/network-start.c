/* A virtual network is about to start; `xml` is its document. Rewrites are refused. */
reeve_answer network_start(const reeve_context *ctx, const reeve_network *network, reeve_text xml) {
    (void)ctx, (void)network, (void)xml;
    return reeve_allow();
}
