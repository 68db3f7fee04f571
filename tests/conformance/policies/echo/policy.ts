// The policy `echo` (tests/policies/echo) in AssemblyScript.

import {
  AccessTag, Action, Capabilities, Chain, CloneRequest, Condition, ConnectionState, Context, Decision, DomainConfig,
  Edit, EntryTag, Failure, Field, Filter, Flow, Generated, HostSet, Journey, Layer, Limits, Lookup, Masked, MaskedMac,
  Match, MigratedDisk, MigrationPlan, Network, NetworkEvent, NewVolume, Objection, Operand, Peer, Planned, Pool, Port, Progress,
  ProtocolMatch, Reply, Round, Rules, RulesetRule, RulesetSet, RulesetVerdict, Some, Steered, Step, StorageEvent,
  Subject, TreeRule, Tuple2, ValueTag, VerdictMap, Volume, VolumeChanges, VolumeDecision, VolumePlan, allow,
  allowVolume, because, begin, deny, denyVolume, disks, fail, generate, go, networks, noObjection, object, pools, rewrite,
  rewriteVolume, say, volumes,
} from "./sdk/reeve";

export function networkStart(ctx: Context, network: Network, xml: string): Decision {
  const flags = bit(network.active) + bit(network.persistent) + bit(network.autostart);
  const bridge = optional(network.bridge);
  const addresses = network.addresses.join(",");
  const mode = <i32>network.mode;
  return deny(`${network.uuid} ${network.name} ${mode} ${flags} ${bridge} ${addresses} ${network.connections} ${xml}`);
}

export function networkStop(ctx: Context, network: Network): Decision {
  return network.connections == 0 ? allow() : deny(`'${network.name}' has ${network.connections} guests`);
}

export function portPlug(ctx: Context, domain: DomainConfig, port: Port): Decision {
  const network = optional(port.network);
  const filter = optional(port.filter);
  const addresses = port.addresses.join(",");
  return deny(`${domain.name()} ${port.domain} ${port.mac} ${port.link} ${network} ${filter} ${addresses}`);
}

export function networkEvents(ctx: Context, event: NetworkEvent): Failure | null {
  if (event.name == "asked") return new Failure(asked(event.detail));
  return new Failure(`${event.uuid} ${event.name} ${<i32>event.change} ${event.detail}`);
}

export function migrateOut(ctx: Context, domain: DomainConfig, journey: Journey): Decision {
  if (journey.id == "fine") return allow();
  if (journey.id == "titled") return rewrite([Edit.setTitle(journey.destination.name)]);
  return deny(way(domain, journey));
}

export function migrateIn(ctx: Context, domain: DomainConfig, journey: Journey): Decision {
  return deny(way(domain, journey));
}

export function migrationStrategyPrecheck(ctx: Context, domain: DomainConfig, journey: Journey): Objection {
  return journey.id == "fine" ? noObjection() : object(way(domain, journey));
}

export function migrationStrategyPlan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey): Planned {
  if (journey.id != "fine") return fail<MigrationPlan>(`${offer(offered)} ${allowed(limits)} ${journey.id}${brought()}`);
  return begin(new MigrationPlan(limits.maxDowntimeUs / 2, offered.compression, offered.streams));
}

export function migrationStrategyNextStep(ctx: Context, now: Progress): Steered {
  if (now.rounds.length == 0) return go(Step.continue_());
  const last = now.rounds[now.rounds.length - 1];
  switch (last.number) {
    case 1: return go(Step.continue_());
    case 2: return go(Step.throttle(last.throttle + 5));
    case 3: return go(Step.setMaxDowntime(last.expectedDowntimeUs));
    case 4: return go(Step.compress());
    case 5: return go(Step.addStreams(last.streams));
    case 6: return go(Step.switchToPostCopy());
    case 7: return go(Step.stopAndCopy());
    default: {
      const rounds: Array<string> = [];
      for (let i = 0; i < now.rounds.length; i++) rounds.push(round(now.rounds[i]));
      return go(Step.abort(`${offer(now.capabilities)} ${allowed(now.limits)} ${rounds.join(";")}${brought()}`));
    }
  }
}

