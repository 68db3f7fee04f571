"""Write Reeve policies in Python.

    from reeve import Context, DomainConfig, Verdict, allow, deny

    def domain_define(ctx: Context, domain: DomainConfig) -> Verdict:
        vcpus = domain.vcpus()
        return allow() if vcpus <= 64 else deny(f"{vcpus} vCPUs; this host allows 64 at most")

A policy is policy.py with a function a hook, called like the hook: `domain_define`, `domain_prepare`, `domain_start`,
`domain_stop`, `device_attach`, `device_detach`, `domain_events`, `daemon_events`, `mac_allocate`, `ksm_tune`, `task`,
`network_start`, `network_stop`, `port_plug`, `network_events`, `filter_generate`, `pool_start`, `volume_create`, `volume_resize`,
`volume_delete`, `storage_events`, `clone_name`, `migrate_out`, `migrate_in`; the hook `migration-strategy` has `migration_step`, and
`migration_precheck` and `migration_plan` where they are wanted. The modules `domains`, `networks`, `pools`, `volumes`, `disks` (of a
guest that moves), `host`, `ksm`, `kv`, `clock`, `timer` and `log` call the host; `packets` makes the rules of `filter_generate`, `migration` the steps of
`migration_step`.
"""

from ._bridge import HostError
from .answer import (
    Failure,
    add_device,
    allow,
    deny,
    ksm_pages_to_scan,
    ksm_run,
    ksm_sleep_millisecs,
    remove_device,
    replace,
    rewrite,
    rewrite_volume,
    set_cmdline,
    set_cpu_shares,
    set_current_memory,
    set_disk_cache,
    set_interface_source,
    set_memory,
    set_metadata,
    set_title,
    set_vcpus,
)
from .config import ConfigError, parse_config, warm
from .contract import (
    Adjustment,
    Change,
    Cloned,
    CloneRequest,
    Code,
    Context,
    DaemonChange,
    Disk,
    DomainChange,
    DomainConfig,
    DomainEvent,
    Edit,
    Filter,
    Journey,
    Lease,
    Mode,
    Network,
    NetworkEvent,
    NetworkInterface,
    NewVolume,
    Occasion,
    Pool,
    Port,
    Rules,
    Snapshot,
    State,
    StorageChange,
    StorageEvent,
    Subject,
    Verdict,
    Volume,
    VolumePlan,
    VolumeVerdict,
)

__all__ = [name for name in globals() if not name.startswith("_")]
