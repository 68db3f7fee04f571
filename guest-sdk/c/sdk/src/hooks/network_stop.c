/* The export of the hook `network-stop`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_network_stop_guard(
    exports_reeve_hooks_network_stop_context_t *context,
    exports_reeve_hooks_network_stop_network_t *network,
    exports_reeve_hooks_network_stop_verdict_t *verdict,
    exports_reeve_hooks_network_stop_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_network of = reeve_from_network(network);
    return reeve_give_answer(network_stop(&ctx, &of), verdict, failure);
}
