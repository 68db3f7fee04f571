/* The export of the hook `volume-delete`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_volume_delete_guard(
    exports_reeve_hooks_volume_delete_context_t *context,
    exports_reeve_hooks_volume_delete_pool_t *pool,
    exports_reeve_hooks_volume_delete_volume_t *volume,
    exports_reeve_hooks_volume_delete_verdict_t *verdict,
    exports_reeve_hooks_volume_delete_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_pool of = reeve_from_pool(pool);
    reeve_volume it = reeve_from_volume(volume);
    return reeve_give_answer(volume_delete(&ctx, &of, &it), verdict, failure);
}
