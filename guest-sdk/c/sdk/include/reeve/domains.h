/* The domains of this host. Reading needs the grant `domain:read`, the rest the grant named with each. Functions that change
 * something may only be called from notify hooks, tuners and tasks; elsewhere the host answers REEVE_DENIED. All return false and fill
 * `error` in on failure. */
#ifndef REEVE_DOMAINS_H
#define REEVE_DOMAINS_H

#include "reeve/domain.h"

/* One row of a list. */
typedef struct reeve_summary {
    reeve_text uuid;
    reeve_text name;
    reeve_state state;
    /* True when a definition is kept after it stops. */
    bool persistent;
    /* True when the daemon starts it by itself. */
    bool autostart;
} reeve_summary;

/* Rows, ordered by name. */
typedef struct reeve_summaries {
    reeve_summary *items;
    size_t count;
} reeve_summaries;

/* What all active domains together may use. */
typedef struct reeve_commitment {
    /* Active domains. */
    uint32_t active;
    /* Sum of their maximum memory, bytes. */
    uint64_t memory;
    /* Sum of their vCPUs. */
    uint32_t vcpus;
} reeve_commitment;

/* All domains the policy may read. */
bool reeve_domains_list(reeve_summaries *out, reeve_error *error);
/* One domain by name or UUID. */
bool reeve_domains_get(reeve_text name, reeve_domain *out, reeve_error *error);
/* Sums over all active domains but `except` (a UUID, or REEVE_NONE); needs `domain:read name=*`. */
bool reeve_domains_committed(reeve_text except, reeve_commitment *out, reeve_error *error);
/* Starts a defined domain. Needs `domain:start`. */
bool reeve_domains_start(reeve_text name, reeve_error *error);
/* Asks the guest to shut down; answers before it has. Needs `domain:shutdown`. */
bool reeve_domains_shutdown(reeve_text name, reeve_error *error);
/* Stops it by force. Needs `domain:destroy`. */
bool reeve_domains_destroy(reeve_text name, reeve_error *error);
/* Stops its vCPUs. Needs `domain:suspend`. */
bool reeve_domains_suspend(reeve_text name, reeve_error *error);
/* Lets its vCPUs run again. Needs `domain:suspend`. */
bool reeve_domains_resume(reeve_text name, reeve_error *error);
/* Sets the balloon target, bytes, clamped to the domain's maximum. Needs `domain:configure`. */
bool reeve_domains_set_memory(reeve_text name, uint64_t target, reeve_error *error);

#endif
