/* The export of the hook `network-start`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_network_start_guard(
    exports_reeve_hooks_network_start_context_t *context,
    exports_reeve_hooks_network_start_network_t *network,
    bindings_string_t *xml,
    exports_reeve_hooks_network_start_verdict_t *verdict,
    exports_reeve_hooks_network_start_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_network of = reeve_from_network(network);
    return reeve_give_answer(network_start(&ctx, &of, from_string(*xml)), verdict, failure);
}
