/* The hooks: write the functions you want, with exactly these names, and name the same hooks in `policy.toml`. A hook that the
 * manifest names and the policy lacks is an error of the linker; a function the manifest does not name is never called. */
#ifndef REEVE_HOOKS_H
#define REEVE_HOOKS_H

#include "reeve/answer.h"
#include "reeve/domain.h"
#include "reeve/filter.h"
#include "reeve/host.h"
#include "reeve/migration.h"
#include "reeve/networks.h"
#include "reeve/rules.h"
#include "reeve/storage.h"

/* What happened to a domain. */
typedef enum reeve_domain_change {
    REEVE_DOMAIN_DEFINED,
    REEVE_DOMAIN_UNDEFINED,
    REEVE_DOMAIN_STARTED,
    REEVE_DOMAIN_SUSPENDED,
    REEVE_DOMAIN_RESUMED,
    REEVE_DOMAIN_SHUTDOWN_REQUESTED,
    REEVE_DOMAIN_REBOOTED,
    REEVE_DOMAIN_STOPPED,
    REEVE_DOMAIN_RELEASED,
    REEVE_DOMAIN_CRASHED,
    REEVE_DOMAIN_RECONNECTED,
    REEVE_DOMAIN_DEVICE_ATTACHED,
    REEVE_DOMAIN_DEVICE_DETACHED,
    REEVE_DOMAIN_CHANGED,
} reeve_domain_change;

/* One event of a domain's life. */
typedef struct reeve_domain_event {
    /* Position on the event bus; it grows. */
    uint64_t seq;
    reeve_text uuid;
    reeve_text name;
    reeve_domain_change change;
    /* Its state afterwards. */
    reeve_state state;
    /* Why it is in that state, e.g. `booted`. */
    reeve_text reason;
} reeve_domain_event;

/* What happened to the daemon. */
typedef enum reeve_daemon_change {
    REEVE_DAEMON_STARTED,
    REEVE_DAEMON_STOPPING,
    REEVE_DAEMON_RELOADED,
} reeve_daemon_change;

/* Why a KSM tuner is asked. */
typedef enum reeve_wake {
    REEVE_WAKE_INTERVAL,
    REEVE_WAKE_DOMAINS_CHANGED,
} reeve_wake;

/* What a KSM tuner decides on; all of one moment. */
typedef struct reeve_ksm_snapshot {
    reeve_host_memory memory;
    reeve_ksm ksm;
    /* Sum of the maximum memory of all active domains that may be merged, bytes. */
    uint64_t committed;
    uint32_t active_domains;
    reeve_wake wake;
} reeve_ksm_snapshot;

/* Kinds of a KSM tuner's changes. */
typedef enum reeve_adjustment_kind {
    /* 0 stop, 1 run, 2 stop and unmerge all pages. */
    REEVE_ADJUST_RUN,
    /* 1 to 1000000. */
    REEVE_ADJUST_PAGES_TO_SCAN,
    /* 1 to 10000. */
    REEVE_ADJUST_SLEEP_MILLISECS,
} reeve_adjustment_kind;

/* One change of a KSM tuner. */
typedef struct reeve_adjustment {
    reeve_adjustment_kind kind;
    uint64_t value;
} reeve_adjustment;

/* A tick's changes: one of each kind at most. */
typedef struct reeve_adjustments {
    reeve_adjustment items[3];
    size_t count;
} reeve_adjustments;

/* Why a task runs. */
typedef enum reeve_occasion_kind {
    /* Somebody asked for it, with `arguments`. */
    REEVE_OCCASION_MANUAL,
    /* Its schedule: `due`, `catch_up`. */
    REEVE_OCCASION_SCHEDULE,
    /* An event of a domain: `domain`. */
    REEVE_OCCASION_DOMAIN,
    /* An event of the daemon: `daemon`. */
    REEVE_OCCASION_DAEMON,
} reeve_occasion_kind;

/* Why a task runs, with what belongs to it; the other members are zero. */
typedef struct reeve_occasion {
    reeve_occasion_kind kind;
    reeve_texts arguments;
    /* When the run was due, milliseconds since the Unix epoch. */
    uint64_t due;
    /* True when the daemon was down at that moment. */
    bool catch_up;
    reeve_domain_event domain;
    reeve_daemon_change daemon;
} reeve_occasion;

