//! The one trait of a policy.

use crate::domain::DomainConfig;
use crate::events::{DaemonChange, DomainEvent};
use crate::migration::{Capabilities, Journey, Limits, MigrationPlan, Progress, Step};
use crate::networks::{Network, NetworkEvent, Port};
use crate::storage::{CloneRequest, Pool, StorageEvent, Volume, VolumeDecision, VolumePlan, VolumeVerdict};
use crate::{Adjustment, Context, Decision, Failure, KsmSnapshot, Occasion, allow, filter};

/// Answers to hooks. Write the ones you want and name them in [`policy!`](crate::policy); a hook that is not named there is not
/// exported and never asked, so the default bodies only keep a policy short.
pub trait Policy {
    /// Guard: a definition is added or replaced; a rewrite changes what is stored.
    fn domain_define(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }

    /// Guard: a domain is about to start; a rewrite changes the effective configuration of this run only.
    fn domain_prepare(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }

    /// Guard: the last word before the machine is made; the configuration is settled. Rewrites are refused.
    fn domain_start(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }

    /// Guard: somebody asks to stop it; `forced` for destroy and reset. Rewrites are refused.
    fn domain_stop(_ctx: &Context, _domain: &DomainConfig, _forced: bool) -> Decision {
        allow()
    }

    /// Guard: a domain is about to move to another host; a rewrite changes the document that the destination gets.
    fn migrate_out(_ctx: &Context, _domain: &DomainConfig, _journey: &Journey) -> Decision {
        allow()
    }

    /// Guard: a domain is about to come from another host; a rewrite changes the document that it runs by here.
    fn migrate_in(_ctx: &Context, _domain: &DomainConfig, _journey: &Journey) -> Decision {
        allow()
    }

    /// Guard: a device (XML text) is about to be plugged. Rewrites are refused.
    fn device_attach(_ctx: &Context, _domain: &DomainConfig, _device: &str) -> Decision {
        allow()
    }

    /// Guard: a device (XML text) is about to be unplugged. Rewrites are refused.
    fn device_detach(_ctx: &Context, _domain: &DomainConfig, _device: &str) -> Decision {
        allow()
    }

    /// Guard: a virtual network is about to start; `xml` is its document. Rewrites are refused.
    fn network_start(_ctx: &Context, _network: &Network, _xml: &str) -> Decision {
        allow()
    }

    /// Guard: somebody asks to stop a virtual network. Rewrites are refused.
    fn network_stop(_ctx: &Context, _network: &Network) -> Decision {
        allow()
    }

    /// Guard: an interface of a domain is about to be plugged. Rewrites are refused.
    fn port_plug(_ctx: &Context, _domain: &DomainConfig, _port: &Port) -> Decision {
        allow()
    }

    /// Guard: a storage pool is about to start; `xml` is its document. Rewrites are refused.
    fn pool_start(_ctx: &Context, _pool: &Pool, _xml: &str) -> Decision {
        allow()
    }

    /// Guard: a volume is about to be made or copied; a rewrite changes its document.
    fn volume_create(_ctx: &Context, _pool: &Pool, _plan: &VolumePlan) -> VolumeDecision {
        Ok(VolumeVerdict::Allow)
    }

    /// Guard: a volume is about to get another capacity, bytes. Rewrites are refused.
    fn volume_resize(_ctx: &Context, _pool: &Pool, _volume: &Volume, _capacity: u64) -> Decision {
        allow()
    }

    /// Guard: a volume is about to be deleted. Rewrites are refused.
    fn volume_delete(_ctx: &Context, _pool: &Pool, _volume: &Volume) -> Decision {
        allow()
    }

    /// Notify: something happened to a storage pool or its volumes; calls for one pool come in order.
    fn storage_events(_ctx: &Context, _event: &StorageEvent) -> Result<(), Failure> {
        Ok(())
    }

    /// Notify: something happened to a network, to what is plugged into it, or to a packet filter; calls for one come in order.
    fn network_events(_ctx: &Context, _event: &NetworkEvent) -> Result<(), Failure> {
        Ok(())
    }

    /// Notify: something happened to a domain; calls for one domain come in order.
    fn domain_events(_ctx: &Context, _event: &DomainEvent) -> Result<(), Failure> {
        Ok(())
    }

    /// Notify: the daemon started, stops or reloaded.
    fn daemon_events(_ctx: &Context, _change: DaemonChange) -> Result<(), Failure> {
        Ok(())
    }

    /// Propose: a MAC address for interface `interface` (from 0) of `domain`, not among `taken`; `seed` is random.
    fn mac_allocate(
        _ctx: &Context,
        _domain: &DomainConfig,
        _interface: u32,
        _taken: &[String],
        _seed: u64,
    ) -> Result<String, Failure> {
        Err(Failure { message: "this policy allocates no MAC addresses".into() })
    }

    /// Propose: the packet rules of an interface from its filter, the first of `filters`, and all that it refers to.
    fn filter_generate(
        _ctx: &Context,
        _interface: &filter::Subject,
        _filters: &[filter::Filter],
    ) -> Result<filter::Rules, Failure> {
        Err(Failure { message: "this policy generates no packet rules".into() })
    }

    /// Propose: the name of a clone that nobody named, none of those that are taken.
    fn clone_name(_ctx: &Context, _clone: &CloneRequest) -> Result<String, Failure> {
        Err(Failure { message: "this policy names no clones".into() })
    }

    /// Propose, of the hook `migration_strategy`: none when a migration may begin, or one sentence why not.
    fn migration_precheck(
        _ctx: &Context,
        _domain: &DomainConfig,
        _journey: &Journey,
    ) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// Propose, of the hook `migration_strategy`: how a migration begins, within the operator's limits.
    fn migration_plan(
        _ctx: &Context,
        _offered: &Capabilities,
        limits: &Limits,
        _journey: &Journey,
    ) -> Result<MigrationPlan, Failure> {
        Ok(MigrationPlan { max_downtime_us: limits.max_downtime_us, compress: false, streams: 1 })
    }

    /// Propose, of the hook `migration_strategy`: what comes after a round, the last of `now.rounds`.
    fn migration_step(_ctx: &Context, _now: &Progress) -> Result<Step, Failure> {
        Err(Failure { message: "this policy steers no migrations".into() })
    }

    /// Tune: kernel samepage merging; an empty list changes nothing.
    fn ksm_tune(_ctx: &Context, _now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        Ok(Vec::new())
    }

    /// Task: a run by hand, on a schedule or on an event; the answer is one line on what was done.
    fn task(_ctx: &Context, _why: &Occasion) -> Result<String, Failure> {
        Err(Failure { message: "this policy has no task".into() })
    }
}
