/* The operator's configuration, read into a struct of the policy's own.
 *
 *     struct limits { uint64_t vcpus; };
 *     static const reeve_key keys[] = {REEVE_NUMBER(struct limits, vcpus, "vcpus")};
 *
 *     struct limits limits = {.vcpus = 64};                       // the defaults
 *     reeve_error error;
 *     if (!REEVE_CONFIG(ctx, keys, &limits, &error)) return reeve_fail_with(error);
 */
#ifndef REEVE_CONFIG_H
#define REEVE_CONFIG_H

#include "reeve/context.h"

/* A whole number that the operator may leave open. */
typedef struct reeve_optional_number {
    bool some;
    uint64_t value;
} reeve_optional_number;

/* Kinds of values. */
typedef enum reeve_key_kind {
    REEVE_KEY_BOOL,
    REEVE_KEY_NUMBER,
    REEVE_KEY_OPTIONAL_NUMBER,
    REEVE_KEY_REAL,
    REEVE_KEY_TEXT,
    REEVE_KEY_TEXTS,
} reeve_key_kind;

/* One key: its name, its kind and where its value goes. */
typedef struct reeve_key {
    const char *name;
    reeve_key_kind kind;
    size_t offset;
} reeve_key;

/* A `bool` member. */
#define REEVE_BOOL(type, member, name) {name, REEVE_KEY_BOOL, offsetof(type, member)}
/* A `uint64_t` member: a whole number, 0 or more. */
#define REEVE_NUMBER(type, member, name) {name, REEVE_KEY_NUMBER, offsetof(type, member)}
/* A `reeve_optional_number` member; `null` is none. */
#define REEVE_OPTIONAL_NUMBER(type, member, name) {name, REEVE_KEY_OPTIONAL_NUMBER, offsetof(type, member)}
/* A `double` member. */
#define REEVE_REAL(type, member, name) {name, REEVE_KEY_REAL, offsetof(type, member)}
/* A `reeve_text` member. */
#define REEVE_STRING(type, member, name) {name, REEVE_KEY_TEXT, offsetof(type, member)}
/* A `reeve_texts` member: a list of strings. */
#define REEVE_STRINGS(type, member, name) {name, REEVE_KEY_TEXTS, offsetof(type, member)}

/* At most this many keys. */
#define REEVE_KEYS_MAX 64

/* Reads JSON text into `out`. Keys that are not there leave their members alone; an unknown or repeated key, a value of another kind
 * and text that is no JSON are errors that name the key, line and column. `out` may be half written then. */
bool reeve_config_read(reeve_text json, const reeve_key *keys, size_t count, void *out, reeve_error *error);

/* The same for the configuration of a call. */
#define REEVE_CONFIG(ctx, keys, out, error) \
    reeve_config_read((ctx)->config, (keys), sizeof(keys) / sizeof((keys)[0]), (out), (error))

#endif