function way(domain: DomainConfig, it: Journey): string {
  const flags = bit(it.sameMachine) + bit(it.unchecked) + bit(it.persistent);
  return `${domain.name()} ${it.id} ${peer(it.source)} ${peer(it.destination)} ${flags} ${it.transport}${brought()}`;
}

/** The disks of the guest, where it has some. */
function brought(): string {
  const all = disks.list();
  let said = "";
  for (let i = 0; i < all.length; i++) said += ` ${disk(all[i])}`;
  return said;
}

function disk(it: MigratedDisk): string {
  const place = `${it.target},${it.device},${it.source},${optional(it.path)},${optional(it.pool)},${optional(it.volume)}`;
  const size = `${optional(it.format)},${figure(it.capacity)},${figure(it.allocation)},${optional(it.fileSystem)}`;
  const flags = bit(it.readonly) + bit(it.shareable) + bit(it.coherent);
  return `${place},${size},${flags},${<i32>it.cache},${<i32>it.way},${optional(it.backing)}`;
}

function peer(it: Peer): string {
  return `${it.name}/${it.version}`;
}

function offer(it: Capabilities): string {
  return `${bit(it.compression)}${bit(it.postCopy)} ${it.streams}`;
}

function allowed(it: Limits): string {
  return `${it.maxDowntimeUs} ${figure(it.bandwidth)} ${it.maxThrottle} ${it.maxRounds}`;
}

function round(it: Round): string {
  const times = `${it.number},${it.elapsedUs},${it.durationUs}`;
  const sent = `${it.pages},${it.zeroPages},${it.sent},${it.dirtyPages},${it.bandwidth}`;
  return `${times},${sent},${it.expectedDowntimeUs},${it.maxDowntimeUs},${it.throttle},${bit(it.compressed)},${it.streams}`;
}

/** What the host says of a network. */
function asked(name: string): string {
  const all = networks.list();
  if (!all.isOk) return because(all.error);
  const names: Array<string> = [];
  for (let i = 0; i < all.value.length; i++) names.push(all.value[i].name);
  const found = networks.get(name);
  if (!found.isOk) return because(found.error);
  const ports = networks.ports(name);
  if (!ports.isOk) return because(ports.error);
  const links: Array<string> = [];
  for (let i = 0; i < ports.value.length; i++) links.push(ports.value[i].link);
  const leases = networks.leases(name);
  if (!leases.isOk) return because(leases.error);
  const given: Array<string> = [];
  for (let i = 0; i < leases.value.length; i++) {
    const lease = leases.value[i];
    const ends = lease.expires;
    const expires = ends === null ? "-" : ends.value.toString();
    given.push(`${optional(lease.mac)}/${lease.ip}/${optional(lease.hostname)}/${expires}`);
  }
  const counted = networks.portCounters(name, "vnet0");
  if (!counted.isOk) return because(counted.error);
  const it = counted.value;
  const received = `${it.receivedBytes} ${it.receivedPackets} ${it.receivedDropped}`;
  const sent = `${it.sentBytes} ${it.sentPackets} ${it.sentDropped}`;
  return `${names.join(",")} ${<i32>found.value.mode} ${links.join(",")} ${given.join(",")} ${received} ${sent}`;
}

function figure(it: Some<u64> | null): string {
  return it === null ? "-" : it.value.toString();
}

function volume(it: Volume): string {
  const parts = [it.pool, it.name, it.key, it.path, it.format, it.capacity.toString(), it.allocation.toString()];
  return `${parts.join(",")},${optional(it.backing)},${figure(it.created)},${bit(it.complete)}`;
}

