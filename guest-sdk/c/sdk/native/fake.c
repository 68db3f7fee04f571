/* The host of a test. */
#include "reeve/fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/write.h"

#define DOMAINS_MAX 64
#define KEYS_MAX 64

reeve_fake_host reeve_the_host;

static const reeve_fake_domain *domains[DOMAINS_MAX];
static int32_t domain_count;

static struct {
    reeve_text key, value;
} store[KEYS_MAX];
static size_t key_count;

void reeve_check(bool good, const char *condition, const char *file, int line) {
    if (!good) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
        exit(1);
    }
}

reeve_domain reeve_fake(const reeve_fake_domain *domain) {
    reeve_check(domain_count < DOMAINS_MAX, "a test has at most 64 domains", __FILE__, __LINE__);
    domains[domain_count] = domain;
    return (reeve_domain){domain_count++};
}

reeve_context reeve_fake_context(const char *config) {
    return (reeve_context){
        .call_id = REEVE_TEXT("test"), .actor = REEVE_ACTOR_DAEMON, .config = reeve_text_of(config), .attempt = 1
    };
}

static const reeve_fake_domain *of(reeve_domain domain) { return domains[domain.handle]; }

reeve_text reeve_domain_name(reeve_domain domain) { return of(domain)->name; }
reeve_text reeve_domain_uuid(reeve_domain domain) { return of(domain)->uuid; }
reeve_state reeve_domain_state(reeve_domain domain) { return of(domain)->state; }
reeve_text reeve_domain_title(reeve_domain domain) { return of(domain)->title; }
reeve_text reeve_domain_type(reeve_domain domain) { return of(domain)->type; }
uint64_t reeve_domain_memory(reeve_domain domain) { return of(domain)->memory; }
uint64_t reeve_domain_current_memory(reeve_domain domain) { return of(domain)->current_memory; }
uint32_t reeve_domain_vcpus(reeve_domain domain) { return of(domain)->vcpus; }
uint32_t reeve_domain_current_vcpus(reeve_domain domain) { return of(domain)->current_vcpus; }
bool reeve_domain_mergeable(reeve_domain domain) { return of(domain)->mergeable; }
reeve_text reeve_domain_kernel(reeve_domain domain) { return of(domain)->kernel; }
reeve_text reeve_domain_cmdline(reeve_domain domain) { return of(domain)->cmdline; }
reeve_disks reeve_domain_disks(reeve_domain domain) { return of(domain)->disks; }
reeve_interfaces reeve_domain_interfaces(reeve_domain domain) { return of(domain)->interfaces; }
uint32_t reeve_domain_rng_count(reeve_domain domain) { return of(domain)->rng_count; }
reeve_text reeve_domain_metadata(reeve_domain domain) { return of(domain)->metadata; }
reeve_text reeve_domain_xml(reeve_domain domain) { return of(domain)->xml; }

bool reeve_domain_balloon(reeve_domain domain, reeve_balloon *out) {
    const reeve_balloon *balloon = of(domain)->balloon;
    if (balloon != NULL && out != NULL) {
        *out = *balloon;
    }
    return balloon != NULL;
}

/* True when the test lets a call succeed. */
static bool succeeds(reeve_error *error) {
    if (reeve_is_some(reeve_the_host.failure.message)) {
        *error = reeve_the_host.failure;
        error->message = reeve_format("the host answered: " REEVE_S, REEVE_ARG(error->message));
        return false;
    }
    return true;
}

/* What the host answers where there is no such thing. */
static bool lacks(reeve_error *error, const char *kind, reeve_text name) {
    reeve_text message = reeve_format("the host answered: there is no %s '" REEVE_S "'", kind, REEVE_ARG(name));
    *error = (reeve_error){REEVE_NOT_FOUND, message};
    return false;
}

/* Remembers a call that would have changed something. */
static bool change(reeve_error *error, const char *verb, reeve_text name) {
    if (!succeeds(error)) {
        return false;
    }
    reeve_texts calls = {reeve_allocate(reeve_the_host.calls.count + 1, sizeof(reeve_text)), reeve_the_host.calls.count + 1};
    for (size_t i = 0; i + 1 < calls.count; i++) {
        calls.items[i] = reeve_the_host.calls.items[i];
    }
    calls.items[calls.count - 1] = reeve_format("%s " REEVE_S, verb, REEVE_ARG(name));
    reeve_the_host.calls = calls;
    return true;
}

bool reeve_domains_list(reeve_summaries *out, reeve_error *error) {
    *out = reeve_the_host.domains;
    return succeeds(error);
}

bool reeve_domains_get(reeve_text name, reeve_domain *out, reeve_error *error) {
    if (!succeeds(error)) {
        return false;
    }
    for (int32_t i = 0; i < domain_count; i++) {
        if (reeve_equal(domains[i]->name, name) || reeve_equal(domains[i]->uuid, name)) {
            *out = (reeve_domain){i};
            return true;
        }
    }
    return lacks(error, "domain", name);
}

bool reeve_domains_committed(reeve_text except, reeve_commitment *out, reeve_error *error) {
    (void)except;
    *out = reeve_the_host.committed;
    return succeeds(error);
}

