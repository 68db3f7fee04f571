/* Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused. */
#include "reeve.h"

/* What the operator may set. */
typedef struct house {
    /* Names must begin with one of these; none allows every name. */
    reeve_texts prefixes;
    /* Cache mode of a writable disk that does not say; empty leaves it open. */
    reeve_text cache;
    /* Whether a domain that does not say gets a memory balloon. */
    bool balloon;
    /* Whether a domain without one gets a random-number device. */
    bool rng;
} house;

static const reeve_key keys[] = {
    REEVE_STRINGS(house, prefixes, "prefixes"),
    REEVE_STRING(house, cache, "cache"),
    REEVE_BOOL(house, balloon, "balloon"),
    REEVE_BOOL(house, rng, "rng"),
};

/* True when the house has no rule for names, or `name` follows it. */
static bool fits(const house *house, reeve_text name) {
    for (size_t i = 0; i < house->prefixes.count; i++) {
        if (reeve_starts_with(name, house->prefixes.items[i])) {
            return true;
        }
    }
    return house->prefixes.count == 0;
}

/* True when the guest may write to it, to a medium that is there. */
static bool is_writable(const reeve_disk *disk) {
    return reeve_equal(disk->device, REEVE_TEXT("disk")) && !disk->readonly && reeve_is_some(disk->source);
}

reeve_answer domain_define(const reeve_context *ctx, reeve_domain domain) {
    house house = {.cache = REEVE_TEXT("none"), .balloon = true, .rng = true};
    reeve_error error;
    if (!REEVE_CONFIG(ctx, keys, &house, &error)) {
        return reeve_fail_with(error);
    }
    reeve_text name = reeve_domain_name(domain);
    if (!fits(&house, name)) {
        reeve_text prefixes = reeve_join(house.prefixes, REEVE_TEXT(", "));
        return reeve_deny("the name '" REEVE_S "' must begin with one of: " REEVE_S, REEVE_ARG(name), REEVE_ARG(prefixes));
    }

    reeve_edits edits = {0};
    reeve_disks disks = reeve_domain_disks(domain);
    for (size_t i = 0; i < disks.count; i++) {
        const reeve_disk *disk = &disks.items[i];
        if (is_writable(disk) && !reeve_is_some(disk->cache) && house.cache.length > 0) {
            reeve_set_disk_cache(&edits, disk->target, house.cache);
        }
    }
    bool has_balloon = reeve_domain_balloon(domain, NULL);
    uint32_t rngs = reeve_domain_rng_count(domain);
    if (house.balloon && !has_balloon) {
        reeve_add_device(&edits, REEVE_TEXT("<memballoon model='virtio'/>"));
    }
    if (house.rng && rngs == 0) {
        reeve_add_device(&edits, REEVE_TEXT("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"));
    }
    return reeve_rewrite(edits);
}
