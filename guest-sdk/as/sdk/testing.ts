// Tests of a policy without Wasm's host: `node sdk/test.mjs` compiles test.ts and runs each function it exports.
//
//     export function smallDomainsAreRefused(): void {
//       const small = new DomainData();
//       small.memory = 64 << 20;
//       expectDeny(domainDefine(context("{}"), domain(small)), "too small");
//     }

import {
  Actor, Balloon, ClockApi, Code, Commitment, Context, Counters, Disk, DisksApi, DomainConfig, DomainsApi, Failure, Filter, HostApi, HostError,
  Info, KsmApi, KsmState, KvApi, Lease, Level, LogApi, Memory, MigratedDisk, Mode, Network, NetworkInterface, NetworksApi, NewVolume, Pool, PoolsApi,
  Port, Space, State, Subject, Summary, TimerApi, Verdict, VerdictTag, Volume, VolumePlan, VolumesApi,
  setClock, setDisks, setDomains, setHost, setKsm, setKv, setLog, setNetworks, setPools, setTimer, setVolumes,
} from "./contract";
import { Result, Some, abort } from "./abi";

/** A domain as a test makes it. */
export class DomainData {
  name: string = "test";
  uuid: string = "00000000-0000-4000-8000-000000000000";
  state: State = State.ShutOff;
  title: string | null = null;
  domainType: string = "kvm";
  memory: u64 = 1 << 30;
  currentMemory: u64 = 1 << 30;
  vcpus: u32 = 1;
  currentVcpus: u32 = 1;
  mergeable: bool = true;
  kernel: string | null = null;
  cmdline: string | null = null;
  disks: Array<Disk> = [];
  interfaces: Array<NetworkInterface> = [];
  balloon: Balloon | null = null;
  rngCount: u32 = 0;
  metadata: string | null = null;
  xml: string = "";
}

class FakeDomain extends DomainConfig {
  constructor(private data: DomainData) {
    super(-1);
  }

  name(): string {
    return this.data.name;
  }
  uuid(): string {
    return this.data.uuid;
  }
  state(): State {
    return this.data.state;
  }
  title(): string | null {
    return this.data.title;
  }
  domainType(): string {
    return this.data.domainType;
  }
  memory(): u64 {
    return this.data.memory;
  }
  currentMemory(): u64 {
    return this.data.currentMemory;
  }
  vcpus(): u32 {
    return this.data.vcpus;
  }
  currentVcpus(): u32 {
    return this.data.currentVcpus;
  }
  mergeable(): bool {
    return this.data.mergeable;
  }
  kernel(): string | null {
    return this.data.kernel;
  }
  cmdline(): string | null {
    return this.data.cmdline;
  }
  disks(): Array<Disk> {
    return this.data.disks;
  }
  interfaces(): Array<NetworkInterface> {
    return this.data.interfaces;
  }
  balloon(): Balloon | null {
    return this.data.balloon;
  }
  rngCount(): u32 {
    return this.data.rngCount;
  }
  metadata(): string | null {
    return this.data.metadata;
  }
  xml(): string {
    return this.data.xml;
  }
  drop(): void {}
}

/** What the host answers, and what it was asked to do. */
export class TestHost {
  info: Info = new Info("host", 0, 0, 1);
  memory: Memory = new Memory(0, 0, 0, 0, 0, 0, 0);
  ksm: KsmState = new KsmState(0, 0, 0, null, 0, 0, 0, 0, 0);
  committed: Commitment = new Commitment(0, 0, 0);
  domains: Array<DomainData> = [];
  networks: Array<Network> = [];
  /** What is plugged into the networks, by `network`. */
  ports: Array<Port> = [];
  /** What the DHCP server of every network gave out. */
  leases: Array<Lease> = [];
  /** What passed every port. */
  counters: Counters = new Counters(0, 0, 0, 0, 0, 0);
  pools: Array<Pool> = [];
  /** Volumes of any pool. */
  volumes: Array<Volume> = [];
  /** Disks of the guest that moves. */
  migratedDisks: Array<MigratedDisk> = [];
  now: u64 = 0;
  monotonic: u64 = 0;
  /** When it is set, every call that can fail does so. */
  failure: HostError | null = null;
  /** The calls that would have changed something: `start web-1`. */
  calls: Array<string> = [];
  /** Lines that were logged: `1 text`, with the number of their level. */
  lines: Array<string> = [];
  store: Map<string, Uint8Array> = new Map<string, Uint8Array>();

