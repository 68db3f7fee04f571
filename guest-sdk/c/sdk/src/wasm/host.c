/* `reeve:node`, `reeve:clock`: the host machine and its clock. */
#include "glue.h"

bool reeve_host_get_info(reeve_host_info *out, reeve_error *error) {
    reeve_node_host_info_t info;
    reeve_node_host_error_t failed;
    if (!reeve_node_host_get_info(&info, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_host_info){from_string(info.hostname), info.cpus, info.memory, info.numa_cells};
    return true;
}

reeve_host_memory reeve_from_memory(const reeve_node_host_memory_t *memory) {
    return (reeve_host_memory){
        .total = memory->total,
        .free = memory->free,
        .available = memory->available,
        .cached = memory->cached,
        .buffers = memory->buffers,
        .swap_total = memory->swap_total,
        .swap_free = memory->swap_free,
    };
}

bool reeve_host_get_memory(reeve_host_memory *out, reeve_error *error) {
    reeve_node_host_memory_t memory;
    reeve_node_host_error_t failed;
    if (!reeve_node_host_get_memory(&memory, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = reeve_from_memory(&memory);
    return true;
}

reeve_ksm reeve_from_ksm(const reeve_node_ksm_ksm_state_t *ksm) {
    return (reeve_ksm){
        .run = ksm->run,
        .pages_to_scan = ksm->pages_to_scan,
        .sleep_millisecs = ksm->sleep_millisecs,
        .has_merge_across_nodes = ksm->merge_across_nodes.is_some,
        .merge_across_nodes = ksm->merge_across_nodes.is_some && ksm->merge_across_nodes.val,
        .pages_shared = ksm->pages_shared,
        .pages_sharing = ksm->pages_sharing,
        .pages_unshared = ksm->pages_unshared,
        .pages_volatile = ksm->pages_volatile,
        .full_scans = ksm->full_scans,
    };
}

bool reeve_host_get_ksm(reeve_ksm *out, reeve_error *error) {
    reeve_node_ksm_ksm_state_t ksm;
    reeve_node_ksm_error_t failed;
    if (!reeve_node_ksm_get(&ksm, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = reeve_from_ksm(&ksm);
    return true;
}

uint64_t reeve_now(void) { return reeve_clock_clock_now(); }

uint64_t reeve_monotonic(void) { return reeve_clock_clock_monotonic(); }
