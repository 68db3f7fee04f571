/* The export of the hook `domain-prepare`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_domain_prepare_guard(
    exports_reeve_hooks_domain_prepare_context_t *context,
    exports_reeve_hooks_domain_prepare_borrow_domain_config_t domain,
    exports_reeve_hooks_domain_prepare_verdict_t *verdict,
    exports_reeve_hooks_domain_prepare_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_answer(domain_prepare(&ctx, from_borrow(domain)), verdict, failure);
}
