//! Says back all that the hooks of networks, storage and migrations tell it, and answers packet rules of every kind: what the same policy in another language
//! (tests/conformance/policies/echo) must answer too.

use reeve_sdk::filter::ruleset::{
    Chain, ConnectionState, Field, Flow, HostSet, Layer, Lookup, Masked, MaskedMac, Match, Operand, Rule,
    Set, Verdict, VerdictMap,
};
use reeve_sdk::filter::tree::{Access, Action, Condition, Entry, ProtocolMatch, Value};
use reeve_sdk::filter::{Filter, Rules, Subject};
use reeve_sdk::migration::{
    Capabilities, Journey, Limits, MigratedDisk, MigrationPlan, Progress, Round, Step, disks,
};
use reeve_sdk::networks::{self, Lease, Network, NetworkEvent, Port};
use reeve_sdk::prelude::*;
use reeve_sdk::storage::{
    CloneRequest, NewVolume, Pool, StorageEvent, Volume, VolumeChanges, VolumeDecision, VolumePlan, pools,
    volumes,
};

/// The policy.
struct Echo;

impl Policy for Echo {
    fn network_start(_ctx: &Context, network: &Network, xml: &str) -> Decision {
        let Network { uuid, name, connections, .. } = network;
        let (active, persistent, autostart) =
            (u8::from(network.active), u8::from(network.persistent), u8::from(network.autostart));
        let (bridge, addresses) = (optional(&network.bridge), network.addresses.join(","));
        let mode = network.mode as u8;
        deny(format!(
            "{uuid} {name} {mode} {active}{persistent}{autostart} {bridge} {addresses} {connections} {xml}"
        ))
    }

    fn network_stop(_ctx: &Context, network: &Network) -> Decision {
        match network.connections {
            0 => allow(),
            guests => deny(format!("'{}' has {guests} guests", network.name)),
        }
    }

    fn port_plug(_ctx: &Context, domain: &DomainConfig, port: &Port) -> Decision {
        let (network, filter) = (optional(&port.network), optional(&port.filter));
        let (name, addresses) = (domain.name(), port.addresses.join(","));
        deny(format!("{name} {} {} {} {network} {filter} {addresses}", port.domain, port.mac, port.link))
    }

    fn network_events(_ctx: &Context, event: &NetworkEvent) -> Result<(), Failure> {
        let NetworkEvent { uuid, name, change, detail } = event;
        if name == "asked" {
            return Err(Failure { message: asked(detail)? });
        }
        Err(Failure { message: format!("{uuid} {name} {} {detail}", *change as u8) })
    }

    fn volume_create(_ctx: &Context, pool: &Pool, plan: &VolumePlan) -> VolumeDecision {
        match plan.name.as_str() {
            "fine" => storage::allow(),
            "renamed" => {
                let (name, allocation) = (Some("x".to_owned()), Some(4096));
                storage::rewrite(VolumeChanges { name, allocation, ..VolumeChanges::default() })
            }
            name => {
                let (available, path) =
                    (number(pool.space.map(|space| space.available)), optional(&pool.path));
                let (capacity, allocation) = (number(plan.capacity), number(plan.allocation));
                let (format, backing) = (optional(&plan.format), optional(&plan.backing));
                let source = plan.source.as_ref().map_or("-".to_owned(), volume);
                storage::deny(format!(
                    "{} {} {path} {available} {} {name} {capacity} {allocation} {format} {backing} {source}",
                    pool.name, pool.kind, pool.volumes
                ))
            }
        }
    }

    fn volume_resize(_ctx: &Context, pool: &Pool, of: &Volume, capacity: u64) -> Decision {
        deny(format!("{} {} {capacity}", pool.name, volume(of)))
    }

    fn storage_events(_ctx: &Context, event: &StorageEvent) -> Result<(), Failure> {
        let StorageEvent { uuid, name, change, detail } = event;
        if name == "asked" {
            return Err(Failure { message: stored(detail)? });
        }
        Err(Failure { message: format!("{uuid} {name} {} {detail}", *change as u8) })
    }