export function volumeCreate(ctx: Context, pool: Pool, plan: VolumePlan): VolumeDecision {
  if (plan.name == "fine") return allowVolume();
  if (plan.name == "renamed") return rewriteVolume(new VolumeChanges("x", null, new Some<u64>(4096)));
  const space = pool.space;
  const available = space === null ? "-" : space.available.toString();
  const source = plan.source;
  const where = `${pool.name} ${pool.kind} ${optional(pool.path)} ${available} ${pool.volumes}`;
  const wanted = `${plan.name} ${figure(plan.capacity)} ${figure(plan.allocation)} ${optional(plan.format)} ${optional(plan.backing)}`;
  return denyVolume(`${where} ${wanted} ${source === null ? "-" : volume(source)}`);
}

export function volumeResize(ctx: Context, pool: Pool, it: Volume, capacity: u64): Decision {
  return deny(`${pool.name} ${volume(it)} ${capacity}`);
}

export function storageEvents(ctx: Context, event: StorageEvent): Failure | null {
  if (event.name == "asked") return new Failure(stored(event.detail));
  return new Failure(`${event.uuid} ${event.name} ${<i32>event.change} ${event.detail}`);
}

export function cloneName(ctx: Context, clone: CloneRequest): Reply {
  return say(`${<i32>clone.kind} ${clone.source} ${optional(clone.pool)} ${clone.taken.join(",")}`);
}

/** What the host says of a pool, and of the volumes that are made there. */
function stored(pool: string): string {
  const all = pools.list();
  if (!all.isOk) return because(all.error);
  const names: Array<string> = [];
  for (let i = 0; i < all.value.length; i++) names.push(all.value[i].name);
  const kind = pools.get(pool).value.kind;
  const list = volumes.list(pool).value;
  const there: Array<string> = [];
  for (let i = 0; i < list.length; i++) there.push(volume(list[i]));
  const one = volume(volumes.get(pool, "a").value);
  const made = volume(volumes.create(pool, new NewVolume("b", 5, new Some<u64>(7), null)).value);
  const copied = volumes.copy(pool, "b", "c").value.name;
  const resized = volumes.resize(pool, "c", 9, true).value.capacity;
  const data = volumes.read(pool, "c", 1, 3).value;
  const written = volumes.write(pool, "c", 2, data);
  if (written !== null) return because(written);
  const deleted = volumes.delete(pool, "b");
  if (deleted !== null) return because(deleted);
  return `${names.join(",")} ${kind} ${there.join(";")} ${one} ${made} ${copied} ${resized} ${data.length}`;
}

export function filterGenerate(ctx: Context, on: Subject, filters: Array<Filter>): Generated {
  const told = new Array<RulesetRule>();
  for (let i = 0; i < filters.length; i++) tell(told, filters[i]);
  const known = new Array<Operand>();
  for (let i = 0; i < on.addresses.length; i++) known.push(Operand.address(on.addresses[i]));
  const chains = [
    new Chain("tree", Layer.Link, null, told),
    new Chain("out", Layer.Link, new Some<Flow>(Flow.Out), fromGuest(on)),
    new Chain("in", Layer.Connection, new Some<Flow>(Flow.In), toGuest()),
  ];
  const bySource = [
    new Tuple2<Operand, RulesetVerdict>(Operand.address("192.0.2.7"), RulesetVerdict.drop()),
    new Tuple2<Operand, RulesetVerdict>(Operand.address("192.0.2.8"), RulesetVerdict.accept()),
  ];
  return generate(new Rules(chains, [new RulesetSet("known", known)], [new VerdictMap("by-source", bySource)]));
}

function bit(flag: bool): string {
  return flag ? "1" : "0";
}

function optional(text: string | null): string {
  return text === null ? "-" : text;
}

