/* `reeve:migration/disks`. Compiled for policies that answer a hook of migrations; the contract gives it to no others. */
#include "glue.h"

_Static_assert(REEVE_WAY_COPIED_ABOVE_BACKING == REEVE_MIGRATION_DISKS_WAY_COPIED_ABOVE_BACKING, "the ways are in the contract's order");
_Static_assert(REEVE_CACHED_UNSAFE == REEVE_MIGRATION_DISKS_CACHE_MODE_UNSAFE, "the modes are in the contract's order");

reeve_migrated_disks reeve_migration_disks(void) {
    reeve_migration_disks_list_migrated_disk_t list;
    reeve_migration_disks_list(&list);
    reeve_migrated_disks out = {reeve_allocate(list.len, sizeof(reeve_migrated_disk)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        const reeve_migration_disks_migrated_disk_t *disk = &list.ptr[i];
        out.items[i] = (reeve_migrated_disk){
            .target = from_string(disk->target),
            .device = from_string(disk->device),
            .source = from_string(disk->source),
            .path = from_option(disk->path),
            .pool = from_option(disk->pool),
            .volume = from_option(disk->volume),
            .format = from_option(disk->format),
            .capacity = FROM_OPTIONAL(disk->capacity),
            .allocation = FROM_OPTIONAL(disk->allocation),
            .file_system = from_option(disk->file_system),
            .readonly = disk->readonly,
            .shareable = disk->shareable,
            .cache = (reeve_cache_mode)disk->cache,
            .coherent = disk->coherent,
            .way = (reeve_way)disk->way,
            .backing = from_option(disk->backing),
        };
    }
    return out;
}