    fn clone_name(_ctx: &Context, clone: &CloneRequest) -> Result<String, Failure> {
        let CloneRequest { kind, source, pool, taken } = clone;
        Ok(format!("{} {source} {} {}", *kind as u8, optional(pool), taken.join(",")))
    }

    fn migrate_out(_ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
        match journey.id.as_str() {
            "fine" => allow(),
            "titled" => rewrite(vec![Edit::SetTitle(journey.destination.name.clone())]),
            _ => deny(way(domain, journey)),
        }
    }

    fn migrate_in(_ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
        deny(way(domain, journey))
    }

    fn migration_precheck(
        _ctx: &Context,
        domain: &DomainConfig,
        journey: &Journey,
    ) -> Result<Option<String>, Failure> {
        Ok((journey.id != "fine").then(|| way(domain, journey)))
    }

    fn migration_plan(
        _ctx: &Context,
        offered: &Capabilities,
        limits: &Limits,
        journey: &Journey,
    ) -> Result<MigrationPlan, Failure> {
        let Capabilities { compression: compress, streams, .. } = *offered;
        match journey.id.as_str() {
            "fine" => Ok(MigrationPlan { max_downtime_us: limits.max_downtime_us / 2, compress, streams }),
            id => {
                Err(Failure { message: format!("{} {} {id}{}", offer(offered), allowed(limits), brought()) })
            }
        }
    }

    fn migration_step(_ctx: &Context, now: &Progress) -> Result<Step, Failure> {
        let Some(last) = now.rounds.last() else { return Ok(Step::Continue) };
        Ok(match last.number {
            1 => Step::Continue,
            2 => Step::Throttle(last.throttle + 5),
            3 => Step::SetMaxDowntime(last.expected_downtime_us),
            4 => Step::Compress,
            5 => Step::AddStreams(last.streams),
            6 => Step::SwitchToPostCopy,
            7 => Step::StopAndCopy,
            _ => {
                let rounds: Vec<_> = now.rounds.iter().map(round).collect();
                let (offered, limits) = (offer(&now.capabilities), allowed(&now.limits));
                Step::Abort(format!("{offered} {limits} {}{}", rounds.join(";"), brought()))
            }
        })
    }

    fn filter_generate(_ctx: &Context, interface: &Subject, filters: &[Filter]) -> Result<Rules, Failure> {
        let known = interface.addresses.iter().cloned().map(Operand::Address).collect();
        let by_source = vec![
            (Operand::Address("192.0.2.7".into()), Verdict::Drop),
            (Operand::Address("192.0.2.8".into()), Verdict::Accept),
        ];
        Ok(Rules {
            chains: vec![
                chain("tree", Layer::Link, None, filters.iter().flat_map(told).collect()),
                chain("out", Layer::Link, Some(Flow::Out), from_guest(interface)),
                chain("in", Layer::Connection, Some(Flow::In), to_guest()),
            ],
            sets: vec![Set { name: "known".into(), elements: known }],
            maps: vec![VerdictMap { name: "by-source".into(), entries: by_source }],
        })
    }
}

fn way(domain: &DomainConfig, it: &Journey) -> String {
    let peer = |it: &reeve_sdk::migration::Peer| format!("{}/{}", it.name, it.version);
    let flags =
        [it.same_machine, it.unchecked, it.persistent].map(|flag| u8::from(flag).to_string()).concat();
    let (name, from, to) = (domain.name(), peer(&it.source), peer(&it.destination));
    format!("{name} {} {from} {to} {flags} {}{}", it.id, it.transport, brought())
}

/// The disks of the guest, where it has some.
fn brought() -> String {
    disks::list().iter().map(|it| format!(" {}", disk(it))).collect()
}

fn disk(it: &MigratedDisk) -> String {
    let place = format!("{},{},{},{}", it.target, it.device, it.source, optional(&it.path));
    let volume = format!("{},{},{}", optional(&it.pool), optional(&it.volume), optional(&it.format));
    let size = format!("{},{},{}", number(it.capacity), number(it.allocation), optional(&it.file_system));
    let flags = [it.readonly, it.shareable, it.coherent].map(|flag| u8::from(flag).to_string()).concat();
    format!("{place},{volume},{size},{flags},{},{},{}", it.cache as u8, it.way as u8, optional(&it.backing))
}

