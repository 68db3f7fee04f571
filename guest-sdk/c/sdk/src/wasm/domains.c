/* `reeve:domain/domains`: the domains of this host. */
#include "glue.h"

/* The answer of a call without a value. */
static bool done(bool good, reeve_types_errors_error_t failed, reeve_error *error) {
    if (!good) {
        *error = reeve_from_error(failed);
    }
    return good;
}

bool reeve_domains_list(reeve_summaries *out, reeve_error *error) {
    reeve_domain_domains_list_summary_t list;
    reeve_domain_domains_error_t failed;
    if (!reeve_domain_domains_list(&list, &failed)) {
        return done(false, failed, error);
    }
    out->count = list.len;
    out->items = reeve_allocate(list.len, sizeof(reeve_summary));
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = (reeve_summary){
            .uuid = from_string(list.ptr[i].uuid),
            .name = from_string(list.ptr[i].name),
            .state = (reeve_state)list.ptr[i].state,
            .persistent = list.ptr[i].persistent,
            .autostart = list.ptr[i].autostart,
        };
    }
    return true;
}

bool reeve_domains_get(reeve_text name, reeve_domain *out, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_own_domain_config_t own;
    reeve_domain_domains_error_t failed;
    if (!reeve_domain_domains_get(&asked, &own, &failed)) {
        return done(false, failed, error);
    }
    out->handle = own.__handle;
    return true;
}

bool reeve_domains_committed(reeve_text except, reeve_commitment *out, reeve_error *error) {
    bindings_string_t uuid = to_string(except);
    reeve_domain_domains_commitment_t commitment;
    reeve_domain_domains_error_t failed;
    if (!reeve_domain_domains_committed(reeve_is_some(except) ? &uuid : NULL, &commitment, &failed)) {
        return done(false, failed, error);
    }
    *out = (reeve_commitment){commitment.active, commitment.memory, commitment.vcpus};
    return true;
}

bool reeve_domains_start(reeve_text name, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_start(&asked, &failed), failed, error);
}

bool reeve_domains_shutdown(reeve_text name, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_shutdown(&asked, &failed), failed, error);
}

bool reeve_domains_destroy(reeve_text name, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_destroy(&asked, &failed), failed, error);
}

bool reeve_domains_suspend(reeve_text name, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_suspend(&asked, &failed), failed, error);
}

bool reeve_domains_resume(reeve_text name, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_resume(&asked, &failed), failed, error);
}

bool reeve_domains_set_memory(reeve_text name, uint64_t target, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_domain_domains_error_t failed;
    return done(reeve_domain_domains_set_memory(&asked, target, &failed), failed, error);
}
