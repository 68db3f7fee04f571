"""The policy `echo` (tests/policies/echo) in Python."""

from typing import List

from reeve import (
    Change,
    CloneRequest,
    Context,
    DomainConfig,
    Failure,
    Filter,
    Journey,
    Mode,
    Network,
    NetworkEvent,
    NewVolume,
    Pool,
    Port,
    Rules,
    StorageEvent,
    Subject,
    Verdict,
    Volume,
    VolumePlan,
    VolumeVerdict,
    allow,
    contract,
    deny,
    disks,
    migration,
    networks,
    packets,
    pools,
    rewrite,
    rewrite_volume,
    set_title,
    volumes,
)
from reeve.migration import Capabilities, Limits, MigratedDisk, MigrationPlan, Progress, Round, Step
from reeve.packets import Action, Chain, ConnectionState, Direction, Field, Flow, Layer, Set, VerdictMap, match, rule

VERDICTS = {
    Action.DROP: packets.drop,
    Action.REJECT: packets.reject,
    Action.ACCEPT: packets.accept,
    Action.RETURN: packets.back,
    Action.CONTINUE: packets.go_on,
}


def place(word) -> int:
    """The position of a word among those of its kind."""
    return [*type(word)].index(word)


def network_start(ctx: Context, network: Network, xml: str) -> Verdict:
    assert isinstance(network.mode, Mode)
    flags = "".join(str(int(flag)) for flag in (network.active, network.persistent, network.autostart))
    bridge, addresses = network.bridge or "-", ",".join(network.addresses)
    mode = place(network.mode)
    return deny(f"{network.uuid} {network.name} {mode} {flags} {bridge} {addresses} {network.connections} {xml}")


def network_stop(ctx: Context, network: Network) -> Verdict:
    return deny(f"'{network.name}' has {network.connections} guests") if network.connections else allow()


def port_plug(ctx: Context, domain: DomainConfig, port: Port) -> Verdict:
    network, filter_, addresses = port.network or "-", port.filter or "-", ",".join(port.addresses)
    return deny(f"{domain.name()} {port.domain} {port.mac} {port.link} {network} {filter_} {addresses}")


def shown(it) -> str:
    return "-" if it is None else str(it)


def volume(it: Volume) -> str:
    parts = [it.pool, it.name, it.key, it.path, it.format, it.capacity, it.allocation]
    return ",".join(map(str, [*parts, shown(it.backing), shown(it.created), int(it.complete)]))


def volume_create(ctx: Context, pool: Pool, plan: VolumePlan) -> VolumeVerdict:
    if plan.name == "fine":
        return allow()
    if plan.name == "renamed":
        return rewrite_volume(name="x", allocation=4096)
    available = shown(pool.space.available if pool.space else None)
    of = f"{pool.name} {pool.kind} {shown(pool.path)} {available} {pool.volumes}"
    wanted = " ".join(shown(it) for it in (plan.capacity, plan.allocation, plan.format, plan.backing))
    return deny(f"{of} {plan.name} {wanted} {volume(plan.source) if plan.source else '-'}")


def volume_resize(ctx: Context, pool: Pool, of: Volume, capacity: int) -> Verdict:
    return deny(f"{pool.name} {volume(of)} {capacity}")


def storage_events(ctx: Context, event: StorageEvent) -> None:
    if event.name == "asked":
        raise Failure(stored(event.detail))
    raise Failure(f"{event.uuid} {event.name} {place(event.change)} {event.detail}")


def clone_name(ctx: Context, clone: CloneRequest) -> str:
    return f"{place(clone.kind)} {clone.source} {shown(clone.pool)} {','.join(clone.taken)}"


def migrate_out(ctx: Context, domain: DomainConfig, journey: Journey) -> Verdict:
    if journey.id == "fine":
        return allow()
    if journey.id == "titled":
        return rewrite([set_title(journey.destination.name)])
    return deny(way(domain, journey))


def migrate_in(ctx: Context, domain: DomainConfig, journey: Journey) -> Verdict:
    return deny(way(domain, journey))


