/* Values that outlive a call, kept by the host for this policy alone. Needs the grant `kv:use`; its `max-bytes` is the quota. */
#ifndef REEVE_KV_H
#define REEVE_KV_H

#include "reeve/context.h"

/* The value of a key (1 to 256 bytes); none when it was never set. */
bool reeve_kv_get(reeve_text key, reeve_text *out, reeve_error *error);
/* Sets a value. Over the quota it fails with REEVE_DENIED and nothing changes. */
bool reeve_kv_set(reeve_text key, reeve_text value, reeve_error *error);
/* Removes a key; `existed` (may be NULL) says whether it was there. */
bool reeve_kv_delete(reeve_text key, bool *existed, reeve_error *error);
/* Keys that begin with `prefix`, in byte order, at most 1000. */
bool reeve_kv_keys(reeve_text prefix, reeve_texts *out, reeve_error *error);

#endif