fn offer(it: &Capabilities) -> String {
    format!("{}{} {}", u8::from(it.compression), u8::from(it.post_copy), it.streams)
}

fn allowed(it: &Limits) -> String {
    format!("{} {} {} {}", it.max_downtime_us, number(it.bandwidth), it.max_throttle, it.max_rounds)
}

fn round(it: &Round) -> String {
    let times = format!("{},{},{}", it.number, it.elapsed_us, it.duration_us);
    let pages = format!("{},{},{},{},{}", it.pages, it.zero_pages, it.sent, it.dirty_pages, it.bandwidth);
    let downtime = format!("{},{}", it.expected_downtime_us, it.max_downtime_us);
    format!("{times},{pages},{downtime},{},{},{}", it.throttle, u8::from(it.compressed), it.streams)
}

/// What the host says of a network.
fn asked(name: &str) -> Result<String, Failure> {
    let all: Vec<_> = networks::list()?.into_iter().map(|network| network.name).collect();
    let mode = networks::get(name)?.mode as u8;
    let links: Vec<_> = networks::ports(name)?.into_iter().map(|port| port.link).collect();
    let leases: Vec<_> = networks::leases(name)?.iter().map(lease).collect();
    let of = networks::port_counters(name, "vnet0")?;
    let received = format!("{} {} {}", of.received_bytes, of.received_packets, of.received_dropped);
    let sent = format!("{} {} {}", of.sent_bytes, of.sent_packets, of.sent_dropped);
    let (all, links, leases) = (all.join(","), links.join(","), leases.join(","));
    Ok(format!("{all} {mode} {links} {leases} {received} {sent}"))
}

fn lease(it: &Lease) -> String {
    let expires = it.expires.map_or("-".to_owned(), |expires| expires.to_string());
    format!("{}/{}/{}/{expires}", optional(&it.mac), it.ip, optional(&it.hostname))
}

/// What the host says of a pool, and of the volumes that are made there.
fn stored(pool: &str) -> Result<String, Failure> {
    let all: Vec<_> = pools::list()?.into_iter().map(|pool| pool.name).collect();
    let kind = pools::get(pool)?.kind;
    let there: Vec<_> = volumes::list(pool)?.iter().map(volume).collect();
    let one = volume(&volumes::get(pool, "a")?);
    let new = NewVolume { name: "b".into(), capacity: 5, allocation: Some(7), format: None };
    let made = volume(&volumes::create(pool, &new)?);
    let copied = volumes::copy(pool, "b", "c")?.name;
    let resized = volumes::resize(pool, "c", 9, true)?.capacity;
    let data = volumes::read(pool, "c", 1, 3)?;
    volumes::write(pool, "c", 2, &data)?;
    volumes::delete(pool, "b")?;
    let (all, there) = (all.join(","), there.join(";"));
    Ok(format!("{all} {kind} {there} {one} {made} {copied} {resized} {}", data.len()))
}

fn volume(it: &Volume) -> String {
    let Volume { name, pool, key, path, format, capacity, allocation, backing, created, complete } = it;
    let (backing, created, complete) = (optional(backing), number(*created), u8::from(*complete));
    format!("{pool},{name},{key},{path},{format},{capacity},{allocation},{backing},{created},{complete}")
}

fn number(it: Option<u64>) -> String {
    it.map_or("-".to_owned(), |it| it.to_string())
}

fn optional(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

fn chain(name: &str, layer: Layer, entry: Option<Flow>, rules: Vec<Rule>) -> Chain {
    Chain { name: name.into(), layer, entry, rules }
}

fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule { matches, verdict, comment: None }
}

fn is(field: Field, operand: Operand) -> Match {
    Match { field, negated: false, operand }
}

