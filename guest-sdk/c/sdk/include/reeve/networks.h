/* The virtual networks of this host, to read. Every function needs the grant `network:read`; a network outside the grant's subjects is
 * REEVE_NOT_FOUND. All return false and fill `error` in on failure. */
#ifndef REEVE_NETWORKS_H
#define REEVE_NETWORKS_H

#include "reeve/context.h"

/* How guests reach what is outside of their network. */
typedef enum reeve_mode {
    REEVE_MODE_ISOLATED,
    REEVE_MODE_NAT,
    REEVE_MODE_ROUTE,
    REEVE_MODE_OPEN,
    REEVE_MODE_BRIDGE,
    REEVE_MODE_PRIVATE,
    REEVE_MODE_VEPA,
    REEVE_MODE_PASSTHROUGH,
    REEVE_MODE_HOSTDEV,
} reeve_mode;

/* One network. */
typedef struct reeve_network {
    reeve_text uuid;
    /* Unique name. */
    reeve_text name;
    reeve_mode mode;
    /* True while it runs. */
    bool active;
    /* True when a definition is kept after it stops. */
    bool persistent;
    /* True when the daemon starts it by itself. */
    bool autostart;
    /* Name of its bridge; optional. */
    reeve_text bridge;
    /* Addresses of the host in it, with the prefix, e.g. `192.168.122.1/24`. */
    reeve_texts addresses;
    /* Interfaces of running domains that are plugged into it. */
    uint32_t connections;
} reeve_network;

/* Networks by name. */
typedef struct reeve_networks {
    reeve_network *items;
    size_t count;
} reeve_networks;

/* An interface of a running domain. */
typedef struct reeve_port {
    /* Name of the domain. */
    reeve_text domain;
    /* MAC address, lower case with colons. */
    reeve_text mac;
    /* Name of the tap or macvtap on the host. */
    reeve_text link;
    /* Name of the network; none for a bridge or device of the host. */
    reeve_text network;
    /* Name of the packet filter; optional. */
    reeve_text filter;
    /* Addresses of the guest that the host knows. */
    reeve_texts addresses;
} reeve_port;

/* Ports of one network. */
typedef struct reeve_ports {
    reeve_port *items;
    size_t count;
} reeve_ports;

/* An address that a network's DHCP server gave out. */
typedef struct reeve_lease {
    /* Hardware address; none where the client did not show it. */
    reeve_text mac;
    reeve_text ip;
    /* Name that the guest gave; optional. */
    reeve_text hostname;
    /* True when it ends, at `expires`, milliseconds since the Unix epoch. */
    bool has_expires;
    uint64_t expires;
} reeve_lease;

/* Leases of one network. */
typedef struct reeve_leases {
    reeve_lease *items;
    size_t count;
} reeve_leases;

/* What passed a port since it was plugged, seen from the guest. */
typedef struct reeve_counters {
    uint64_t received_bytes;
    uint64_t received_packets;
    uint64_t received_dropped;
    uint64_t sent_bytes;
    uint64_t sent_packets;
    uint64_t sent_dropped;
} reeve_counters;

/* All networks by name. */
bool reeve_networks_list(reeve_networks *out, reeve_error *error);
/* One network by name. */
bool reeve_networks_get(reeve_text name, reeve_network *out, reeve_error *error);
/* Ports of one network. */
bool reeve_networks_ports(reeve_text network, reeve_ports *out, reeve_error *error);
/* Leases of one network that have not expired. */
bool reeve_networks_leases(reeve_text network, reeve_leases *out, reeve_error *error);
/* Counters of a port of one network, by its link. */
bool reeve_networks_port_counters(reeve_text network, reeve_text link, reeve_counters *out, reeve_error *error);

#endif
