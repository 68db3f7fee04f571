/* The export of the hook `pool-start`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_pool_start_guard(
    exports_reeve_hooks_pool_start_context_t *context,
    exports_reeve_hooks_pool_start_pool_t *pool,
    bindings_string_t *xml,
    exports_reeve_hooks_pool_start_verdict_t *verdict,
    exports_reeve_hooks_pool_start_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_pool of = reeve_from_pool(pool);
    return reeve_give_answer(pool_start(&ctx, &of, from_string(*xml)), verdict, failure);
}