/* What happened to a network, to what is plugged into it, or to a packet filter. */
typedef enum reeve_network_change {
    REEVE_NETWORK_DEFINED,
    REEVE_NETWORK_UNDEFINED,
    REEVE_NETWORK_STARTED,
    REEVE_NETWORK_STOPPED,
    /* A section of a network was changed, or its autostart. */
    REEVE_NETWORK_UPDATED,
    /* An interface of a domain was plugged in; `detail` is its link. */
    REEVE_NETWORK_PORT_PLUGGED,
    /* An interface of a domain was unplugged; `detail` is its link. */
    REEVE_NETWORK_PORT_UNPLUGGED,
    /* A guest got or renewed an address; `detail` is the address. */
    REEVE_NETWORK_LEASE_ACQUIRED,
    /* A lease ended; `detail` is the address. */
    REEVE_NETWORK_LEASE_EXPIRED,
    /* The network's DHCP and DNS server ended and was started again. */
    REEVE_NETWORK_SERVICE_RESTARTED,
    /* A packet filter was defined, replaced or removed, or could not be put in force; `name` is the filter. */
    REEVE_NETWORK_FILTER_CHANGED,
} reeve_network_change;

/* One event of networks. */
typedef struct reeve_network_event {
    /* Identity of the network or filter. */
    reeve_text uuid;
    /* Its name. */
    reeve_text name;
    reeve_network_change change;
    /* More of it; may be empty. */
    reeve_text detail;
} reeve_network_event;

/* What happened to a storage pool or its volumes. */
typedef enum reeve_storage_change {
    REEVE_POOL_DEFINED,
    REEVE_POOL_UNDEFINED,
    /* The source of a pool was made. */
    REEVE_POOL_BUILT,
    /* The daemon starts a pool by itself from now on, or not any more. */
    REEVE_POOL_UPDATED,
    REEVE_POOL_STARTED,
    REEVE_POOL_STOPPED,
    /* The source of a pool was removed. */
    REEVE_POOL_DELETED,
    /* The volumes of a pool were read again. */
    REEVE_POOL_REFRESHED,
    /* Little of a pool is free; `detail` is how many bytes. */
    REEVE_POOL_LOW_SPACE,
    /* Of these `detail` is the name of the volume. */
    REEVE_VOLUME_CREATED,
    REEVE_VOLUME_DELETED,
    REEVE_VOLUME_RESIZED,
    REEVE_VOLUME_WIPED,
    REEVE_VOLUME_WRITTEN,
} reeve_storage_change;

/* One event of a storage pool. */
typedef struct reeve_storage_event {
    reeve_text uuid;
    /* Name of the pool. */
    reeve_text name;
    reeve_storage_change change;
    /* More of it; may be empty. */
    reeve_text detail;
} reeve_storage_event;

/* `domain-define`: a definition is added or replaced. A rewrite changes what is stored. */
reeve_answer domain_define(const reeve_context *ctx, reeve_domain domain);
/* `domain-prepare`: a domain is about to start. A rewrite changes the configuration of this run only. */
reeve_answer domain_prepare(const reeve_context *ctx, reeve_domain domain);
/* `domain-start`: the last word before a machine is made. Rewrites are refused. */
reeve_answer domain_start(const reeve_context *ctx, reeve_domain domain);
/* `domain-stop`: somebody asks to stop it; `forced` for destroy and reset. Rewrites are refused. */
reeve_answer domain_stop(const reeve_context *ctx, reeve_domain domain, bool forced);
/* `migrate-out`: a domain is about to move to another host. A rewrite changes the document that the destination gets. */
reeve_answer migrate_out(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey);
/* `migrate-in`: a domain is about to come from another host. A rewrite changes the document that it runs by here. */
reeve_answer migrate_in(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey);
/* `migration-strategy` has three functions. Whether a migration may begin: reeve_allow, reeve_deny or reeve_fail. A policy that lacks it
 * objects to none. */
