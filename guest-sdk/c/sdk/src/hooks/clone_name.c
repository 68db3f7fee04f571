/* The export of the hook `clone-name`. */
#include "../wasm/glue.h"

_Static_assert(
    REEVE_CLONED_VOLUME == EXPORTS_REEVE_HOOKS_CLONE_NAME_CLONED_VOLUME, "what is cloned is in the contract's order"
);

bool exports_reeve_hooks_clone_name_propose(
    exports_reeve_hooks_clone_name_context_t *context,
    exports_reeve_hooks_clone_name_clone_request_t *clone,
    bindings_string_t *name,
    exports_reeve_hooks_clone_name_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_clone_request request = {
        .kind = (reeve_cloned)clone->kind,
        .source = from_string(clone->source),
        .pool = from_option(clone->pool),
        .taken = reeve_from_strings(clone->taken),
    };
    return reeve_give_reply(clone_name(&ctx, &request), name, failure);
}
