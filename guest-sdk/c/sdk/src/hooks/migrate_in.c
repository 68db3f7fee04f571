/* The export of the hook `migrate-in`. */
#include "../wasm/journey.h"

bool exports_reeve_hooks_migrate_in_guard(
    exports_reeve_hooks_migrate_in_context_t *context,
    exports_reeve_hooks_migrate_in_borrow_domain_config_t domain,
    exports_reeve_hooks_migrate_in_journey_t *journey,
    exports_reeve_hooks_migrate_in_verdict_t *verdict,
    exports_reeve_hooks_migrate_in_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_journey way = reeve_from_journey(journey);
    return reeve_give_answer(migrate_in(&ctx, from_borrow(domain), &way), verdict, failure);
}
