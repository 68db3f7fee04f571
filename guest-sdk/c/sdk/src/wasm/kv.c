/* `reeve:kv/store`: values that outlive a call. */
#include "glue.h"

bool reeve_kv_get(reeve_text key, reeve_text *out, reeve_error *error) {
    bindings_string_t asked = to_string(key);
    bindings_option_list_u8_t value;
    reeve_kv_store_error_t failed;
    if (!reeve_kv_store_get(&asked, &value, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = value.is_some ? (reeve_text){value.val.len == 0 ? "" : (const char *)value.val.ptr, value.val.len} : REEVE_NONE;
    return true;
}

bool reeve_kv_set(reeve_text key, reeve_text value, reeve_error *error) {
    bindings_string_t asked = to_string(key);
    bindings_list_u8_t bytes = {(uint8_t *)value.bytes, value.length};
    reeve_kv_store_error_t failed;
    if (!reeve_kv_store_set(&asked, &bytes, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    return true;
}

bool reeve_kv_delete(reeve_text key, bool *existed, reeve_error *error) {
    bindings_string_t asked = to_string(key);
    bool was_there = false;
    reeve_kv_store_error_t failed;
    if (!reeve_kv_store_delete(&asked, &was_there, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    if (existed != NULL) {
        *existed = was_there;
    }
    return true;
}

bool reeve_kv_keys(reeve_text prefix, reeve_texts *out, reeve_error *error) {
    bindings_string_t asked = to_string(prefix);
    bindings_list_string_t keys;
    reeve_kv_store_error_t failed;
    if (!reeve_kv_store_keys(&asked, &keys, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = reeve_from_strings(keys);
    return true;
}