  /** A value, or the failure that the test wants. */
  answer<T>(value: T): Result<T, HostError> {
    const failure = this.failure;
    return failure === null ? Result.ok<T, HostError>(value) : Result.err<T, HostError>(failure);
  }

  /** Remembers a call that would have changed something. */
  change(call: string): HostError | null {
    if (this.failure === null) this.calls.push(call);
    return this.failure;
  }
}

/** The host of the test. */
export let theHost: TestHost = new TestHost();

/** A new host, which answers from now on. */
export function newHost(): TestHost {
  theHost = new TestHost();
  setHost(new FakeHost());
  setKsm(new FakeKsm());
  setDomains(new FakeDomains());
  setNetworks(new FakeNetworks());
  setPools(new FakePools());
  setVolumes(new FakeVolumes());
  setClock(new FakeClock());
  setTimer(new FakeTimer());
  setDisks(new FakeDisks());
  setLog(new FakeLog());
  setKv(new FakeKv());
  return theHost;
}

class FakeHost extends HostApi {
  getInfo(): Result<Info, HostError> {
    return theHost.answer<Info>(theHost.info);
  }
  getMemory(): Result<Memory, HostError> {
    return theHost.answer<Memory>(theHost.memory);
  }
}

class FakeKsm extends KsmApi {
  get(): Result<KsmState, HostError> {
    return theHost.answer<KsmState>(theHost.ksm);
  }
}

class FakeDomains extends DomainsApi {
  list(): Result<Array<Summary>, HostError> {
    const rows: Array<Summary> = [];
    for (let i = 0; i < theHost.domains.length; i++) {
      const it = theHost.domains[i];
      rows.push(new Summary(it.uuid, it.name, it.state, true, false));
    }
    return theHost.answer<Array<Summary>>(rows);
  }
  get(name: string): Result<DomainConfig, HostError> {
    for (let i = 0; i < theHost.domains.length; i++) {
      const it = theHost.domains[i];
      if (it.name == name || it.uuid == name) return theHost.answer<DomainConfig>(domain(it));
    }
    return Result.err<DomainConfig, HostError>(new HostError(Code.NotFound, `there is no domain '${name}'`));
  }
  committed(except: string | null): Result<Commitment, HostError> {
    return theHost.answer<Commitment>(theHost.committed);
  }
  start(name: string): HostError | null {
    return theHost.change(`start ${name}`);
  }
  shutdown(name: string): HostError | null {
    return theHost.change(`shutdown ${name}`);
  }
  destroy(name: string): HostError | null {
    return theHost.change(`destroy ${name}`);
  }
  suspend(name: string): HostError | null {
    return theHost.change(`suspend ${name}`);
  }
  resume(name: string): HostError | null {
    return theHost.change(`resume ${name}`);
  }
  setMemory(name: string, target: u64): HostError | null {
    return theHost.change(`set-memory ${name} ${target}`);
  }
}

class FakeNetworks extends NetworksApi {
  list(): Result<Array<Network>, HostError> {
    return theHost.answer<Array<Network>>(theHost.networks);
  }
  get(name: string): Result<Network, HostError> {
    for (let i = 0; i < theHost.networks.length; i++) {
      const it = theHost.networks[i];
      if (it.name == name) return theHost.answer<Network>(it);
    }
    return Result.err<Network, HostError>(new HostError(Code.NotFound, `there is no network '${name}'`));
  }
  ports(network: string): Result<Array<Port>, HostError> {
    const found = this.get(network);
    if (!found.isOk) return Result.err<Array<Port>, HostError>(found.error);
    const ports: Array<Port> = [];
    for (let i = 0; i < theHost.ports.length; i++) {
      const it = theHost.ports[i];
      const plugged = it.network;
      if (plugged !== null && plugged == network) ports.push(it);
    }
    return theHost.answer<Array<Port>>(ports);
  }
  leases(network: string): Result<Array<Lease>, HostError> {
    const found = this.get(network);
    if (!found.isOk) return Result.err<Array<Lease>, HostError>(found.error);
    return theHost.answer<Array<Lease>>(theHost.leases);
  }
  portCounters(network: string, link: string): Result<Counters, HostError> {
    const ports = this.ports(network);
    if (!ports.isOk) return Result.err<Counters, HostError>(ports.error);
    for (let i = 0; i < ports.value.length; i++) {
      if (ports.value[i].link == link) return theHost.answer<Counters>(theHost.counters);
    }
    return Result.err<Counters, HostError>(new HostError(Code.NotFound, `there is no port '${link}'`));
  }
}

