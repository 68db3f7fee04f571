/* `reeve:storage`: the storage pools of this host and their volumes. */
#include "glue.h"

reeve_pool reeve_from_pool(const reeve_storage_pools_pool_t *pool) {
    reeve_pool out = {
        .uuid = from_string(pool->uuid),
        .name = from_string(pool->name),
        .kind = from_string(pool->kind),
        .active = pool->active,
        .persistent = pool->persistent,
        .autostart = pool->autostart,
        .path = from_option(pool->path),
        .has_space = pool->space.is_some,
        .volumes = pool->volumes,
    };
    if (pool->space.is_some) {
        out.capacity = pool->space.val.capacity;
        out.allocation = pool->space.val.allocation;
        out.available = pool->space.val.available;
    }
    return out;
}

reeve_volume reeve_from_volume(const reeve_storage_volumes_volume_t *volume) {
    return (reeve_volume){
        .name = from_string(volume->name),
        .pool = from_string(volume->pool),
        .key = from_string(volume->key),
        .path = from_string(volume->path),
        .format = from_string(volume->format),
        .capacity = volume->capacity,
        .allocation = volume->allocation,
        .backing = from_option(volume->backing),
        .created = FROM_OPTIONAL(volume->created),
        .complete = volume->complete,
    };
}

/* What a call for one volume has come to. */
static bool one(
    bool good,
    const reeve_storage_volumes_volume_t *volume,
    reeve_storage_volumes_error_t failed,
    reeve_volume *out,
    reeve_error *error
) {
    if (good) {
        *out = reeve_from_volume(volume);
    } else {
        *error = reeve_from_error(failed);
    }
    return good;
}

bool reeve_pools_list(reeve_pools *out, reeve_error *error) {
    reeve_storage_pools_list_pool_t list;
    reeve_storage_pools_error_t failed;
    if (!reeve_storage_pools_list(&list, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_pools){reeve_allocate(list.len, sizeof(reeve_pool)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = reeve_from_pool(&list.ptr[i]);
    }
    return true;
}

bool reeve_pools_get(reeve_text name, reeve_pool *out, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_storage_pools_pool_t pool;
    reeve_storage_pools_error_t failed;
    if (!reeve_storage_pools_get(&asked, &pool, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = reeve_from_pool(&pool);
    return true;
}

bool reeve_volumes_list(reeve_text pool, reeve_volumes *out, reeve_error *error) {
    bindings_string_t of = to_string(pool);
    reeve_storage_volumes_list_volume_t list;
    reeve_storage_volumes_error_t failed;
    if (!reeve_storage_volumes_list(&of, &list, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_volumes){reeve_allocate(list.len, sizeof(reeve_volume)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = reeve_from_volume(&list.ptr[i]);
    }
    return true;
}

bool reeve_volumes_get(reeve_text pool, reeve_text name, reeve_volume *out, reeve_error *error) {
    bindings_string_t of = to_string(pool), asked = to_string(name);
    reeve_storage_volumes_volume_t volume;
    reeve_storage_volumes_error_t failed;
    bool good = reeve_storage_volumes_get(&of, &asked, &volume, &failed);
    return one(good, &volume, failed, out, error);
}

bool reeve_volumes_create(reeve_text pool, const reeve_new_volume *wanted, reeve_volume *out, reeve_error *error) {
    bindings_string_t of = to_string(pool);
    reeve_storage_volumes_new_volume_t asked = {
        .name = to_string(wanted->name),
        .capacity = wanted->capacity,
        .allocation = {.is_some = wanted->allocation.is_some, .val = wanted->allocation.value},
        .format = {.is_some = reeve_is_some(wanted->format), .val = to_string(wanted->format)},
    };
    reeve_storage_volumes_volume_t volume;
    reeve_storage_volumes_error_t failed;
    bool good = reeve_storage_volumes_create(&of, &asked, &volume, &failed);
    return one(good, &volume, failed, out, error);
}

bool reeve_volumes_copy(reeve_text pool, reeve_text source, reeve_text name, reeve_volume *out, reeve_error *error) {
    bindings_string_t of = to_string(pool), original = to_string(source), asked = to_string(name);
    reeve_storage_volumes_volume_t volume;
    reeve_storage_volumes_error_t failed;
    bool good = reeve_storage_volumes_copy(&of, &original, &asked, &volume, &failed);
    return one(good, &volume, failed, out, error);
}

bool reeve_volumes_resize(
    reeve_text pool, reeve_text name, uint64_t capacity, bool shrink, reeve_volume *out, reeve_error *error
) {
    bindings_string_t of = to_string(pool), asked = to_string(name);
    reeve_storage_volumes_volume_t volume;
    reeve_storage_volumes_error_t failed;
    bool good = reeve_storage_volumes_resize(&of, &asked, capacity, shrink, &volume, &failed);
    return one(good, &volume, failed, out, error);
}

bool reeve_volumes_delete(reeve_text pool, reeve_text name, reeve_error *error) {
    bindings_string_t of = to_string(pool), asked = to_string(name);
    reeve_storage_volumes_error_t failed;
    if (!reeve_storage_volumes_delete(&of, &asked, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    return true;
}

bool reeve_volumes_read(
    reeve_text pool, reeve_text name, uint64_t offset, uint32_t length, reeve_text *out, reeve_error *error
) {
    bindings_string_t of = to_string(pool), asked = to_string(name);
    bindings_list_u8_t data;
    reeve_storage_volumes_error_t failed;
    if (!reeve_storage_volumes_read(&of, &asked, offset, length, &data, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_text){data.len == 0 ? "" : (const char *)data.ptr, data.len};
    return true;
}

bool reeve_volumes_write(reeve_text pool, reeve_text name, uint64_t offset, reeve_text data, reeve_error *error) {
    bindings_string_t of = to_string(pool), asked = to_string(name);
    bindings_list_u8_t bytes = {(uint8_t *)data.bytes, data.length};
    reeve_storage_volumes_error_t failed;
    if (!reeve_storage_volumes_write(&of, &asked, offset, &bytes, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    return true;
}
