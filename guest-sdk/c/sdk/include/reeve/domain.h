/* A domain's configuration, read piece by piece: each function is one call into the host. */
#ifndef REEVE_DOMAIN_H
#define REEVE_DOMAIN_H

#include "reeve/context.h"

/* What a domain is doing. */
typedef enum reeve_state {
    REEVE_RUNNING,
    REEVE_IDLE,
    REEVE_PAUSED,
    REEVE_IN_SHUTDOWN,
    REEVE_SHUT_OFF,
    REEVE_CRASHED,
    REEVE_PM_SUSPENDED,
} reeve_state;

/* One disk. Optional texts are none when the document does not say. */
typedef struct reeve_disk {
    /* Target name, e.g. `vda`. */
    reeve_text target;
    /* `disk`, `cdrom`, `floppy` or `lun`. */
    reeve_text device;
    /* Path of the image or block device; optional. */
    reeve_text source;
    /* `raw`, `qcow2`…; optional. */
    reeve_text format;
    /* Cache mode; optional. */
    reeve_text cache;
    /* Bus, e.g. `virtio`; optional. */
    reeve_text bus;
    /* True when the guest may not write. */
    bool readonly;
    /* True when several domains may write. */
    bool shareable;
} reeve_disk;

/* Disks in document order. */
typedef struct reeve_disks {
    reeve_disk *items;
    size_t count;
} reeve_disks;

/* One attribute of an interface's source. */
typedef struct reeve_attribute {
    reeve_text name;
    reeve_text value;
} reeve_attribute;

/* One network interface. */
typedef struct reeve_interface {
    /* `ethernet`, `bridge`, `network`, `direct`… */
    reeve_text kind;
    /* Attributes of `<source>`. */
    reeve_attribute *source;
    size_t source_count;
    /* MAC address, lower case with colons; optional. */
    reeve_text mac;
    /* Name of the host's tap; optional. */
    reeve_text target;
    /* `virtio`, …; optional. */
    reeve_text model;
} reeve_interface;

/* Interfaces in document order. */
typedef struct reeve_interfaces {
    reeve_interface *items;
    size_t count;
} reeve_interfaces;

/* A memory balloon. */
typedef struct reeve_balloon {
    /* `virtio` or `none`. */
    reeve_text model;
    /* True when it reports statistics, every `stats_period` seconds. */
    bool has_stats_period;
    uint32_t stats_period;
} reeve_balloon;

/* A snapshot of one domain's configuration; it does not change while a hook looks at it. */
typedef struct reeve_domain {
    int32_t handle;
} reeve_domain;

/* Unique name. */
reeve_text reeve_domain_name(reeve_domain domain);
/* UUID, lower case with dashes. */
reeve_text reeve_domain_uuid(reeve_domain domain);
/* State when the hook was called. */
reeve_state reeve_domain_state(reeve_domain domain);
/* Title; optional. */
reeve_text reeve_domain_title(reeve_domain domain);
/* Driver it asks for: `kvm`, `sim` or another word. */
reeve_text reeve_domain_type(reeve_domain domain);
/* Memory at boot and at most, bytes. */
uint64_t reeve_domain_memory(reeve_domain domain);
/* Memory after the balloon took its share, bytes. */
uint64_t reeve_domain_current_memory(reeve_domain domain);
/* vCPUs at most. */
uint32_t reeve_domain_vcpus(reeve_domain domain);
/* vCPUs at boot. */
uint32_t reeve_domain_current_vcpus(reeve_domain domain);
/* True when the host may merge this guest's pages. */
bool reeve_domain_mergeable(reeve_domain domain);
/* Path of the kernel; optional. */
reeve_text reeve_domain_kernel(reeve_domain domain);
/* Kernel command line; optional. */
reeve_text reeve_domain_cmdline(reeve_domain domain);
/* All disks. */
reeve_disks reeve_domain_disks(reeve_domain domain);
/* All interfaces. */
reeve_interfaces reeve_domain_interfaces(reeve_domain domain);
/* The memory balloon; false when the document does not say. `out` may be NULL. */
bool reeve_domain_balloon(reeve_domain domain, reeve_balloon *out);
/* Number of random-number devices. */
uint32_t reeve_domain_rng_count(reeve_domain domain);
/* `<metadata>` as XML text of the whole element; optional. */
reeve_text reeve_domain_metadata(reeve_domain domain);
/* The whole document in canonical form. Far dearer than the other functions. */
reeve_text reeve_domain_xml(reeve_domain domain);

#endif
