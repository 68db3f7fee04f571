/* The circumstances of one call. */
#ifndef REEVE_CONTEXT_H
#define REEVE_CONTEXT_H

#include "reeve/text.h"

/* Who caused a call. */
typedef enum reeve_actor_kind {
    /* A client of the API; `client` is its user id. */
    REEVE_ACTOR_CLIENT,
    /* Another policy; `policy` is its name. */
    REEVE_ACTOR_POLICY,
    /* The daemon itself: autostart, recovery, crash handling. */
    REEVE_ACTOR_DAEMON,
} reeve_actor_kind;

/* What a hook is told about its call. */
typedef struct reeve_context {
    /* Identifies this call in the decision log; unique per daemon. */
    reeve_text call_id;
    /* When the verb began, milliseconds since the Unix epoch, UTC. */
    uint64_t time;
    /* On whose behalf the verb runs. */
    reeve_actor_kind actor;
    /* User id of a client. */
    uint32_t client;
    /* Name of a policy. */
    reeve_text policy;
    /* The operator's configuration as JSON text; read it with reeve_config. */
    reeve_text config;
    /* 1 for the first call for this event; higher when a notify hook is tried again. */
    uint32_t attempt;
} reeve_context;

/* Kinds of host errors; the same as those of the HTTP API. Match on these, never on the message. */
typedef enum reeve_code {
    REEVE_NOT_FOUND,
    REEVE_ALREADY_EXISTS,
    REEVE_DENIED,
    REEVE_INVALID,
    REEVE_WRONG_STATE,
    REEVE_BUSY,
    REEVE_UNSUPPORTED,
    REEVE_DEADLINE,
    REEVE_INTERNAL,
} reeve_code;

/* Why a host call failed, or a configuration cannot be read. */
typedef struct reeve_error {
    reeve_code code;
    /* One sentence that names the subject. */
    reeve_text message;
} reeve_error;

#endif
