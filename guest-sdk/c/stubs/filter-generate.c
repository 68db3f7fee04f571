/* The packet rules of an interface, from its filter and all that it refers to. No chain in `out` lets everything pass. */
reeve_reply filter_generate(const reeve_context *ctx, const reeve_subject *interface, reeve_filters filters, reeve_rules *out) {
    (void)ctx, (void)interface, (void)filters, (void)out;
    return reeve_done();
}
