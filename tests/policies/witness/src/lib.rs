//! Answers every hook by writing down that it was asked, and as a task calls the functions of the contract and says what it heard.

mod testimony;

use reeve_sdk::filter::ruleset::{Chain, Flow, Layer, Rule, Verdict};
use reeve_sdk::migration::{Journey, Progress, Step, disks};
use reeve_sdk::networks::{Network, NetworkEvent, Port};
use reeve_sdk::prelude::*;
use reeve_sdk::storage::{
    CloneRequest, Pool, StorageEvent, Volume, VolumeChanges, VolumeDecision, VolumePlan,
};

/// The policy.
struct Witness;

impl Policy for Witness {
    fn domain_define(_ctx: &Context, domain: &DomainConfig) -> Decision {
        guarded("domain-define", domain)
    }

    fn domain_prepare(_ctx: &Context, domain: &DomainConfig) -> Decision {
        guarded("domain-prepare", domain)
    }

    fn domain_start(_ctx: &Context, domain: &DomainConfig) -> Decision {
        guarded("domain-start", domain)
    }

    fn domain_stop(_ctx: &Context, domain: &DomainConfig, _forced: bool) -> Decision {
        guarded("domain-stop", domain)
    }

    fn migrate_out(_ctx: &Context, domain: &DomainConfig, _journey: &Journey) -> Decision {
        taken("migrate-out");
        guarded("migrate-out", domain)
    }

    fn migrate_in(_ctx: &Context, domain: &DomainConfig, _journey: &Journey) -> Decision {
        taken("migrate-in");
        guarded("migrate-in", domain)
    }

    fn migration_precheck(
        _ctx: &Context,
        domain: &DomainConfig,
        _journey: &Journey,
    ) -> Result<Option<String>, Failure> {
        taken("migration-strategy");
        heard("migration-strategy", &domain.name());
        Ok(None)
    }

    fn migration_step(_ctx: &Context, now: &Progress) -> Result<Step, Failure> {
        heard("migration-strategy", &format!("{} rounds", now.rounds.len()));
        Ok(Step::StopAndCopy)
    }

    fn device_attach(_ctx: &Context, domain: &DomainConfig, _device: &str) -> Decision {
        guarded("device-attach", domain)
    }

    fn device_detach(_ctx: &Context, domain: &DomainConfig, _device: &str) -> Decision {
        guarded("device-detach", domain)
    }

    fn domain_events(_ctx: &Context, event: &DomainEvent) -> Result<(), Failure> {
        heard("domain-events", &format!("{} {:?}", event.name, event.change));
        Ok(())
    }

    fn daemon_events(_ctx: &Context, change: DaemonChange) -> Result<(), Failure> {
        heard("daemon-events", &format!("{change:?}"));
        Ok(())
    }

    fn mac_allocate(
        _ctx: &Context,
        domain: &DomainConfig,
        interface: u32,
        _taken: &[String],
        _seed: u64,
    ) -> Result<String, Failure> {
        heard("mac-allocate", &domain.name());
        Ok(format!("52:54:00:00:00:{interface:02x}"))
    }

    fn ksm_tune(_ctx: &Context, now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        heard("ksm-tune", &format!("{:?}", now.wake));
        Ok(vec![])
    }

    fn network_start(_ctx: &Context, network: &Network, _xml: &str) -> Decision {
        heard("network-start", &network.name);
        match network.name.as_str() {
            "forbidden" => deny("its name says so"),
            _ => allow(),
        }
    }

    fn network_stop(_ctx: &Context, network: &Network) -> Decision {
        heard("network-stop", &network.name);
        allow()
    }

    fn port_plug(_ctx: &Context, _domain: &DomainConfig, port: &Port) -> Decision {
        heard("port-plug", &port.link);
        allow()
    }

    fn network_events(_ctx: &Context, event: &NetworkEvent) -> Result<(), Failure> {
        heard("network-events", &format!("{} {:?}", event.name, event.change));
        Ok(())
    }