def migration_precheck(ctx: Context, domain: DomainConfig, journey: Journey):
    return None if journey.id == "fine" else way(domain, journey)


def migration_plan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey) -> MigrationPlan:
    if journey.id != "fine":
        raise Failure(f"{offer(offered)} {allowed(limits)} {journey.id}{brought()}")
    return MigrationPlan(limits.max_downtime_us // 2, offered.compression, offered.streams)


def migration_step(ctx: Context, now: Progress) -> Step:
    last = now.rounds[-1] if now.rounds else None
    number = last.number if last else 1
    if number > 7:
        rounds = ";".join(map(round_text, now.rounds))
        return migration.abort(f"{offer(now.capabilities)} {allowed(now.limits)} {rounds}{brought()}")
    steps = {
        1: lambda: migration.go_on(),
        2: lambda: migration.throttle(last.throttle + 5),
        3: lambda: migration.set_max_downtime(last.expected_downtime_us),
        4: lambda: migration.compress(),
        5: lambda: migration.add_streams(last.streams),
        6: lambda: migration.switch_to_post_copy(),
        7: lambda: migration.stop_and_copy(),
    }
    return steps[number]()


def way(domain: DomainConfig, it: Journey) -> str:
    flags = "".join(str(int(flag)) for flag in (it.same_machine, it.unchecked, it.persistent))
    source, destination = (f"{peer.name}/{peer.version}" for peer in (it.source, it.destination))
    return f"{domain.name()} {it.id} {source} {destination} {flags} {it.transport}{brought()}"


def brought() -> str:
    """The disks of the guest, where it has some."""
    return "".join(f" {disk(it)}" for it in disks.list())


def disk(it: MigratedDisk) -> str:
    place_of = [it.target, it.device, it.source, shown(it.path), shown(it.pool), shown(it.volume), shown(it.format)]
    size = [shown(it.capacity), shown(it.allocation), shown(it.file_system)]
    flags = "".join(str(int(flag)) for flag in (it.readonly, it.shareable, it.coherent))
    rest = [flags, place(it.cache), place(it.way), shown(it.backing)]
    return ",".join(map(str, [*place_of, *size, *rest]))


def offer(it: Capabilities) -> str:
    return f"{int(it.compression)}{int(it.post_copy)} {it.streams}"


def allowed(it: Limits) -> str:
    return f"{it.max_downtime_us} {shown(it.bandwidth)} {it.max_throttle} {it.max_rounds}"


def round_text(it: Round) -> str:
    times = [it.number, it.elapsed_us, it.duration_us]
    sent = [it.pages, it.zero_pages, it.sent, it.dirty_pages, it.bandwidth]
    rest = [it.expected_downtime_us, it.max_downtime_us, it.throttle, int(it.compressed), it.streams]
    return ",".join(map(str, [*times, *sent, *rest]))


def stored(pool: str) -> str:
    """What the host says of a pool, and of the volumes that are made there."""
    names = ",".join(it.name for it in pools.list())
    kind = pools.get(pool).kind
    there = ";".join(map(volume, volumes.list(pool)))
    one = volume(volumes.get(pool, "a"))
    made = volume(volumes.create(pool, NewVolume("b", 5, 7, None)))
    copied = volumes.copy(pool, "b", "c").name
    resized = volumes.resize(pool, "c", 9, True).capacity
    data = volumes.read(pool, "c", 1, 3)
    volumes.write(pool, "c", 2, data)
    volumes.delete(pool, "b")
    return f"{names} {kind} {there} {one} {made} {copied} {resized} {len(data)}"


def network_events(ctx: Context, event: NetworkEvent) -> None:
    assert isinstance(event.change, Change)
    if event.name == "asked":
        raise Failure(asked(event.detail))
    raise Failure(f"{event.uuid} {event.name} {place(event.change)} {event.detail}")


def asked(name: str) -> str:
    """What the host says of a network."""
    everything = ",".join(network.name for network in networks.list())
    mode = place(networks.get(name).mode)
    links = ",".join(port.link for port in networks.ports(name))
    leases = ",".join(
        f"{lease.mac or '-'}/{lease.ip}/{lease.hostname or '-'}/{lease.expires or '-'}" for lease in networks.leases(name)
    )
    of = networks.port_counters(name, "vnet0")
    received = f"{of.received_bytes} {of.received_packets} {of.received_dropped}"
    sent = f"{of.sent_bytes} {of.sent_packets} {of.sent_dropped}"
    return f"{everything} {mode} {links} {leases} {received} {sent}"


def filter_generate(ctx: Context, interface: Subject, filters: List[Filter]) -> Rules:
    by_source = [
        (packets.address("192.0.2.7"), packets.drop()),
        (packets.address("192.0.2.8"), packets.accept()),
    ]
    return Rules(
        chains=[
            Chain("tree", Layer.LINK, None, [each for one in filters for each in told(one)]),
            Chain("out", Layer.LINK, Flow.OUT, from_guest(interface)),
            Chain("in", Layer.CONNECTION, Flow.IN, to_guest()),
        ],
        sets=[Set("known", [packets.address(each) for each in interface.addresses])],
        maps=[VerdictMap("by-source", by_source)],
    )


def told(filter_: Filter):
    """Rules that say what stands in a filter."""
    variables = "".join(f" {each.name}={'|'.join(each.values)}" for each in filter_.variables)
    rules = [rule(packets.go_on(), comment=f"{filter_.name} {filter_.chain} {filter_.priority}{variables}")]
    for entry in filter_.entries:
        if isinstance(entry, contract.Entry_Reference):
            rules.append(rule(packets.back(), comment=f"-> {entry.value}"))
            continue
        it = entry.value
        assert isinstance(it, packets.TreeRule) and isinstance(it.direction, Direction)
        matches = "".join(protocol(each) for each in it.matches)
        comment = f"{place(it.direction)} {it.priority} {int(it.statematch)}{matches}"
        rules.append(rule(VERDICTS[it.action](), comment=comment))
    return rules


def protocol(it: packets.ProtocolMatch) -> str:
    return f" {it.protocol}{'!' if it.negated else ''}({','.join(condition(each) for each in it.conditions)})"


def condition(it: packets.Condition) -> str:
    if isinstance(it.value, contract.Value_Literal):
        return f"{it.attribute}={it.value.value}"
    variable = it.value.value
    at = "@" if isinstance(variable.access, contract.Access_Iterator) else ""
    return f"{it.attribute}=${variable.name}[{at}{variable.access.value}]"


def from_guest(interface: Subject):
    group = "01:00:00:00:00:00"
    foreign = match(Field.ETHER_SOURCE, packets.mac(interface.mac), negated=True)
    return [
        rule(packets.reject(), foreign, comment="not its own"),
        rule(packets.back(), match(Field.ETHER_DESTINATION, packets.masked_mac(group, group))),
        rule(packets.go_on(), match(Field.IP_SOURCE, packets.addresses("192.0.2.1", "192.0.2.9"))),
        rule(packets.jump("tree")),
    ]


def to_guest():
    states = packets.states(ConnectionState.ESTABLISHED, ConnectionState.RELATED)

    def is_protocol(number):
        return match(Field.IP_PROTOCOL, packets.number(number))

    return [
        rule(packets.accept(), match(Field.STATE, states)),
        rule(packets.drop(), is_protocol(6), match(Field.TCP_FLAGS, packets.masked(2, 18))),
        rule(packets.accept(), is_protocol(17), match(Field.DESTINATION_PORT, packets.between(1024, 65535))),
        rule(packets.accept(), match(Field.IP_SOURCE, packets.in_set("known"))),
        rule(packets.drop(), match(Field.IP_SOURCE, packets.network("198.51.100.0", 24))),
        rule(packets.drop(), match(Field.IP6_SOURCE, packets.address("2001:db8::1"))),
        rule(packets.accept(), match(Field.HOST_SET, packets.host_set("trusted", [True, False]))),
        rule(packets.lookup(Field.IP_SOURCE, "by-source")),
    ]
