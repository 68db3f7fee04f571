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
