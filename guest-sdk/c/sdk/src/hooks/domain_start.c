/* The export of the hook `domain-start`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_domain_start_guard(
    exports_reeve_hooks_domain_start_context_t *context,
    exports_reeve_hooks_domain_start_borrow_domain_config_t domain,
    exports_reeve_hooks_domain_start_verdict_t *verdict,
    exports_reeve_hooks_domain_start_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_answer(domain_start(&ctx, from_borrow(domain)), verdict, failure);
}
