/* The export of the hook `domain-define`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_domain_define_guard(
    exports_reeve_hooks_domain_define_context_t *context,
    exports_reeve_hooks_domain_define_borrow_domain_config_t domain,
    exports_reeve_hooks_domain_define_verdict_t *verdict,
    exports_reeve_hooks_domain_define_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_answer(domain_define(&ctx, from_borrow(domain)), verdict, failure);
}