bool reeve_domains_start(reeve_text name, reeve_error *error) { return change(error, "start", name); }
bool reeve_domains_shutdown(reeve_text name, reeve_error *error) { return change(error, "shutdown", name); }
bool reeve_domains_destroy(reeve_text name, reeve_error *error) { return change(error, "destroy", name); }
bool reeve_domains_suspend(reeve_text name, reeve_error *error) { return change(error, "suspend", name); }
bool reeve_domains_resume(reeve_text name, reeve_error *error) { return change(error, "resume", name); }

bool reeve_domains_set_memory(reeve_text name, uint64_t target, reeve_error *error) {
    return change(error, "set-memory", reeve_format(REEVE_S " %llu", REEVE_ARG(name), (unsigned long long)target));
}

bool reeve_networks_list(reeve_networks *out, reeve_error *error) {
    *out = reeve_the_host.networks;
    return succeeds(error);
}

bool reeve_networks_get(reeve_text name, reeve_network *out, reeve_error *error) {
    if (!succeeds(error)) {
        return false;
    }
    for (size_t i = 0; i < reeve_the_host.networks.count; i++) {
        if (reeve_equal(reeve_the_host.networks.items[i].name, name)) {
            *out = reeve_the_host.networks.items[i];
            return true;
        }
    }
    return lacks(error, "network", name);
}

bool reeve_networks_ports(reeve_text network, reeve_ports *out, reeve_error *error) {
    reeve_network of;
    if (!reeve_networks_get(network, &of, error)) {
        return false;
    }
    *out = (reeve_ports){reeve_allocate(reeve_the_host.ports.count, sizeof(reeve_port)), 0};
    for (size_t i = 0; i < reeve_the_host.ports.count; i++) {
        if (reeve_equal(reeve_the_host.ports.items[i].network, network)) {
            out->items[out->count++] = reeve_the_host.ports.items[i];
        }
    }
    return true;
}

bool reeve_networks_leases(reeve_text network, reeve_leases *out, reeve_error *error) {
    reeve_network of;
    *out = reeve_the_host.leases;
    return reeve_networks_get(network, &of, error);
}

bool reeve_networks_port_counters(reeve_text network, reeve_text link, reeve_counters *out, reeve_error *error) {
    reeve_ports ports;
    if (!reeve_networks_ports(network, &ports, error)) {
        return false;
    }
    for (size_t i = 0; i < ports.count; i++) {
        if (reeve_equal(ports.items[i].link, link)) {
            *out = reeve_the_host.counters;
            return true;
        }
    }
    return lacks(error, "port", link);
}

reeve_migrated_disks reeve_migration_disks(void) { return reeve_the_host.migrated_disks; }

bool reeve_pools_list(reeve_pools *out, reeve_error *error) {
    *out = reeve_the_host.pools;
    return succeeds(error);
}

bool reeve_pools_get(reeve_text name, reeve_pool *out, reeve_error *error) {
    if (!succeeds(error)) {
        return false;
    }
    for (size_t i = 0; i < reeve_the_host.pools.count; i++) {
        if (reeve_equal(reeve_the_host.pools.items[i].name, name)) {
            *out = reeve_the_host.pools.items[i];
            return true;
        }
    }
    return lacks(error, "pool", name);
}

bool reeve_volumes_list(reeve_text pool, reeve_volumes *out, reeve_error *error) {
    *out = (reeve_volumes){reeve_allocate(reeve_the_host.volumes.count, sizeof(reeve_volume)), 0};
    for (size_t i = 0; i < reeve_the_host.volumes.count; i++) {
        if (reeve_equal(reeve_the_host.volumes.items[i].pool, pool)) {
            out->items[out->count++] = reeve_the_host.volumes.items[i];
        }
    }
    return succeeds(error);
}

bool reeve_volumes_get(reeve_text pool, reeve_text name, reeve_volume *out, reeve_error *error) {
    reeve_volumes all;
    if (!reeve_volumes_list(pool, &all, error)) {
        return false;
    }
    for (size_t i = 0; i < all.count; i++) {
        if (reeve_equal(all.items[i].name, name)) {
            *out = all.items[i];
            return true;
        }
    }
    return lacks(error, "volume", name);
}

/* A volume that would have been made. */
static reeve_volume made(reeve_text pool, reeve_text name, uint64_t capacity) {
    return (reeve_volume){
        .name = name, .pool = pool, .format = REEVE_TEXT("raw"), .capacity = capacity, .complete = true
    };
}

bool reeve_volumes_create(reeve_text pool, const reeve_new_volume *wanted, reeve_volume *out, reeve_error *error) {
    *out = made(pool, wanted->name, wanted->capacity);
    return change(error, "create", reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(pool), REEVE_ARG(wanted->name)));
}

bool reeve_volumes_copy(reeve_text pool, reeve_text source, reeve_text name, reeve_volume *out, reeve_error *error) {
    if (!reeve_volumes_get(pool, source, out, error)) {
        return false;
    }
    *out = made(pool, name, out->capacity);
    return change(error, "copy", reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(pool), REEVE_ARG(name)));
}