    fn pool_start(_ctx: &Context, pool: &Pool, xml: &str) -> Decision {
        heard("pool-start", &pool.name);
        match pool.name.as_str() {
            "forbidden" if xml.contains("<name>forbidden</name>") => deny("its name says so"),
            _ => allow(),
        }
    }

    fn volume_create(_ctx: &Context, pool: &Pool, plan: &VolumePlan) -> VolumeDecision {
        let source = plan.source.as_ref().map_or("nothing", |source| source.name.as_str());
        heard("volume-create", &format!("{}/{} {:?} of {source}", pool.name, plan.name, plan.capacity));
        match plan.name.as_str() {
            "forbidden" => storage::deny("its name says so"),
            "unnamed" => {
                storage::rewrite(VolumeChanges { name: Some("named".to_owned()), ..VolumeChanges::default() })
            }
            "larger" => {
                let capacity = plan.capacity.map(|capacity| capacity * 2);
                storage::rewrite(VolumeChanges { capacity, ..VolumeChanges::default() })
            }
            _ => storage::allow(),
        }
    }

    fn volume_resize(_ctx: &Context, _pool: &Pool, volume: &Volume, capacity: u64) -> Decision {
        heard("volume-resize", &format!("{} {} {capacity}", volume.name, volume.capacity));
        if capacity > 1 << 30 { deny("more than a GiB") } else { allow() }
    }

    fn volume_delete(_ctx: &Context, _pool: &Pool, volume: &Volume) -> Decision {
        heard("volume-delete", &volume.name);
        if volume.name == "precious" { deny("it is precious") } else { allow() }
    }

    fn storage_events(_ctx: &Context, event: &StorageEvent) -> Result<(), Failure> {
        heard("storage-events", &format!("{} {:?} {}", event.name, event.change, event.detail));
        Ok(())
    }

    fn clone_name(_ctx: &Context, clone: &CloneRequest) -> Result<String, Failure> {
        heard("clone-name", &format!("{:?} {} of {:?}", clone.kind, clone.source, clone.pool));
        Ok(format!("{}-{}", clone.source, clone.taken.len()))
    }

    fn filter_generate(
        _ctx: &Context,
        interface: &filter::Subject,
        _filters: &[filter::Filter],
    ) -> Result<filter::Rules, Failure> {
        heard("filter-generate", &interface.mac);
        let everything = Rule { matches: vec![], verdict: Verdict::Accept, comment: None };
        let (name, entry) = ("out".to_owned(), Some(Flow::Out));
        let chain = Chain { name, layer: Layer::Link, entry, rules: vec![everything] };
        Ok(filter::Rules { chains: vec![chain], sets: vec![], maps: vec![] })
    }

    fn task(_ctx: &Context, why: &Occasion) -> Result<String, Failure> {
        heard("task", "run");
        let Occasion::Manual(arguments) = why else { return Ok("nothing was asked".to_owned()) };
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["config", domain] => testimony::config(domain),
            ["domains", domain] => testimony::domains(domain),
            ["change", verb, domain] => testimony::change(verb, domain),
            ["networks", network] => testimony::networks(network),
            ["storage", pool] => testimony::storage(pool),
            ["volume", pool, name, capacity] => testimony::volume(pool, name, capacity),
            ["node"] => testimony::node(),
            ["kv"] => testimony::kv(),
            ["time"] => testimony::time(),
            _ => Err(Failure { message: "it knows no such question".to_owned() }),
        }
    }
}

fn guarded(hook: &str, domain: &DomainConfig) -> Decision {
    heard(hook, &domain.name());
    allow()
}

/// The disks of the guest that moves, a line each.
fn taken(hook: &str) {
    for disk in disks::list() {
        heard(hook, &format!("takes {disk:?}"));
    }
}

fn heard(hook: &str, what: &str) {
    log::info(format!("{hook}: {what}"));
}

reeve_sdk::policy!(
    Witness: domain_define, domain_prepare, domain_start, domain_stop, migrate_out, migrate_in, migration_strategy,
    device_attach, device_detach, domain_events, daemon_events, mac_allocate, ksm_tune, network_start, network_stop, port_plug, network_events, filter_generate,
    pool_start, volume_create, volume_resize, volume_delete, storage_events, clone_name, task
);