class FakePools extends PoolsApi {
  list(): Result<Array<Pool>, HostError> {
    return theHost.answer<Array<Pool>>(theHost.pools);
  }
  get(name: string): Result<Pool, HostError> {
    for (let i = 0; i < theHost.pools.length; i++) {
      if (theHost.pools[i].name == name) return theHost.answer<Pool>(theHost.pools[i]);
    }
    return Result.err<Pool, HostError>(new HostError(Code.NotFound, `there is no pool '${name}'`));
  }
}

/** A change is done to the volumes of the test's host, and remembered. */
class FakeVolumes extends VolumesApi {
  private add(call: string, made: Volume): Result<Volume, HostError> {
    const failure = theHost.change(call);
    if (failure !== null) return Result.err<Volume, HostError>(failure);
    theHost.volumes.push(made);
    return Result.ok<Volume, HostError>(made);
  }
  list(pool: string): Result<Array<Volume>, HostError> {
    const found: Array<Volume> = [];
    for (let i = 0; i < theHost.volumes.length; i++) {
      if (theHost.volumes[i].pool == pool) found.push(theHost.volumes[i]);
    }
    return theHost.answer<Array<Volume>>(found);
  }
  get(pool: string, name: string): Result<Volume, HostError> {
    for (let i = 0; i < theHost.volumes.length; i++) {
      const it = theHost.volumes[i];
      if (it.pool == pool && it.name == name) return theHost.answer<Volume>(it);
    }
    return Result.err<Volume, HostError>(new HostError(Code.NotFound, `pool '${pool}' has no volume '${name}'`));
  }
  create(pool: string, wanted: NewVolume): Result<Volume, HostError> {
    return this.add(`create ${pool} ${wanted.name} ${wanted.capacity}`, volume(pool, wanted.name, wanted.capacity));
  }
  copy(pool: string, source: string, name: string): Result<Volume, HostError> {
    const found = this.get(pool, source);
    if (!found.isOk) return found;
    return this.add(`copy ${pool} ${source} ${name}`, volume(pool, name, found.value.capacity));
  }
  resize(pool: string, name: string, capacity: u64, shrink: bool): Result<Volume, HostError> {
    const found = this.get(pool, name);
    if (!found.isOk) return found;
    if (capacity < found.value.capacity && !shrink) {
      return Result.err<Volume, HostError>(new HostError(Code.Invalid, `'${name}' has ${found.value.capacity} bytes`));
    }
    const failure = theHost.change(`resize ${pool} ${name} ${capacity}`);
    if (failure !== null) return Result.err<Volume, HostError>(failure);
    found.value.capacity = capacity;
    return found;
  }
  delete(pool: string, name: string): HostError | null {
    const found = this.get(pool, name);
    if (!found.isOk) return found.error;
    const failure = theHost.change(`delete ${pool} ${name}`);
    if (failure === null) theHost.volumes.splice(theHost.volumes.indexOf(found.value), 1);
    return failure;
  }
  read(pool: string, name: string, offset: u64, length: u32): Result<Uint8Array, HostError> {
    const found = this.get(pool, name);
    if (!found.isOk) return Result.err<Uint8Array, HostError>(found.error);
    const rest: u64 = found.value.capacity > offset ? found.value.capacity - offset : 0;
    return theHost.answer<Uint8Array>(new Uint8Array(<i32>min<u64>(min<u64>(rest, length), 1 << 20)));
  }
  write(pool: string, name: string, offset: u64, data: Uint8Array): HostError | null {
    const found = this.get(pool, name);
    if (!found.isOk) return found.error;
    return theHost.change(`write ${pool} ${name} ${offset} ${data.length}`);
  }
}

class FakeClock extends ClockApi {
  now(): u64 {
    return theHost.now;
  }
  monotonic(): u64 {
    return theHost.monotonic;
  }
}

class FakeTimer extends TimerApi {
  pause(milliseconds: u32): HostError | null {
    if (theHost.failure !== null) return theHost.failure;
    theHost.now += milliseconds;
    theHost.monotonic += <u64>milliseconds * 1000000;
    return null;
  }
}

