/* The export of the hook `volume-resize`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_volume_resize_guard(
    exports_reeve_hooks_volume_resize_context_t *context,
    exports_reeve_hooks_volume_resize_pool_t *pool,
    exports_reeve_hooks_volume_resize_volume_t *volume,
    uint64_t capacity,
    exports_reeve_hooks_volume_resize_verdict_t *verdict,
    exports_reeve_hooks_volume_resize_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_pool of = reeve_from_pool(pool);
    reeve_volume it = reeve_from_volume(volume);
    return reeve_give_answer(volume_resize(&ctx, &of, &it, capacity), verdict, failure);
}
