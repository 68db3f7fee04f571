/* A guard to start from: it refuses domains with too little memory. */
#include "reeve.h"

#include <inttypes.h>

/* What the operator may set; every key has a default, and a typo is an error. */
typedef struct config {
    /* Least memory of a domain, MiB. */
    uint64_t min_memory_mib;
} config;

static const reeve_key keys[] = {
    REEVE_NUMBER(config, min_memory_mib, "min-memory-mib"),
};

reeve_answer domain_define(const reeve_context *ctx, reeve_domain domain) {
    config config = {.min_memory_mib = 128};
    reeve_error error;
    if (!REEVE_CONFIG(ctx, keys, &config, &error)) {
        return reeve_fail_with(error);
    }
    uint64_t mib = reeve_domain_memory(domain) >> 20;
    if (mib < config.min_memory_mib) {
        return reeve_deny(
            "%" PRIu64 " MiB of memory; at least %" PRIu64 " MiB are needed", mib, config.min_memory_mib
        );
    }
    return reeve_allow();
}
