/* `reeve:domain/config`: the getters of a domain. */
#include "glue.h"

#define METHOD(name) reeve_domain_config_method_domain_config_##name

static reeve_domain_config_borrow_domain_config_t borrow(reeve_domain domain) {
    return (reeve_domain_config_borrow_domain_config_t){domain.handle};
}

reeve_text reeve_domain_name(reeve_domain domain) {
    bindings_string_t text;
    METHOD(name)(borrow(domain), &text);
    return from_string(text);
}

reeve_text reeve_domain_uuid(reeve_domain domain) {
    bindings_string_t text;
    METHOD(uuid)(borrow(domain), &text);
    return from_string(text);
}

reeve_state reeve_domain_state(reeve_domain domain) { return (reeve_state)METHOD(state)(borrow(domain)); }

reeve_text reeve_domain_title(reeve_domain domain) {
    bindings_string_t text;
    return METHOD(title)(borrow(domain), &text) ? from_string(text) : REEVE_NONE;
}

reeve_text reeve_domain_type(reeve_domain domain) {
    bindings_string_t text;
    METHOD(domain_type)(borrow(domain), &text);
    return from_string(text);
}

uint64_t reeve_domain_memory(reeve_domain domain) { return METHOD(memory)(borrow(domain)); }

uint64_t reeve_domain_current_memory(reeve_domain domain) { return METHOD(current_memory)(borrow(domain)); }

uint32_t reeve_domain_vcpus(reeve_domain domain) { return METHOD(vcpus)(borrow(domain)); }

uint32_t reeve_domain_current_vcpus(reeve_domain domain) { return METHOD(current_vcpus)(borrow(domain)); }

bool reeve_domain_mergeable(reeve_domain domain) { return METHOD(mergeable)(borrow(domain)); }

reeve_text reeve_domain_kernel(reeve_domain domain) {
    bindings_string_t text;
    return METHOD(kernel)(borrow(domain), &text) ? from_string(text) : REEVE_NONE;
}

reeve_text reeve_domain_cmdline(reeve_domain domain) {
    bindings_string_t text;
    return METHOD(cmdline)(borrow(domain), &text) ? from_string(text) : REEVE_NONE;
}

reeve_disks reeve_domain_disks(reeve_domain domain) {
    reeve_domain_config_list_disk_t list;
    METHOD(disks)(borrow(domain), &list);
    reeve_disks disks = {reeve_allocate(list.len, sizeof(reeve_disk)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        const reeve_domain_config_disk_t *disk = &list.ptr[i];
        disks.items[i] = (reeve_disk){
            .target = from_string(disk->target),
            .device = from_string(disk->device),
            .source = from_option(disk->source),
            .format = from_option(disk->format),
            .cache = from_option(disk->cache),
            .bus = from_option(disk->bus),
            .readonly = disk->readonly,
            .shareable = disk->shareable,
        };
    }
    return disks;
}

static reeve_interface from_interface(const reeve_domain_config_network_interface_t *from) {
    reeve_interface interface = {
        .kind = from_string(from->kind),
        .source = reeve_allocate(from->source.len, sizeof(reeve_attribute)),
        .source_count = from->source.len,
        .mac = from_option(from->mac),
        .target = from_option(from->target),
        .model = from_option(from->model),
    };
    for (size_t i = 0; i < from->source.len; i++) {
        interface.source[i].name = from_string(from->source.ptr[i].f0);
        interface.source[i].value = from_string(from->source.ptr[i].f1);
    }
    return interface;
}

reeve_interfaces reeve_domain_interfaces(reeve_domain domain) {
    reeve_domain_config_list_network_interface_t list;
    METHOD(interfaces)(borrow(domain), &list);
    reeve_interfaces interfaces = {reeve_allocate(list.len, sizeof(reeve_interface)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        interfaces.items[i] = from_interface(&list.ptr[i]);
    }
    return interfaces;
}

bool reeve_domain_balloon(reeve_domain domain, reeve_balloon *out) {
    reeve_domain_config_balloon_t balloon;
    if (!METHOD(balloon)(borrow(domain), &balloon)) {
        return false;
    }
    if (out != NULL) {
        *out = (reeve_balloon){
            .model = from_string(balloon.model),
            .has_stats_period = balloon.stats_period.is_some,
            .stats_period = balloon.stats_period.is_some ? balloon.stats_period.val : 0,
        };
    }
    return true;
}

uint32_t reeve_domain_rng_count(reeve_domain domain) { return METHOD(rng_count)(borrow(domain)); }

reeve_text reeve_domain_metadata(reeve_domain domain) {
    bindings_string_t text;
    return METHOD(metadata)(borrow(domain), &text) ? from_string(text) : REEVE_NONE;
}

reeve_text reeve_domain_xml(reeve_domain domain) {
    bindings_string_t text;
    METHOD(xml)(borrow(domain), &text);
    return from_string(text);
}
