/* The export of the hook `domain-stop`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_domain_stop_guard(
    exports_reeve_hooks_domain_stop_context_t *context,
    exports_reeve_hooks_domain_stop_borrow_domain_config_t domain,
    bool forced,
    exports_reeve_hooks_domain_stop_verdict_t *verdict,
    exports_reeve_hooks_domain_stop_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_answer(domain_stop(&ctx, from_borrow(domain), forced), verdict, failure);
}