class FakeDisks extends DisksApi {
  list(): Array<MigratedDisk> {
    return theHost.migratedDisks;
  }
}

class FakeLog extends LogApi {
  write(level: Level, message: string): void {
    theHost.lines.push(`${<i32>level} ${message}`);
  }
}

class FakeKv extends KvApi {
  get(key: string): Result<Uint8Array | null, HostError> {
    const value: Uint8Array | null = theHost.store.has(key) ? theHost.store.get(key) : null;
    return theHost.answer<Uint8Array | null>(value);
  }
  set(key: string, value: Uint8Array): HostError | null {
    if (theHost.failure === null) theHost.store.set(key, value);
    return theHost.failure;
  }
  delete(key: string): Result<bool, HostError> {
    return theHost.answer<bool>(theHost.failure === null && theHost.store.delete(key));
  }
  keys(prefix: string): Result<Array<string>, HostError> {
    const keys = theHost.store.keys();
    const found: Array<string> = [];
    for (let i = 0; i < keys.length; i++) {
      if (keys[i].startsWith(prefix)) found.push(keys[i]);
    }
    found.sort();
    return theHost.answer<Array<string>>(found);
  }
}

/** A domain to hand to a hook. */
export function domain(data: DomainData): DomainConfig {
  return new FakeDomain(data);
}

/** A running directory pool without volumes, with room of `capacity` bytes. */
export function pool(name: string = "test", capacity: u64 = 1 << 40): Pool {
  const space = new Space(capacity, 0, capacity);
  return new Pool("00000000-0000-4000-8000-000000000002", name, "dir", true, true, false, null, space, 0);
}

/** A raw volume that takes nothing of its pool. */
export function volume(pool: string = "test", name: string = "disk.img", capacity: u64 = 1 << 30): Volume {
  const path = `/${pool}/${name}`;
  return new Volume(name, pool, path, path, "raw", capacity, 0, null, null, true);
}

/** A volume that is about to be made. */
export function plan(name: string = "disk.img", capacity: u64 = 1 << 30): VolumePlan {
  return new VolumePlan(name, new Some<u64>(capacity), null, null, null, null, "<volume/>");
}

/** A persistent NAT network that does not run. */
export function network(name: string = "test"): Network {
  return new Network("00000000-0000-4000-8000-000000000001", name, Mode.Nat, false, true, false, null, [], 0);
}

/** An interface of the domain `test` without a filter. */
export function port(network: string | null = null, link: string = "tap0"): Port {
  return new Port("test", "52:54:00:00:00:01", link, network, null, []);
}

/** The interface of a filter: that of `port()`. */
export function subject(): Subject {
  return new Subject("test", "tap0", "52:54:00:00:00:01", []);
}

/** A filter of chain `root` with nothing in it. */
export function filter(name: string = "test"): Filter {
  return new Filter(name, "root", 0, [], []);
}

/** The context of a call by the daemon, with this configuration. */
export function context(config: string): Context {
  return new Context("test", 0, Actor.daemon(), config, 1);
}

/** The test goes on only when it is so. */
export function check(good: bool, what: string): void {
  if (!good) abort(`not so: ${what}`);
}

/** Two texts are the same. */
export function equal(found: string, expected: string): void {
  if (found != expected) abort(`expected "${expected}", found "${found}"`);
}

function verdict(decision: Result<Verdict, Failure>): Verdict {
  if (!decision.isOk) abort(`the guard failed: ${decision.error.message}`);
  return decision.value;
}

/** The guard has no objection. */
export function expectAllow(decision: Result<Verdict, Failure>): void {
  const it = verdict(decision);
  if (it.tag == VerdictTag.Deny) abort(`the guard denied: ${it.deny}`);
  check(it.tag == VerdictTag.Allow, "the guard allows");
}

/** The guard stops for this reason. */
export function expectDeny(decision: Result<Verdict, Failure>, reason: string): void {
  const it = verdict(decision);
  check(it.tag == VerdictTag.Deny, "the guard denies");
  equal(it.deny, reason);
}

/** The hook fails, and this is what the operator reads. */
export function expectFailure<T>(answer: Result<T, Failure>, message: string): void {
  check(!answer.isOk, "the hook fails");
  equal(answer.error.message, message);
}