reeve_answer migration_precheck(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey);
/* How it begins. `plan` holds the operator's limit for the time that the guest stands still, and one stream; a policy that lacks the
 * function leaves it at that. */
reeve_reply migration_plan(
    const reeve_context *ctx, const reeve_capabilities *offered, const reeve_migration_limits *limits, const reeve_journey *journey,
    reeve_migration_plan *plan
);
/* What comes after a round, the last of `now->rounds`. `step` is another round before. */
reeve_reply migration_step(const reeve_context *ctx, const reeve_progress *now, reeve_step *step);
/* `device-attach`: `device` (XML text) is about to be plugged. Rewrites are refused. */
reeve_answer device_attach(const reeve_context *ctx, reeve_domain domain, reeve_text device);
/* `device-detach`: `device` (XML text) is about to be unplugged. Rewrites are refused. */
reeve_answer device_detach(const reeve_context *ctx, reeve_domain domain, reeve_text device);
/* `domain-events`: something happened to a domain; calls for one domain come in order. */
reeve_reply domain_events(const reeve_context *ctx, const reeve_domain_event *event);
/* `daemon-events`: the daemon started, stops or reloaded. */
reeve_reply daemon_events(const reeve_context *ctx, reeve_daemon_change change);
/* `mac-allocate`: a MAC address for interface `interface` (from 0), not among `taken`; `seed` is random. */
reeve_reply mac_allocate(const reeve_context *ctx, reeve_domain domain, uint32_t interface, reeve_texts taken, uint64_t seed);
/* `ksm-tune`: samepage merging; nothing in `out` changes nothing. */
reeve_reply ksm_tune(const reeve_context *ctx, const reeve_ksm_snapshot *now, reeve_adjustments *out);
/* `task`: one run; the answer is a summary of one line. */
reeve_reply task(const reeve_context *ctx, const reeve_occasion *why);
/* `network-start`: a virtual network is about to start; `xml` is its document. Rewrites are refused. */
reeve_answer network_start(const reeve_context *ctx, const reeve_network *network, reeve_text xml);
/* `network-stop`: somebody asks to stop a virtual network. Rewrites are refused. */
reeve_answer network_stop(const reeve_context *ctx, const reeve_network *network);
/* `port-plug`: an interface of a domain is about to be plugged. Rewrites are refused. */
reeve_answer port_plug(const reeve_context *ctx, reeve_domain domain, const reeve_port *port);
/* `network-events`: something happened to a network or to a packet filter; calls for one of them come in order. */
reeve_reply network_events(const reeve_context *ctx, const reeve_network_event *event);
/* `filter-generate`: the packet rules of an interface, from its filter and all that it refers to. */
reeve_reply filter_generate(const reeve_context *ctx, const reeve_subject *interface, reeve_filters filters, reeve_rules *out);
/* `pool-start`: a storage pool is about to start; `xml` is its document. Rewrites are refused. */
reeve_answer pool_start(const reeve_context *ctx, const reeve_pool *pool, reeve_text xml);
/* `volume-create`: a volume is about to be made or copied. It answers with reeve_allow, reeve_deny or reeve_fail; what it writes into
 * `changes` before a reeve_allow changes the document. */
reeve_answer volume_create(
    const reeve_context *ctx, const reeve_pool *pool, const reeve_volume_plan *plan, reeve_volume_changes *changes
);
/* `volume-resize`: a volume is about to get another capacity, bytes. Rewrites are refused. */
reeve_answer volume_resize(const reeve_context *ctx, const reeve_pool *pool, const reeve_volume *volume, uint64_t capacity);
/* `volume-delete`: a volume is about to be deleted. Rewrites are refused. */
reeve_answer volume_delete(const reeve_context *ctx, const reeve_pool *pool, const reeve_volume *volume);
/* `storage-events`: something happened to a storage pool or its volumes; calls for one pool come in order. */
reeve_reply storage_events(const reeve_context *ctx, const reeve_storage_event *event);
/* `clone-name`: the name of a clone that nobody named, none of those that are taken. */
reeve_reply clone_name(const reeve_context *ctx, const reeve_clone_request *clone);

#endif
