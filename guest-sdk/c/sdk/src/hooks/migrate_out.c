/* The export of the hook `migrate-out`. */
#include "../wasm/journey.h"

bool exports_reeve_hooks_migrate_out_guard(
    exports_reeve_hooks_migrate_out_context_t *context,
    exports_reeve_hooks_migrate_out_borrow_domain_config_t domain,
    exports_reeve_hooks_migrate_out_journey_t *journey,
    exports_reeve_hooks_migrate_out_verdict_t *verdict,
    exports_reeve_hooks_migrate_out_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_journey way = reeve_from_journey(journey);
    return reeve_give_answer(migrate_out(&ctx, from_borrow(domain), &way), verdict, failure);
}
