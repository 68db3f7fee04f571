/* The name of a clone that nobody named. */
reeve_reply clone_name(const reeve_context *ctx, const reeve_clone_request *clone) {
    (void)ctx;
    for (unsigned number = 1;; number++) {
        reeve_reply name = reeve_say(REEVE_S "-%u", REEVE_ARG(clone->source), number);
        size_t at = 0;
        while (at < clone->taken.count && !reeve_equal(clone->taken.items[at], name.text)) {
            at++;
        }
        if (at == clone->taken.count) {
            return name;
        }
    }
}
