/* The export of the hook `device-detach`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_device_detach_guard(
    exports_reeve_hooks_device_detach_context_t *context,
    exports_reeve_hooks_device_detach_borrow_domain_config_t domain,
    bindings_string_t *device,
    exports_reeve_hooks_device_detach_verdict_t *verdict,
    exports_reeve_hooks_device_detach_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    return reeve_give_answer(device_detach(&ctx, from_borrow(domain), from_string(*device)), verdict, failure);
}
