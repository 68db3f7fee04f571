/* Events. Compiled for policies that answer a hook about events, or `task`; the contract gives them to no others. */
#include "event.h"

_Static_assert(REEVE_DOMAIN_CHANGED == REEVE_EVENTS_EVENTS_DOMAIN_CHANGE_CHANGED, "the changes are in the contract's order");
_Static_assert(REEVE_DAEMON_RELOADED == REEVE_EVENTS_EVENTS_DAEMON_CHANGE_RELOADED, "the changes are in the contract's order");

reeve_domain_event reeve_from_event(const reeve_events_events_domain_event_t *event) {
    return (reeve_domain_event){
        .seq = event->seq,
        .uuid = from_string(event->uuid),
        .name = from_string(event->name),
        .change = (reeve_domain_change)event->change,
        .state = (reeve_state)event->state,
        .reason = from_string(event->reason),
    };
}
