/* The export of the hook `port-plug`. */
#include "../wasm/glue.h"

bool exports_reeve_hooks_port_plug_guard(
    exports_reeve_hooks_port_plug_context_t *context,
    exports_reeve_hooks_port_plug_borrow_domain_config_t domain,
    exports_reeve_hooks_port_plug_port_t *port,
    exports_reeve_hooks_port_plug_verdict_t *verdict,
    exports_reeve_hooks_port_plug_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_port of = reeve_from_port(port);
    return reeve_give_answer(port_plug(&ctx, from_borrow(domain), &of), verdict, failure);
}