bool reeve_volumes_resize(
    reeve_text pool, reeve_text name, uint64_t capacity, bool shrink, reeve_volume *out, reeve_error *error
) {
    if (!reeve_volumes_get(pool, name, out, error)) {
        return false;
    }
    if (capacity < out->capacity && !shrink) {
        *error = (reeve_error){REEVE_INVALID, REEVE_TEXT("the host answered: it would become smaller")};
        return false;
    }
    out->capacity = capacity;
    return change(error, "resize", reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(pool), REEVE_ARG(name)));
}

bool reeve_volumes_delete(reeve_text pool, reeve_text name, reeve_error *error) {
    reeve_volume volume;
    return reeve_volumes_get(pool, name, &volume, error)
        && change(error, "delete", reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(pool), REEVE_ARG(name)));
}

/* The volumes of tests hold zeroes. */
bool reeve_volumes_read(
    reeve_text pool, reeve_text name, uint64_t offset, uint32_t length, reeve_text *out, reeve_error *error
) {
    reeve_volume volume;
    if (!reeve_volumes_get(pool, name, &volume, error)) {
        return false;
    }
    uint64_t rest = offset < volume.capacity ? volume.capacity - offset : 0;
    size_t count = rest < length ? (size_t)rest : length;
    count = count < 1 << 20 ? count : 1 << 20;
    *out = (reeve_text){reeve_allocate(count, 1), count};
    return true;
}

bool reeve_volumes_write(reeve_text pool, reeve_text name, uint64_t offset, reeve_text data, reeve_error *error) {
    (void)offset, (void)data;
    reeve_volume volume;
    return reeve_volumes_get(pool, name, &volume, error)
        && change(error, "write", reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(pool), REEVE_ARG(name)));
}

bool reeve_host_get_info(reeve_host_info *out, reeve_error *error) {
    *out = reeve_the_host.info;
    return succeeds(error);
}

bool reeve_host_get_memory(reeve_host_memory *out, reeve_error *error) {
    *out = reeve_the_host.memory;
    return succeeds(error);
}

bool reeve_host_get_ksm(reeve_ksm *out, reeve_error *error) {
    *out = reeve_the_host.ksm;
    return succeeds(error);
}

uint64_t reeve_now(void) { return reeve_the_host.now; }
uint64_t reeve_monotonic(void) { return reeve_the_host.monotonic; }

bool reeve_pause(uint32_t milliseconds, reeve_error *error) {
    reeve_the_host.now += milliseconds;
    reeve_the_host.monotonic += (uint64_t)milliseconds * 1000000;
    return succeeds(error);
}

/* Where a key is, or where it would be put. */
static size_t place_of(reeve_text key) {
    size_t i = 0;
    while (i < key_count && !reeve_equal(store[i].key, key)) {
        i++;
    }
    return i;
}

bool reeve_kv_get(reeve_text key, reeve_text *out, reeve_error *error) {
    size_t place = place_of(key);
    *out = place < key_count ? store[place].value : REEVE_NONE;
    return succeeds(error);
}

bool reeve_kv_set(reeve_text key, reeve_text value, reeve_error *error) {
    size_t place = place_of(key);
    if (!succeeds(error)) {
        return false;
    }
    if (place == KEYS_MAX) {
        *error = (reeve_error){REEVE_DENIED, REEVE_TEXT("the host answered: the store is full")};
        return false;
    }
    key_count += place == key_count;
    store[place].key = reeve_format(REEVE_S, REEVE_ARG(key));
    store[place].value = reeve_format(REEVE_S, REEVE_ARG(value));
    return true;
}

bool reeve_kv_delete(reeve_text key, bool *existed, reeve_error *error) {
    size_t place = place_of(key);
    if (!succeeds(error)) {
        return false;
    }
    if (existed != NULL) {
        *existed = place < key_count;
    }
    if (place < key_count) {
        store[place] = store[--key_count];
    }
    return true;
}

static int by_bytes(const void *a, const void *b) {
    const reeve_text *one = a, *other = b;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->bytes, other->bytes, shorter);
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

bool reeve_kv_keys(reeve_text prefix, reeve_texts *out, reeve_error *error) {
    *out = (reeve_texts){reeve_allocate(key_count, sizeof(reeve_text)), 0};
    for (size_t i = 0; i < key_count; i++) {
        if (reeve_starts_with(store[i].key, prefix)) {
            out->items[out->count++] = store[i].key;
        }
    }
    qsort(out->items, out->count, sizeof(reeve_text), by_bytes);
    return succeeds(error);
}

static void write_line(const char *level, const char *format, va_list arguments) {
    reeve_text line = reeve_write(format, arguments);
    fprintf(stderr, "%s: " REEVE_S "\n", level, REEVE_ARG(line));
}

#define LEVEL(name)                                \
    void reeve_log_##name(const char *format, ...) { \
        va_list arguments;                         \
        va_start(arguments, format);               \
        write_line(#name, format, arguments);      \
        va_end(arguments);                         \
    }

LEVEL(debug)
LEVEL(info)
LEVEL(warn)
LEVEL(error)
