/* Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6). */
#include "reeve.h"

#include <inttypes.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* What the operator may set. */
typedef struct limits {
    /* Committed guest memory may be so many times the memory the host can give. */
    double memory_overcommit;
    /* Memory kept for the host, MiB; none is an eighth of the memory, 4 GiB at most (guide 6.1). */
    reeve_optional_number host_reserve_mib;
    /* Whether swap counts as memory the host can give. */
    bool count_swap;
    /* vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most). */
    double vcpus_per_cpu;
    /* Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2). */
    bool guest_within_cpus;
} limits;

static const reeve_key keys[] = {
    REEVE_REAL(limits, memory_overcommit, "memory-overcommit"),
    REEVE_OPTIONAL_NUMBER(limits, host_reserve_mib, "host-reserve-mib"),
    REEVE_BOOL(limits, count_swap, "count-swap"),
    REEVE_REAL(limits, vcpus_per_cpu, "vcpus-per-cpu"),
    REEVE_BOOL(limits, guest_within_cpus, "guest-within-cpus"),
};

/* Sums and products that stop at the largest number. */
static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static uint64_t less(uint64_t a, uint64_t b) { return a < b ? 0 : a - b; }

static uint64_t times(uint64_t a, uint64_t b) { return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b; }

/* A number as a whole one, stopped at 0 and at `most`. */
static uint64_t whole(double value, uint64_t most) {
    if (!(value > 0)) {
        return 0;
    }
    return value >= (double)most ? most : (uint64_t)value;
}

/* Bytes that all guests together may have on a host with this memory and swap. */
static uint64_t allowed_memory(const limits *limits, uint64_t memory, uint64_t swap) {
    uint64_t eighth = memory / 8;
    uint64_t reserve = eighth < 4 * GIB ? eighth : 4 * GIB;
    if (limits->host_reserve_mib.some) {
        reserve = times(limits->host_reserve_mib.value, MIB);
    }
    uint64_t can_give = less(add(memory, limits->count_swap ? swap : 0), reserve);
    return whole((double)can_give * limits->memory_overcommit, UINT64_MAX);
}

reeve_answer domain_prepare(const reeve_context *ctx, reeve_domain domain) {
    limits limits = {.memory_overcommit = 1.5, .count_swap = true, .vcpus_per_cpu = 10, .guest_within_cpus = true};
    reeve_host_info info;
    reeve_host_memory memory;
    reeve_commitment others;
    reeve_error error;
    if (!REEVE_CONFIG(ctx, keys, &limits, &error) || !reeve_host_get_info(&info, &error)
        || !reeve_host_get_memory(&memory, &error)
        || !reeve_domains_committed(reeve_domain_uuid(domain), &others, &error)) {
        return reeve_fail_with(error);
    }

    uint64_t guest_memory = reeve_domain_memory(domain);
    uint32_t vcpus = reeve_domain_vcpus(domain);
    if (limits.guest_within_cpus && vcpus > info.cpus) {
        return reeve_deny("it has %" PRIu32 " vCPUs and the host only %" PRIu32 " CPUs", vcpus, info.cpus);
    }
    uint64_t all_vcpus = add(others.vcpus, vcpus);
    uint64_t wanted_vcpus = all_vcpus < UINT32_MAX ? all_vcpus : UINT32_MAX;
    uint64_t allowed_vcpus = whole(info.cpus * limits.vcpus_per_cpu, UINT32_MAX);
    if (wanted_vcpus > allowed_vcpus) {
        return reeve_deny(
            "the active domains would have %" PRIu64 " vCPUs and this host allows %" PRIu64, wanted_vcpus, allowed_vcpus
        );
    }
    uint64_t wanted = add(others.memory, guest_memory);
    uint64_t allowed = allowed_memory(&limits, memory.total, memory.swap_total);
    if (wanted > allowed) {
        return reeve_deny(
            "the active domains would have %" PRIu64 " MiB of memory and this host allows %" PRIu64 " MiB", wanted / MIB, allowed / MIB
        );
    }
    return reeve_allow();
}
