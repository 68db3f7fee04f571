/* `reeve:network/networks`: the virtual networks of this host. */
#include "glue.h"

_Static_assert(REEVE_MODE_HOSTDEV == REEVE_NETWORK_NETWORKS_MODE_HOSTDEV, "the modes are in the contract's order");

reeve_network reeve_from_network(const reeve_network_networks_network_t *network) {
    return (reeve_network){
        .uuid = from_string(network->uuid),
        .name = from_string(network->name),
        .mode = (reeve_mode)network->mode,
        .active = network->active,
        .persistent = network->persistent,
        .autostart = network->autostart,
        .bridge = from_option(network->bridge),
        .addresses = reeve_from_strings(network->addresses),
        .connections = network->connections,
    };
}

reeve_port reeve_from_port(const reeve_network_networks_port_t *port) {
    return (reeve_port){
        .domain = from_string(port->domain),
        .mac = from_string(port->mac),
        .link = from_string(port->link),
        .network = from_option(port->network),
        .filter = from_option(port->filter),
        .addresses = reeve_from_strings(port->addresses),
    };
}

bool reeve_networks_list(reeve_networks *out, reeve_error *error) {
    reeve_network_networks_list_network_t list;
    reeve_network_networks_error_t failed;
    if (!reeve_network_networks_list(&list, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_networks){reeve_allocate(list.len, sizeof(reeve_network)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = reeve_from_network(&list.ptr[i]);
    }
    return true;
}

bool reeve_networks_get(reeve_text name, reeve_network *out, reeve_error *error) {
    bindings_string_t asked = to_string(name);
    reeve_network_networks_network_t network;
    reeve_network_networks_error_t failed;
    if (!reeve_network_networks_get(&asked, &network, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = reeve_from_network(&network);
    return true;
}

bool reeve_networks_ports(reeve_text network, reeve_ports *out, reeve_error *error) {
    bindings_string_t asked = to_string(network);
    reeve_network_networks_list_port_t list;
    reeve_network_networks_error_t failed;
    if (!reeve_network_networks_ports(&asked, &list, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_ports){reeve_allocate(list.len, sizeof(reeve_port)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = reeve_from_port(&list.ptr[i]);
    }
    return true;
}

bool reeve_networks_leases(reeve_text network, reeve_leases *out, reeve_error *error) {
    bindings_string_t asked = to_string(network);
    reeve_network_networks_list_lease_t list;
    reeve_network_networks_error_t failed;
    if (!reeve_network_networks_leases(&asked, &list, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_leases){reeve_allocate(list.len, sizeof(reeve_lease)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        out->items[i] = (reeve_lease){
            .mac = from_option(list.ptr[i].mac),
            .ip = from_string(list.ptr[i].ip),
            .hostname = from_option(list.ptr[i].hostname),
            .has_expires = list.ptr[i].expires.is_some,
            .expires = list.ptr[i].expires.is_some ? list.ptr[i].expires.val : 0,
        };
    }
    return true;
}

bool reeve_networks_port_counters(reeve_text network, reeve_text link, reeve_counters *out, reeve_error *error) {
    bindings_string_t asked = to_string(network), port = to_string(link);
    reeve_network_networks_counters_t counters;
    reeve_network_networks_error_t failed;
    if (!reeve_network_networks_port_counters(&asked, &port, &counters, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    *out = (reeve_counters){
        .received_bytes = counters.received_bytes,
        .received_packets = counters.received_packets,
        .received_dropped = counters.received_dropped,
        .sent_bytes = counters.sent_bytes,
        .sent_packets = counters.sent_packets,
        .sent_dropped = counters.sent_dropped,
    };
    return true;
}