/// Rules that say what stands in a filter.
fn told(filter: &Filter) -> Vec<Rule> {
    let variable = |it: &reeve_sdk::filter::tree::Parameter| format!(" {}={}", it.name, it.values.join("|"));
    let variables: String = filter.variables.iter().map(variable).collect();
    let comment = format!("{} {} {}{variables}", filter.name, filter.chain, filter.priority);
    let head = Rule { matches: vec![], verdict: Verdict::Continue, comment: Some(comment) };
    let entry = |entry: &Entry| match entry {
        Entry::Reference(position) => {
            Rule { matches: vec![], verdict: Verdict::Return, comment: Some(format!("-> {position}")) }
        }
        Entry::Rule(it) => {
            let verdict = match it.action {
                Action::Drop => Verdict::Drop,
                Action::Reject => Verdict::Reject,
                Action::Accept => Verdict::Accept,
                Action::Return => Verdict::Return,
                Action::Continue => Verdict::Continue,
            };
            let matches: String = it.matches.iter().map(protocol).collect();
            let (direction, statematch) = (it.direction as u8, u8::from(it.statematch));
            let comment = format!("{direction} {} {statematch}{matches}", it.priority);
            Rule { matches: vec![], verdict, comment: Some(comment) }
        }
    };
    std::iter::once(head).chain(filter.entries.iter().map(entry)).collect()
}

fn protocol(it: &ProtocolMatch) -> String {
    let conditions: Vec<_> = it.conditions.iter().map(condition).collect();
    format!(" {}{}({})", it.protocol, if it.negated { "!" } else { "" }, conditions.join(","))
}

fn condition(it: &Condition) -> String {
    let value = match &it.value {
        Value::Literal(text) => text.clone(),
        Value::Variable(variable) => match variable.access {
            Access::Element(place) => format!("${}[{place}]", variable.name),
            Access::Iterator(number) => format!("${}[@{number}]", variable.name),
        },
    };
    format!("{}={value}", it.attribute)
}

fn from_guest(interface: &Subject) -> Vec<Rule> {
    let (group, own) = ("01:00:00:00:00:00".to_owned(), Operand::Mac(interface.mac.clone()));
    let foreign = Match { field: Field::EtherSource, negated: true, operand: own };
    let group = Operand::MaskedMac(MaskedMac { value: group.clone(), mask: group });
    let some = Operand::Addresses(("192.0.2.1".into(), "192.0.2.9".into()));
    vec![
        Rule { matches: vec![foreign], verdict: Verdict::Reject, comment: Some("not its own".into()) },
        rule(vec![is(Field::EtherDestination, group)], Verdict::Return),
        rule(vec![is(Field::IpSource, some)], Verdict::Continue),
        rule(vec![], Verdict::Jump("tree".into())),
    ]
}

fn to_guest() -> Vec<Rule> {
    let states = Operand::States(vec![ConnectionState::Established, ConnectionState::Related]);
    let is_protocol = |number| is(Field::IpProtocol, Operand::Number(number));
    let syn = Operand::Masked(Masked { value: 2, mask: 18 });
    let trusted = HostSet { name: "trusted".into(), sources: vec![true, false] };
    vec![
        rule(vec![is(Field::State, states)], Verdict::Accept),
        rule(vec![is_protocol(6), is(Field::TcpFlags, syn)], Verdict::Drop),
        rule(
            vec![is_protocol(17), is(Field::DestinationPort, Operand::Range((1024, 65535)))],
            Verdict::Accept,
        ),
        rule(vec![is(Field::IpSource, Operand::Set("known".into()))], Verdict::Accept),
        rule(vec![is(Field::IpSource, Operand::Network(("198.51.100.0".into(), 24)))], Verdict::Drop),
        rule(vec![is(Field::Ip6Source, Operand::Address("2001:db8::1".into()))], Verdict::Drop),
        rule(vec![is(Field::HostSet, Operand::HostSet(trusted))], Verdict::Accept),
        rule(vec![], Verdict::Lookup(Lookup { field: Field::IpSource, verdict_map: "by-source".into() })),
    ]
}

reeve_sdk::policy!(
    Echo: network_start, network_stop, port_plug, network_events, filter_generate, volume_create, volume_resize,
    storage_events, clone_name, migrate_out, migrate_in, migration_strategy
);
