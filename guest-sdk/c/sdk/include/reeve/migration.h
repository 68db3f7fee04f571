/* Guests that move to another host: what guards and strategies are told, and what a strategy answers. */
#ifndef REEVE_MIGRATION_H
#define REEVE_MIGRATION_H

#include "reeve/storage.h"

/* One end of the journey. */
typedef struct reeve_peer {
    /* Name of the host. */
    reeve_text name;
    /* Version of its daemon, e.g. `1.4.0`. */
    reeve_text version;
} reeve_peer;

/* A journey from host to host. */
typedef struct reeve_journey {
    /* Names the migration on both hosts. */
    reeve_text id;
    /* Where the guest runs. */
    reeve_peer source;
    /* Where it goes. */
    reeve_peer destination;
    /* Both ends are daemons of the same machine: a path means the same file to both. */
    bool same_machine;
    /* How the ends talk: `unix`, `tcp` or `tls`. */
    reeve_text transport;
    /* The operator asked for it whatever may be unsafe. */
    bool unchecked;
    /* A definition stays at the destination. */
    bool persistent;
} reeve_journey;

/* How the content of a disk gets to the destination. */
typedef enum reeve_way {
    /* It does not: the destination opens the same storage, which both hosts must see. */
    REEVE_WAY_SHARED,
    /* All that the disk shows goes along with the guest. */
    REEVE_WAY_COPIED,
    /* What the active image has itself goes along; its backing file is at the destination. */
    REEVE_WAY_COPIED_ABOVE_BACKING,
} reeve_way;

/* How the host caches what the guest writes. A document that says nothing means writeback. */
typedef enum reeve_cache_mode {
    REEVE_CACHED_NONE,
    REEVE_CACHED_WRITETHROUGH,
    REEVE_CACHED_WRITEBACK,
    REEVE_CACHED_DIRECTSYNC,
    REEVE_CACHED_UNSAFE,
} reeve_cache_mode;

/* A disk of a guest that moves. */
typedef struct reeve_migrated_disk {
    /* Its target, e.g. `vda`. */
    reeve_text target;
    /* What it is to the guest: `disk`, `cdrom`, `floppy` or `lun`. */
    reeve_text device;
    /* Type of its source: `file`, `block`, `volume` or another word of the document. */
    reeve_text source;
    /* File or device node that has it; optional. */
    reeve_text path;
    /* Pool and name of a volume; optional. */
    reeve_text pool;
    reeve_text volume;
    /* Format of its image; none means `raw`. */
    reeve_text format;
    /* What the guest sees, bytes; none where the source does not tell. */
    reeve_optional capacity;
    /* What its active image takes of the source's storage, bytes; none where the source does not tell. */
    reeve_optional allocation;
    /* Kind of the file system that has its file on the source, e.g. `nfs`; optional. */
    reeve_text file_system;
    /* The guest can't write it. */
    bool readonly;
    /* Several domains may have it. */
    bool shareable;
    /* How the host caches it. */
    reeve_cache_mode cache;
    /* Another host that opens the same storage sees all that was written. */
    bool coherent;
    /* How its content gets to the destination. */
    reeve_way way;
    /* The backing file that the destination must have; of REEVE_WAY_COPIED_ABOVE_BACKING only. */
    reeve_text backing;
} reeve_migrated_disk;

/* Disks in the order of the document. */
typedef struct reeve_migrated_disks {
    reeve_migrated_disk *items;
    size_t count;
} reeve_migrated_disks;

/* The disks of the guest that a hook of migrations is asked about: of the document that the hook looks at, those of a strategy of the domain as it
 * runs. Only policies whose manifest names such a hook have it; there are none in their other hooks. */
reeve_migrated_disks reeve_migration_disks(void);

/* What both hosts offer. */
typedef struct reeve_capabilities {
    /* Pages may be compressed. */
    bool compression;
    /* Most streams that pages may come over; 1 is one. */
    uint16_t streams;
    /* The guest may go on at the destination before all of its memory is there. */
    bool post_copy;
} reeve_capabilities;

/* What the operator allows. The host holds to it whatever a strategy says. */
typedef struct reeve_migration_limits {
    /* Microseconds that the guest may stand still, as far as that can be foreseen. */
    uint64_t max_downtime_us;
    /* Bytes a second while the guest runs; none is as many as the connection takes. */
    reeve_optional bandwidth;
    /* Most hundredths of its time that the guest may lose; 0 never holds it back. */
    uint8_t max_throttle;
    /* Rounds after which the guest stays where it is. */
    uint32_t max_rounds;
} reeve_migration_limits;

