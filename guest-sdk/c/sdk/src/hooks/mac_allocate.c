/* The export of the hook `mac-allocate`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_mac_allocate_propose(
    exports_reeve_hooks_mac_allocate_context_t *context,
    exports_reeve_hooks_mac_allocate_borrow_domain_config_t domain,
    uint32_t interface,
    bindings_list_string_t *taken,
    uint64_t seed,
    bindings_string_t *mac,
    exports_reeve_hooks_mac_allocate_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_reply reply = mac_allocate(&ctx, from_borrow(domain), interface, reeve_from_strings(*taken), seed);
    return reeve_give_reply(reply, mac, failure);
}
