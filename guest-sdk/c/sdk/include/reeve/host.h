/* The host machine (grant `node:read`), its clock, and waiting. */
#ifndef REEVE_HOST_H
#define REEVE_HOST_H

#include "reeve/context.h"

/* The machine. */
typedef struct reeve_host_info {
    reeve_text hostname;
    /* Online CPUs. */
    uint32_t cpus;
    /* Memory, bytes. */
    uint64_t memory;
    uint32_t numa_cells;
} reeve_host_info;

/* Memory at one moment, bytes. */
typedef struct reeve_host_memory {
    uint64_t total;
    uint64_t free;
    /* What can be had without swapping. */
    uint64_t available;
    /* Page cache. */
    uint64_t cached;
    uint64_t buffers;
    uint64_t swap_total;
    uint64_t swap_free;
} reeve_host_memory;

/* Kernel samepage merging: settings and counters. */
typedef struct reeve_ksm {
    /* 0 stopped, 1 running, 2 stopped and all pages unmerged. */
    uint8_t run;
    /* Pages to scan before ksmd sleeps. */
    uint64_t pages_to_scan;
    /* Milliseconds ksmd sleeps between scans. */
    uint64_t sleep_millisecs;
    /* False where the kernel has no switch to merge across NUMA nodes. */
    bool has_merge_across_nodes;
    bool merge_across_nodes;
    uint64_t pages_shared;
    uint64_t pages_sharing;
    uint64_t pages_unshared;
    uint64_t pages_volatile;
    uint64_t full_scans;
} reeve_ksm;

/* The machine; false and `error` on failure, as everywhere. */
bool reeve_host_get_info(reeve_host_info *out, reeve_error *error);
/* Memory now. */
bool reeve_host_get_memory(reeve_host_memory *out, reeve_error *error);
/* Samepage merging now. */
bool reeve_host_get_ksm(reeve_ksm *out, reeve_error *error);

/* Milliseconds since the Unix epoch, UTC; recorded and replayed with the call. Needs no grant. */
uint64_t reeve_now(void);
/* Nanoseconds on a clock that never goes back. Needs no grant. */
uint64_t reeve_monotonic(void);
/* Waits so many milliseconds, 0 to 60000. Only tasks may wait. */
bool reeve_pause(uint32_t milliseconds, reeve_error *error);

#endif