/* How a migration begins. */
typedef struct reeve_migration_plan {
    /* Microseconds that the guest may stand still; at most the operator's limit. */
    uint64_t max_downtime_us;
    /* Compress pages. */
    bool compress;
    /* Streams that pages go over, from 1. */
    uint16_t streams;
} reeve_migration_plan;

/* What one round did, and what it left. */
typedef struct reeve_round {
    /* Number of the round, from 1. */
    uint32_t number;
    /* Microseconds since the migration began. */
    uint64_t elapsed_us;
    /* Microseconds that the round took. */
    uint64_t duration_us;
    /* Pages that were sent in it, zeros included. A page has 4096 bytes. */
    uint64_t pages;
    /* Those of them that were zero. */
    uint64_t zero_pages;
    /* Bytes that went over the connection in it. */
    uint64_t sent;
    /* Pages that the guest wrote meanwhile: what the next round sends. */
    uint64_t dirty_pages;
    /* Bytes a second that the connection took. */
    uint64_t bandwidth;
    /* Microseconds that the guest would stand still if this were the last round. */
    uint64_t expected_downtime_us;
    /* The limit for that, by the strategy or the operator, whichever is lower. */
    uint64_t max_downtime_us;
    /* Hundredths of its time that the guest loses. */
    uint8_t throttle;
    /* Pages are compressed. */
    bool compressed;
    /* Streams that pages go over. */
    uint16_t streams;
} reeve_round;

/* All that a strategy decides on. */
typedef struct reeve_progress {
    /* What both hosts offer. */
    reeve_capabilities capabilities;
    /* What the operator allows now; it may change while the guest moves. */
    reeve_migration_limits limits;
    /* The last rounds, at most 16, the newest last. */
    const reeve_round *rounds;
    size_t round_count;
} reeve_progress;

/* Kinds of what comes next. */
typedef enum reeve_step_kind {
    /* Another round. */
    REEVE_STEP_CONTINUE,
    /* Another round, with the guest kept from running for `number` hundredths of its time; cut at the operator's limit. */
    REEVE_STEP_THROTTLE,
    /* Another limit, `number` microseconds, for the time that the guest stands still; cut at the operator's limit. */
    REEVE_STEP_SET_MAX_DOWNTIME,
    /* Compressed from now on, where both hosts can, then another round. */
    REEVE_STEP_COMPRESS,
    /* `number` more streams, as far as both hosts can, then another round. */
    REEVE_STEP_ADD_STREAMS,
    /* The guest goes on at the destination; another round where that is not offered. */
    REEVE_STEP_SWITCH_TO_POST_COPY,
    /* The guest stands still and the rest is sent; another round where that would take longer than the operator allows. */
    REEVE_STEP_STOP_AND_COPY,
    /* It ends, and the guest stays where it is, for the reason `text`: one sentence, of which the host keeps 1024 bytes. */
    REEVE_STEP_ABORT,
} reeve_step_kind;

/* What comes after a round. A zero is another round; the functions below make the others. */
typedef struct reeve_step {
    reeve_step_kind kind;
    uint64_t number;
    reeve_text text;
} reeve_step;

/* Another round. */
static inline reeve_step reeve_step_continue(void) { return (reeve_step){.kind = REEVE_STEP_CONTINUE}; }
/* Another round, with the guest kept from running for that many hundredths of its time. */
static inline reeve_step reeve_step_throttle(uint8_t percent) {
    return (reeve_step){.kind = REEVE_STEP_THROTTLE, .number = percent};
}
/* Another limit for the time that the guest stands still, microseconds. */
static inline reeve_step reeve_step_set_max_downtime(uint64_t us) {
    return (reeve_step){.kind = REEVE_STEP_SET_MAX_DOWNTIME, .number = us};
}
/* Compressed from now on. */
static inline reeve_step reeve_step_compress(void) { return (reeve_step){.kind = REEVE_STEP_COMPRESS}; }
/* So many more streams. */
static inline reeve_step reeve_step_add_streams(uint16_t more) {
    return (reeve_step){.kind = REEVE_STEP_ADD_STREAMS, .number = more};
}
/* The guest goes on at the destination, which fetches what it misses. */
static inline reeve_step reeve_step_switch_to_post_copy(void) { return (reeve_step){.kind = REEVE_STEP_SWITCH_TO_POST_COPY}; }
/* The guest stands still and the rest is sent. */
static inline reeve_step reeve_step_stop_and_copy(void) { return (reeve_step){.kind = REEVE_STEP_STOP_AND_COPY}; }
/* It ends, for this reason; reeve_format makes one. */
static inline reeve_step reeve_step_abort(reeve_text reason) {
    return (reeve_step){.kind = REEVE_STEP_ABORT, .text = reason};
}

#endif
