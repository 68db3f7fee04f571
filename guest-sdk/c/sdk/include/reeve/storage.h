/* Storage pools and the volumes of those that run. Subjects of every grant are pools; the grant stands beside each function. All return
 * false and fill `error` in on failure. What changes something is for notify hooks, tuners and tasks. */
#ifndef REEVE_STORAGE_H
#define REEVE_STORAGE_H

#include "reeve/context.h"

/* A number that may not be there. */
typedef struct reeve_optional {
    bool is_some;
    uint64_t value;
} reeve_optional;

/* One storage pool. */
typedef struct reeve_pool {
    reeve_text uuid;
    /* Unique name. */
    reeve_text name;
    /* What it is made of: `dir`, `fs`, `disk`… */
    reeve_text kind;
    /* True while it runs. */
    bool active;
    /* True when a definition is kept after it stops. */
    bool persistent;
    /* True when the daemon starts it by itself. */
    bool autostart;
    /* Directory of its volumes; optional. */
    reeve_text path;
    /* True when the three sizes below are known: while it runs. */
    bool has_space;
    /* What it can hold, bytes. */
    uint64_t capacity;
    /* What is taken, bytes. */
    uint64_t allocation;
    /* What is free, bytes. */
    uint64_t available;
    /* How many volumes it has. */
    uint32_t volumes;
} reeve_pool;

/* Pools by name. */
typedef struct reeve_pools {
    reeve_pool *items;
    size_t count;
} reeve_pools;

/* One volume. */
typedef struct reeve_volume {
    /* Name within its pool. */
    reeve_text name;
    /* Name of its pool. */
    reeve_text pool;
    /* Unique on the host. */
    reeve_text key;
    /* Where it is on the host; empty while it is being made. */
    reeve_text path;
    /* Format of the image: `raw`, `qcow2`… */
    reeve_text format;
    /* What a guest sees, bytes; while it is resized, the larger of two. */
    uint64_t capacity;
    /* What it takes of its pool, bytes. */
    uint64_t allocation;
    /* The image below an overlay; optional. */
    reeve_text backing;
    /* When it was made, or else last changed, milliseconds since the Unix epoch. */
    reeve_optional created;
    /* False while it is being made. */
    bool complete;
} reeve_volume;

/* Volumes of one pool. */
typedef struct reeve_volumes {
    reeve_volume *items;
    size_t count;
} reeve_volumes;

/* What reeve_volumes_create makes. */
typedef struct reeve_new_volume {
    reeve_text name;
    uint64_t capacity;
    /* What is taken at once; none preallocates a raw volume whole. */
    reeve_optional allocation;
    /* `raw` or `qcow2`; none is the pool's own. */
    reeve_text format;
} reeve_new_volume;

/* A volume that is about to be made. */
typedef struct reeve_volume_plan {
    reeve_text name;
    /* What a guest will see; none where the host can't tell. */
    reeve_optional capacity;
    /* What is taken at once; none preallocates a raw volume whole. */
    reeve_optional allocation;
    /* Format of the image; optional. */
    reeve_text format;
    /* The image below it; optional. */
    reeve_text backing;
    /* True for a copy of `source`. */
    bool has_source;
    reeve_volume source;
    /* The whole document. */
    reeve_text xml;
} reeve_volume_plan;

/* Changes to the document of a new volume; what is none stays. Begin with `reeve_volume_changes changes = {0};`. */
typedef struct reeve_volume_changes {
    reeve_text name;
    reeve_optional capacity;
    reeve_optional allocation;
} reeve_volume_changes;

/* What is cloned. */
typedef enum reeve_cloned {
    REEVE_CLONED_DOMAIN,
    REEVE_CLONED_VOLUME,
} reeve_cloned;

/* A clone that nobody named. */
typedef struct reeve_clone_request {
    reeve_cloned kind;
    /* Name of the original. */
    reeve_text source;
    /* Pool of a volume; none of a domain. */
    reeve_text pool;
    /* Names that are taken. */
    reeve_texts taken;
} reeve_clone_request;

/* All pools by name. Needs `pool:read`. */
bool reeve_pools_list(reeve_pools *out, reeve_error *error);
/* One pool by name. Needs `pool:read`. */
bool reeve_pools_get(reeve_text name, reeve_pool *out, reeve_error *error);
/* All volumes of a pool, those that are being made among them. Needs `volume:read`. */
bool reeve_volumes_list(reeve_text pool, reeve_volumes *out, reeve_error *error);
/* One volume, looked at now. Needs `volume:read`. */
bool reeve_volumes_get(reeve_text pool, reeve_text name, reeve_volume *out, reeve_error *error);
/* Makes a volume of zeroes. Needs `volume:create`. */
bool reeve_volumes_create(reeve_text pool, const reeve_new_volume *wanted, reeve_volume *out, reeve_error *error);
/* Copies a volume in the same pool. Needs `volume:create` and `volume:download`. */
bool reeve_volumes_copy(reeve_text pool, reeve_text source, reeve_text name, reeve_volume *out, reeve_error *error);
/* Gives a volume another capacity; a smaller one only with `shrink`. Needs `volume:change`. */
bool reeve_volumes_resize(
    reeve_text pool, reeve_text name, uint64_t capacity, bool shrink, reeve_volume *out, reeve_error *error
);
/* Deletes a volume. Needs `volume:delete`. */
bool reeve_volumes_delete(reeve_text pool, reeve_text name, reeve_error *error);
/* Reads what a volume holds from `offset` on, `length` bytes and 1 MiB at most; `out` may hold any bytes. Needs `volume:download`. */
bool reeve_volumes_read(
    reeve_text pool, reeve_text name, uint64_t offset, uint32_t length, reeve_text *out, reeve_error *error
);
/* Writes bytes, at most 1 MiB, into a volume. Needs `volume:change`. */
bool reeve_volumes_write(reeve_text pool, reeve_text name, uint64_t offset, reeve_text data, reeve_error *error);

#endif
