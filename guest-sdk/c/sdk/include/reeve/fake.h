/* Tests of a policy on the machine you sit at, without Wasm and without a host: compile the policy, the .c files of sdk/src
 * and of sdk/native with the test, and call the hook's function.
 *
 *     reeve_fake_domain small = {.name = REEVE_TEXT("tiny"), .memory = 64 << 20};
 *     reeve_context ctx = reeve_fake_context("{}");
 *     REEVE_CHECK(domain_define(&ctx, reeve_fake(&small)).kind == REEVE_DENY);
 */
#ifndef REEVE_FAKE_H
#define REEVE_FAKE_H

#include "reeve.h"

/* A domain as a test makes it. What is not said is zero, and none where it is optional. */
typedef struct reeve_fake_domain {
    reeve_text name;
    reeve_text uuid;
    reeve_state state;
    reeve_text title;
    reeve_text type;
    uint64_t memory;
    uint64_t current_memory;
    uint32_t vcpus;
    uint32_t current_vcpus;
    bool mergeable;
    reeve_text kernel;
    reeve_text cmdline;
    reeve_disks disks;
    reeve_interfaces interfaces;
    const reeve_balloon *balloon;
    uint32_t rng_count;
    reeve_text metadata;
    reeve_text xml;
} reeve_fake_domain;

/* What the host answers. Set it before the hook is called. */
typedef struct reeve_fake_host {
    reeve_host_info info;
    reeve_host_memory memory;
    reeve_ksm ksm;
    reeve_commitment committed;
    reeve_summaries domains;
    reeve_networks networks;
    /* What is plugged into the networks, by `network`. */
    reeve_ports ports;
    /* What the DHCP server of every network gave out. */
    reeve_leases leases;
    /* What passed every port. */
    reeve_counters counters;
    reeve_pools pools;
    /* Volumes of any pool; a change is remembered and not made. */
    reeve_volumes volumes;
    /* Disks of the guest that moves. */
    reeve_migrated_disks migrated_disks;
    uint64_t now;
    uint64_t monotonic;
    /* When its message is some, every call that can fail does so with it. */
    reeve_error failure;
    /* The calls that would have changed something, one line each: `start web-1`. */
    reeve_texts calls;
} reeve_fake_host;

/* The host of the test. */
extern reeve_fake_host reeve_the_host;

/* A domain to hand to a hook; `domain` must live as long. At most 64 in one test program. */
reeve_domain reeve_fake(const reeve_fake_domain *domain);

/* The context of a call by the daemon, with this configuration. */
reeve_context reeve_fake_context(const char *config);

/* The first failed check of a program ends it with status 1 and its place. */
#define REEVE_CHECK(condition) reeve_check((condition), #condition, __FILE__, __LINE__)
void reeve_check(bool good, const char *condition, const char *file, int line);

#endif