/** Rules that say what stands in a filter. */
function tell(rules: Array<RulesetRule>, filter: Filter): void {
  let comment = `${filter.name} ${filter.chain} ${filter.priority}`;
  for (let i = 0; i < filter.variables.length; i++) {
    comment += ` ${filter.variables[i].name}=${filter.variables[i].values.join("|")}`;
  }
  rules.push(new RulesetRule([], RulesetVerdict.continue_(), comment));
  for (let i = 0; i < filter.entries.length; i++) {
    const entry = filter.entries[i];
    if (entry.tag == EntryTag.Reference) {
      rules.push(new RulesetRule([], RulesetVerdict.return_(), `-> ${entry.reference}`));
    } else {
      rules.push(new RulesetRule([], verdictOf(entry.rule.action), commentOf(entry.rule)));
    }
  }
}

function verdictOf(action: Action): RulesetVerdict {
  switch (action) {
    case Action.Drop: return RulesetVerdict.drop();
    case Action.Reject: return RulesetVerdict.reject();
    case Action.Accept: return RulesetVerdict.accept();
    case Action.Return: return RulesetVerdict.return_();
    default: return RulesetVerdict.continue_();
  }
}

function commentOf(rule: TreeRule): string {
  let comment = `${<i32>rule.direction} ${rule.priority} ${bit(rule.statematch)}`;
  for (let i = 0; i < rule.matches.length; i++) comment += protocol(rule.matches[i]);
  return comment;
}

function protocol(match: ProtocolMatch): string {
  const conditions: Array<string> = [];
  for (let i = 0; i < match.conditions.length; i++) conditions.push(condition(match.conditions[i]));
  return ` ${match.protocol}${match.negated ? "!" : ""}(${conditions.join(",")})`;
}

function condition(it: Condition): string {
  if (it.value.tag == ValueTag.Literal) return `${it.attribute}=${it.value.literal}`;
  const variable = it.value.variable;
  if (variable.access.tag == AccessTag.Element) return `${it.attribute}=$${variable.name}[${variable.access.element}]`;
  return `${it.attribute}=$${variable.name}[@${variable.access.iterator}]`;
}

function is(field: Field, operand: Operand): Match {
  return new Match(field, false, operand);
}

function rule(matches: Array<Match>, verdict: RulesetVerdict): RulesetRule {
  return new RulesetRule(matches, verdict, null);
}

function fromGuest(on: Subject): Array<RulesetRule> {
  const group = "01:00:00:00:00:00";
  const foreign = new Match(Field.EtherSource, true, Operand.mac(on.mac));
  const some = Operand.addresses(new Tuple2<string, string>("192.0.2.1", "192.0.2.9"));
  return [
    new RulesetRule([foreign], RulesetVerdict.reject(), "not its own"),
    rule([is(Field.EtherDestination, Operand.maskedMac(new MaskedMac(group, group)))], RulesetVerdict.return_()),
    rule([is(Field.IpSource, some)], RulesetVerdict.continue_()),
    rule([], RulesetVerdict.jump("tree")),
  ];
}

function toGuest(): Array<RulesetRule> {
  const states = [ConnectionState.Established, ConnectionState.Related];
  const tcp = is(Field.IpProtocol, Operand.number(6));
  const udp = is(Field.IpProtocol, Operand.number(17));
  const ports = Operand.range(new Tuple2<u64, u64>(1024, 65535));
  const block = Operand.network(new Tuple2<string, u8>("198.51.100.0", 24));
  return [
    rule([is(Field.State, Operand.states(states))], RulesetVerdict.accept()),
    rule([tcp, is(Field.TcpFlags, Operand.masked(new Masked(2, 18)))], RulesetVerdict.drop()),
    rule([udp, is(Field.DestinationPort, ports)], RulesetVerdict.accept()),
    rule([is(Field.IpSource, Operand.set("known"))], RulesetVerdict.accept()),
    rule([is(Field.IpSource, block)], RulesetVerdict.drop()),
    rule([is(Field.Ip6Source, Operand.address("2001:db8::1"))], RulesetVerdict.drop()),
    rule([is(Field.HostSet, Operand.hostSet(new HostSet("trusted", [true, false])))], RulesetVerdict.accept()),
    rule([], RulesetVerdict.lookup(new Lookup(Field.IpSource, "by-source"))),
  ];
}
