/* Events, for the hooks that are told of them. */
#ifndef REEVE_EVENT_H
#define REEVE_EVENT_H

#include "glue.h"

/* An event of a domain. */
reeve_domain_event reeve_from_event(const reeve_events_events_domain_event_t *event);

#endif
