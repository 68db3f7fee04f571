// The contract in AssemblyScript, made of wit/. Do not edit: 'cargo test -p reeve-package' writes it anew.

import * as abi from "./abi";
import { Result, Some, Tuple2 } from "./abi";

// reeve:clock/clock@0.1.0

// @ts-ignore: a decorator of the language
@external("reeve:clock/clock@0.1.0", "now")
declare function clock_now(): i64;

// @ts-ignore: a decorator of the language
@external("reeve:clock/clock@0.1.0", "monotonic")
declare function clock_monotonic(): i64;

/** The host's clock, recorded and replayed with the call. Needs no grant. */
export class ClockApi {
  /** Time since the Unix epoch in milliseconds, UTC. */
  now(): u64 {
    return <u64>clock_now();
  }

  /** Nanoseconds on a clock that never goes back; only differences mean something. */
  monotonic(): u64 {
    return <u64>clock_monotonic();
  }
}

/** The host's clock, recorded and replayed with the call. Needs no grant. */
export let clock: ClockApi = new ClockApi();

/** For tests: who answers instead of the host. */
export function setClock(to: ClockApi): void {
  clock = to;
}

// reeve:clock/timer@0.1.0

// @ts-ignore: a decorator of the language
@external("reeve:clock/timer@0.1.0", "pause")
declare function timer_pause(p0: i32, p1: i32): void;

/** Waiting. Needs no grant, but only tasks may wait: from any other hook `pause` answers `denied`. */
export class TimerApi {
  /** Waits so many milliseconds, 0 to 60000. The deadline of the run goes on meanwhile; what is beyond it ends the run. */
  pause(milliseconds: u32): HostError | null {
    const ret = abi.allocate(16);
    timer_pause(<i32>milliseconds, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }
}

/** Waiting. Needs no grant, but only tasks may wait: from any other hook `pause` answers `denied`. */
export let timer: TimerApi = new TimerApi();

/** For tests: who answers instead of the host. */
export function setTimer(to: TimerApi): void {
  timer = to;
}

// reeve:domain/config@0.1.0

/** What a domain is doing; the words of `domain list`. */
export enum State {
  /** At least one vCPU runs or may run. */
  Running,
  /** Running, but every vCPU waits. */
  Idle,
  /** vCPUs are stopped by the host; memory is kept. */
  Paused,
  /** The guest was asked to shut down and has not finished. */
  InShutdown,
  /** Not running. */
  ShutOff,
  /** Stopped because the guest or its worker failed. */
  Crashed,
  /** The guest suspended itself. */
  PmSuspended,
}

/** One disk. */
export class Disk {
  constructor(
    /** Target name, e.g. `vda`; unique in the domain. */
    public target: string,
    /** `disk`, `cdrom`, `floppy` or `lun`. */
    public device: string,
    /** Path of the image or block device; none for an empty drive or another kind of source. */
    public source: string | null,
    /** `raw`, `qcow2`…; none when the document does not say (raw). */
    public format: string | null,
    /** Cache mode; none when the document does not say. */
    public cache: string | null,
    /** Bus, e.g. `virtio`; none when the document does not say. */
    public bus: string | null,
    /** True when the guest may not write. */
    public readonly: bool,
    /** True when several domains may write. */
    public shareable: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Disk {
    return new Disk(abi.loadString(at), abi.loadString(at + 8), abi.loadOption<string>(at + 16, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 28, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 40, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 52, 4, (at: usize): string => abi.loadString(at)), load<u8>(at, 64) != 0, load<u8>(at, 65) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Disk): void {
    abi.storeString(at, it.target);
    abi.storeString(at + 8, it.device);
    abi.storeOption<string>(at + 16, 4, it.source, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 28, 4, it.format, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 40, 4, it.cache, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 52, 4, it.bus, (at: usize, it: string): void => { abi.storeString(at, it); });
    store<u8>(at, <u8>it.readonly, 64);
    store<u8>(at, <u8>it.shareable, 65);
  }
}

/** One network interface. */
export class NetworkInterface {
  constructor(
    /** `ethernet`, `bridge`, `network`, `direct`… */
    public kind: string,
    /** Attributes of `<source>`: name and value. */
    public source: Array<Tuple2<string, string>>,
    /** MAC address, lower case with colons; none before one is allocated. */
    public mac: string | null,
    /** Name of the host's tap; none when the host chooses. */
    public target: string | null,
    /** `virtio`, …; none when the document does not say. */
    public model: string | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): NetworkInterface {
    return new NetworkInterface(abi.loadString(at), abi.loadList<Tuple2<string, string>>(at + 8, 16, (at: usize): Tuple2<string, string> => new Tuple2<string, string>(abi.loadString(at), abi.loadString(at + 8))), abi.loadOption<string>(at + 16, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 28, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 40, 4, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: NetworkInterface): void {
    abi.storeString(at, it.kind);
    abi.storeList<Tuple2<string, string>>(at + 8, it.source, 16, (at: usize, it: Tuple2<string, string>): void => { abi.storeString(at, it.first); abi.storeString(at + 8, it.second); });
    abi.storeOption<string>(at + 16, 4, it.mac, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 28, 4, it.target, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 40, 4, it.model, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

/** Memory balloon. */
export class Balloon {
  constructor(
    /** `virtio` or `none`. */
    public model: string,
    /** Period of statistics in seconds; none when off. */
    public statsPeriod: Some<u32> | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): Balloon {
    return new Balloon(abi.loadString(at), abi.loadSome<u32>(at + 8, 4, (at: usize): u32 => load<u32>(at, 0)));
  }

  /** For the bindings. */
  static store(at: usize, it: Balloon): void {
    abi.storeString(at, it.model);
    abi.storeSome<u32>(at + 8, 4, it.statsPeriod, (at: usize, it: u32): void => { store<u32>(at, it, 0); });
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[resource-drop]domain-config")
declare function drop_domainConfig(self: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.name")
declare function config_MethodDomainConfigName(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.uuid")
declare function config_MethodDomainConfigUuid(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.state")
declare function config_MethodDomainConfigState(p0: i32): i32;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.title")
declare function config_MethodDomainConfigTitle(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.domain-type")
declare function config_MethodDomainConfigDomainType(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.memory")
declare function config_MethodDomainConfigMemory(p0: i32): i64;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.current-memory")
declare function config_MethodDomainConfigCurrentMemory(p0: i32): i64;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.vcpus")
declare function config_MethodDomainConfigVcpus(p0: i32): i32;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.current-vcpus")
declare function config_MethodDomainConfigCurrentVcpus(p0: i32): i32;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.mergeable")
declare function config_MethodDomainConfigMergeable(p0: i32): i32;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.kernel")
declare function config_MethodDomainConfigKernel(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.cmdline")
declare function config_MethodDomainConfigCmdline(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.disks")
declare function config_MethodDomainConfigDisks(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.interfaces")
declare function config_MethodDomainConfigInterfaces(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.balloon")
declare function config_MethodDomainConfigBalloon(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.rng-count")
declare function config_MethodDomainConfigRngCount(p0: i32): i32;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.metadata")
declare function config_MethodDomainConfigMetadata(p0: i32, p1: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/config@0.1.0", "[method]domain-config.xml")
declare function config_MethodDomainConfigXml(p0: i32, p1: i32): void;

/** The effective configuration of one domain: the definition, or the live one while it runs. A snapshot: it does not change while a hook looks at it. */
export class DomainConfig {
  constructor(readonly handle: i32) {}

  /** Unique name. */
  name(): string {
    const ret = abi.allocate(8);
    config_MethodDomainConfigName(this.handle, <i32>ret);
    return abi.loadString(ret);
  }

  /** Identity. */
  uuid(): string {
    const ret = abi.allocate(8);
    config_MethodDomainConfigUuid(this.handle, <i32>ret);
    return abi.loadString(ret);
  }

  /** State when the hook was called. */
  state(): State {
    return <State>config_MethodDomainConfigState(this.handle);
  }

  /** Title; none when the document has none. */
  title(): string | null {
    const ret = abi.allocate(12);
    config_MethodDomainConfigTitle(this.handle, <i32>ret);
    return abi.loadOption<string>(ret, 4, (at: usize): string => abi.loadString(at));
  }

  /** Driver it asks for: `kvm`, `sim` or another word. */
  domainType(): string {
    const ret = abi.allocate(8);
    config_MethodDomainConfigDomainType(this.handle, <i32>ret);
    return abi.loadString(ret);
  }

  /** Memory at boot and at most, bytes. */
  memory(): u64 {
    return <u64>config_MethodDomainConfigMemory(this.handle);
  }

  /** Memory after the balloon took its share, bytes. */
  currentMemory(): u64 {
    return <u64>config_MethodDomainConfigCurrentMemory(this.handle);
  }

  /** vCPUs at most. */
  vcpus(): u32 {
    return <u32>config_MethodDomainConfigVcpus(this.handle);
  }

  /** vCPUs at boot. */
  currentVcpus(): u32 {
    return <u32>config_MethodDomainConfigCurrentVcpus(this.handle);
  }

  /** True when the host may merge this guest's pages (no `<nosharepages/>`). */
  mergeable(): bool {
    return config_MethodDomainConfigMergeable(this.handle) != 0;
  }

  /** Path of the kernel; none when the document has none. */
  kernel(): string | null {
    const ret = abi.allocate(12);
    config_MethodDomainConfigKernel(this.handle, <i32>ret);
    return abi.loadOption<string>(ret, 4, (at: usize): string => abi.loadString(at));
  }

  /** Kernel command line; none when the document has none. */
  cmdline(): string | null {
    const ret = abi.allocate(12);
    config_MethodDomainConfigCmdline(this.handle, <i32>ret);
    return abi.loadOption<string>(ret, 4, (at: usize): string => abi.loadString(at));
  }

  /** Disks in document order. */
  disks(): Array<Disk> {
    const ret = abi.allocate(8);
    config_MethodDomainConfigDisks(this.handle, <i32>ret);
    return abi.loadList<Disk>(ret, 68, (at: usize): Disk => Disk.load(at));
  }

  /** Interfaces in document order. */
  interfaces(): Array<NetworkInterface> {
    const ret = abi.allocate(8);
    config_MethodDomainConfigInterfaces(this.handle, <i32>ret);
    return abi.loadList<NetworkInterface>(ret, 52, (at: usize): NetworkInterface => NetworkInterface.load(at));
  }

  /** Memory balloon; none when the document does not say. */
  balloon(): Balloon | null {
    const ret = abi.allocate(20);
    config_MethodDomainConfigBalloon(this.handle, <i32>ret);
    return abi.loadOption<Balloon>(ret, 4, (at: usize): Balloon => Balloon.load(at));
  }

  /** Number of random-number devices. */
  rngCount(): u32 {
    return <u32>config_MethodDomainConfigRngCount(this.handle);
  }

  /** `<metadata>` as XML text of the whole element; none when there is none. */
  metadata(): string | null {
    const ret = abi.allocate(12);
    config_MethodDomainConfigMetadata(this.handle, <i32>ret);
    return abi.loadOption<string>(ret, 4, (at: usize): string => abi.loadString(at));
  }

  /** The whole document in canonical form. Far dearer than the getters. */
  xml(): string {
    const ret = abi.allocate(8);
    config_MethodDomainConfigXml(this.handle, <i32>ret);
    return abi.loadString(ret);
  }

  /** Gives it back to the host. */
  drop(): void {
    drop_domainConfig(this.handle);
  }
}

// reeve:domain/domains@0.1.0

/** One row of a list. */
export class Summary {
  constructor(
    /** Identity. */
    public uuid: string,
    /** Unique name. */
    public name: string,
    /** What it is doing. */
    public state: State,
    /** True when a definition is kept after it stops. */
    public persistent: bool,
    /** True when the daemon starts it by itself. */
    public autostart: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Summary {
    return new Summary(abi.loadString(at), abi.loadString(at + 8), <State><i32>load<u8>(at, 16), load<u8>(at, 17) != 0, load<u8>(at, 18) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Summary): void {
    abi.storeString(at, it.uuid);
    abi.storeString(at + 8, it.name);
    store<u8>(at, <u8>it.state, 16);
    store<u8>(at, <u8>it.persistent, 17);
    store<u8>(at, <u8>it.autostart, 18);
  }
}

/** What all active domains together may use; needs `domain:read` on every domain (`name=*`). */
export class Commitment {
  constructor(
    /** Active domains. */
    public active: u32,
    /** Sum of their maximum memory, bytes. */
    public memory: u64,
    /** Sum of their vCPUs. */
    public vcpus: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Commitment {
    return new Commitment(load<u32>(at, 0), load<u64>(at, 8), load<u32>(at, 16));
  }

  /** For the bindings. */
  static store(at: usize, it: Commitment): void {
    store<u32>(at, it.active, 0);
    store<u64>(at, it.memory, 8);
    store<u32>(at, it.vcpus, 16);
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "list")
declare function domains_list(p0: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "get")
declare function domains_get(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "committed")
declare function domains_committed(p0: i32, p1: i32, p2: i32, p3: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "start")
declare function domains_start(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "shutdown")
declare function domains_shutdown(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "destroy")
declare function domains_destroy(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "suspend")
declare function domains_suspend(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "resume")
declare function domains_resume(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:domain/domains@0.1.0", "set-memory")
declare function domains_setMemory(p0: i32, p1: i32, p2: i64, p3: i32): void;

/** The domains of this host. Functions that read need the grant `domain:read`, the others the grant named with each. A domain outside the grant's subjects is `not-found` when read and `denied` when changed. Functions that change something may only be called from notify hooks and tuners; from a guard or a proposal they answer `denied`. */
export class DomainsApi {
  /** All domains the policy may read, ordered by name. */
  list(): Result<Array<Summary>, HostError> {
    const ret = abi.allocate(16);
    domains_list(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Summary>, HostError>(abi.loadList<Summary>(ret + 4, 20, (at: usize): Summary => Summary.load(at))) : Result.err<Array<Summary>, HostError>(HostError.load(ret + 4));
  }

  /** One domain by name or UUID. */
  get(name: string): Result<DomainConfig, HostError> {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_get(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<DomainConfig, HostError>(new DomainConfig(load<i32>(ret, 4))) : Result.err<DomainConfig, HostError>(HostError.load(ret + 4));
  }

  /** Sums over all active domains but `except` (a UUID), for admission: the domain that is asked about is not counted twice. */
  committed(except: string | null): Result<Commitment, HostError> {
    const exceptBytes = String.UTF8.encode(except === null ? "" : except);
    const ret = abi.allocate(32);
    domains_committed(except === null ? 0 : 1, <i32>changetype<usize>(exceptBytes), exceptBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Commitment, HostError>(Commitment.load(ret + 8)) : Result.err<Commitment, HostError>(HostError.load(ret + 8));
  }

  /** Starts a defined domain. Needs `domain:start`. */
  start(name: string): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_start(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Asks the guest to shut down; answers before it has. Needs `domain:shutdown`. */
  shutdown(name: string): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_shutdown(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Stops it by force. Needs `domain:destroy`. */
  destroy(name: string): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_destroy(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Stops its vCPUs. Needs `domain:suspend`. */
  suspend(name: string): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_suspend(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Lets its vCPUs run again. Needs `domain:suspend`. */
  resume(name: string): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_resume(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Sets the balloon target, bytes, clamped to the domain's maximum. Needs `domain:configure`. */
  setMemory(name: string, target: u64): HostError | null {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    domains_setMemory(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i64>target, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }
}

/** The domains of this host. Functions that read need the grant `domain:read`, the others the grant named with each. A domain outside the grant's subjects is `not-found` when read and `denied` when changed. Functions that change something may only be called from notify hooks and tuners; from a guard or a proposal they answer `denied`. */
export let domains: DomainsApi = new DomainsApi();

/** For tests: who answers instead of the host. */
export function setDomains(to: DomainsApi): void {
  domains = to;
}

// reeve:events/events@0.1.0

/** What happened to a domain. */
export enum DomainChange {
  /** A definition was added or replaced. */
  Defined,
  /** The definition was removed. */
  Undefined,
  /** It runs. */
  Started,
  /** vCPUs were stopped. */
  Suspended,
  /** vCPUs run again. */
  Resumed,
  /** The guest was asked to shut down. */
  ShutdownRequested,
  /** The machine was reset or the guest rebooted. */
  Rebooted,
  /** It ended. */
  Stopped,
  /** All resources of a stopped domain are given back. */
  Released,
  /** The guest or its worker failed. */
  Crashed,
  /** A restarted daemon found it alive. */
  Reconnected,
  /** A device was plugged. */
  DeviceAttached,
  /** A device was unplugged. */
  DeviceDetached,
  /** Autostart, title or another setting changed. */
  Changed,
}

/** One event of a domain's life. */
export class DomainEvent {
  constructor(
    /** Position on the event bus; it grows. */
    public seq: u64,
    /** Which domain. */
    public uuid: string,
    /** Its name. */
    public name: string,
    /** What happened. */
    public change: DomainChange,
    /** Its state afterwards. */
    public state: State,
    /** Why it is in that state, e.g. `booted`, `guest crash`. */
    public reason: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): DomainEvent {
    return new DomainEvent(load<u64>(at, 0), abi.loadString(at + 8), abi.loadString(at + 16), <DomainChange><i32>load<u8>(at, 24), <State><i32>load<u8>(at, 25), abi.loadString(at + 28));
  }

  /** For the bindings. */
  static store(at: usize, it: DomainEvent): void {
    store<u64>(at, it.seq, 0);
    abi.storeString(at + 8, it.uuid);
    abi.storeString(at + 16, it.name);
    store<u8>(at, <u8>it.change, 24);
    store<u8>(at, <u8>it.state, 25);
    abi.storeString(at + 28, it.reason);
  }
}

/** What happened to the daemon. */
export enum DaemonChange {
  /** It serves. */
  Started,
  /** It is about to end. */
  Stopping,
  /** Configuration and policies were read again. */
  Reloaded,
}

// reeve:filter/ruleset@0.1.0

/** When packets are looked at. */
export enum Layer {
  /** Frame by frame, first. */
  Link,
  /** After it, with the state of the packet's connection. */
  Connection,
}

/** The way of a packet, seen from the guest. */
export enum Flow {
  /** To the guest. */
  In,
  /** From the guest. */
  Out,
}

/** A field of a packet. A match of a field that a packet has not does not hold, negated or not. */
export enum Field {
  /** Source of the frame. MAC. */
  EtherSource,
  /** Destination of the frame. MAC. */
  EtherDestination,
  /** Protocol of the frame; of a tagged frame 0x8100. 16 bits. */
  EtherType,
  /** VLAN id of a tagged frame. 12 bits. */
  VlanId,
  /** Protocol inside of a tagged frame. 16 bits. */
  VlanType,
  /** ARP hardware type. 16 bits. */
  ArpHardwareType,
  /** ARP protocol type. 16 bits. */
  ArpProtocolType,
  /** ARP and RARP operation. 16 bits. */
  ArpOperation,
  /** Hardware address of the sender in ARP. MAC. */
  ArpSourceMac,
  /** Hardware address of the target in ARP. MAC. */
  ArpTargetMac,
  /** Address of the sender in ARP. IPv4. */
  ArpSourceIp,
  /** Address of the target in ARP. IPv4. */
  ArpTargetIp,
  /** 1 where sender and target address of ARP are one, else 0. */
  ArpGratuitous,
  /** IPv4 source. */
  IpSource,
  /** IPv4 destination. */
  IpDestination,
  /** IPv4 protocol. 8 bits. */
  IpProtocol,
  /** IPv4 DSCP. 6 bits. */
  IpDscp,
  /** IPv6 source. */
  Ip6Source,
  /** IPv6 destination. */
  Ip6Destination,
  /** Protocol after the last extension header of IPv6. 8 bits. */
  Ip6Protocol,
  /** IPv6 DSCP. 6 bits. */
  Ip6Dscp,
  /** Source port of TCP, UDP, UDPLITE or SCTP. 16 bits; its rule must also match the protocol. */
  SourcePort,
  /** Destination port, as above. */
  DestinationPort,
  /** TCP flags. 8 bits, masked: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  TcpFlags,
  /** ICMP type. 8 bits. */
  IcmpType,
  /** ICMP code. 8 bits. */
  IcmpCode,
  /** ICMPv6 type. 8 bits. */
  Icmp6Type,
  /** ICMPv6 code. 8 bits. */
  Icmp6Code,
  /** BPDU type. 8 bits. */
  StpType,
  /** BPDU flags. 8 bits. */
  StpFlags,
  /** Priority of the root bridge. 16 bits. */
  StpRootPriority,
  /** Address of the root bridge. MAC. */
  StpRootAddress,
  /** Cost of the path to the root. 32 bits. */
  StpRootCost,
  /** Priority of the sending bridge. 16 bits. */
  StpSenderPriority,
  /** Address of the sending bridge. MAC. */
  StpSenderAddress,
  /** Port id. 16 bits. */
  StpPort,
  /** Age of the message. 16 bits. */
  StpMessageAge,
  /** Maximum age. 16 bits. */
  StpMaxAge,
  /** Hello time. 16 bits. */
  StpHelloTime,
  /** Forward delay. 16 bits. */
  StpForwardDelay,
  /** State of the connection; layer `connection` only. */
  State,
  /** Connections that match the rest of the rule, this one included; holds when there are more. Layer `connection` only, last of its rule, not negated. */
  ConnectionsAbove,
  /** Membership in a set that the host's administrator made. */
  HostSet,
}

/** The state of a packet's connection. */
export enum ConnectionState {
  /** Its first packet. */
  New,
  /** Packets went both ways. */
  Established,
  /** New, but expected by another connection. */
  Related,
  /** No connection can be told. */
  Invalid,
}

/** The bits of a number under a mask: `field & mask == value`. */
export class Masked {
  constructor(
    /** Value of the bits under the mask. */
    public value: u64,
    /** Mask. */
    public mask: u64,
  ) {}

  /** For the bindings. */
  static load(at: usize): Masked {
    return new Masked(load<u64>(at, 0), load<u64>(at, 8));
  }

  /** For the bindings. */
  static store(at: usize, it: Masked): void {
    store<u64>(at, it.value, 0);
    store<u64>(at, it.mask, 8);
  }
}

/** The bits of a hardware address under a mask. */
export class MaskedMac {
  constructor(
    /** Value of the bits under the mask, lower case with colons. */
    public value: string,
    /** Mask, likewise. */
    public mask: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): MaskedMac {
    return new MaskedMac(abi.loadString(at), abi.loadString(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: MaskedMac): void {
    abi.storeString(at, it.value);
    abi.storeString(at + 8, it.mask);
  }
}

/** A set of the host. */
export class HostSet {
  constructor(
    /** Its name. */
    public name: string,
    /** Which addresses or ports of the packet are looked up, in the order of the set's fields; `true` is the source. One to six. */
    public sources: Array<bool>,
  ) {}

  /** For the bindings. */
  static load(at: usize): HostSet {
    return new HostSet(abi.loadString(at), abi.loadList<bool>(at + 8, 1, (at: usize): bool => load<u8>(at, 0) != 0));
  }

  /** For the bindings. */
  static store(at: usize, it: HostSet): void {
    abi.storeString(at, it.name);
    abi.storeList<bool>(at + 8, it.sources, 1, (at: usize, it: bool): void => { store<u8>(at, <u8>it, 0); });
  }
}

/** Cases of Operand. */
export enum OperandTag {
  /** One number. */
  Number,
  /** From and to, both included. */
  Range,
  /** Bits of a number. */
  Masked,
  /** One hardware address, lower case with colons. */
  Mac,
  /** Bits of a hardware address. */
  MaskedMac,
  /** One IPv4 or IPv6 address. */
  Address,
  /** All addresses of a network: an address and the length of its prefix. */
  Network,
  /** From and to, both included. */
  Addresses,
  /** Any element of a set of this ruleset, by name. */
  Set,
  /** Any of these states of a connection. */
  States,
  /** A set of the host. */
  HostSet,
}

/** What a field is compared with. */
export class Operand {
  /** One number. */
  number: u64 = 0;
  /** From and to, both included. */
  range!: Tuple2<u64, u64>;
  /** Bits of a number. */
  masked!: Masked;
  /** One hardware address, lower case with colons. */
  mac!: string;
  /** Bits of a hardware address. */
  maskedMac!: MaskedMac;
  /** One IPv4 or IPv6 address. */
  address!: string;
  /** All addresses of a network: an address and the length of its prefix. */
  network!: Tuple2<string, u8>;
  /** From and to, both included. */
  addresses!: Tuple2<string, string>;
  /** Any element of a set of this ruleset, by name. */
  set!: string;
  /** Any of these states of a connection. */
  states!: Array<ConnectionState>;
  /** A set of the host. */
  hostSet!: HostSet;

  private constructor(readonly tag: OperandTag) {}

  /** One number. */
  static number(value: u64): Operand {
    const it = new Operand(OperandTag.Number);
    it.number = value;
    return it;
  }

  /** From and to, both included. */
  static range(value: Tuple2<u64, u64>): Operand {
    const it = new Operand(OperandTag.Range);
    it.range = value;
    return it;
  }

  /** Bits of a number. */
  static masked(value: Masked): Operand {
    const it = new Operand(OperandTag.Masked);
    it.masked = value;
    return it;
  }

  /** One hardware address, lower case with colons. */
  static mac(value: string): Operand {
    const it = new Operand(OperandTag.Mac);
    it.mac = value;
    return it;
  }

  /** Bits of a hardware address. */
  static maskedMac(value: MaskedMac): Operand {
    const it = new Operand(OperandTag.MaskedMac);
    it.maskedMac = value;
    return it;
  }

  /** One IPv4 or IPv6 address. */
  static address(value: string): Operand {
    const it = new Operand(OperandTag.Address);
    it.address = value;
    return it;
  }

  /** All addresses of a network: an address and the length of its prefix. */
  static network(value: Tuple2<string, u8>): Operand {
    const it = new Operand(OperandTag.Network);
    it.network = value;
    return it;
  }

  /** From and to, both included. */
  static addresses(value: Tuple2<string, string>): Operand {
    const it = new Operand(OperandTag.Addresses);
    it.addresses = value;
    return it;
  }

  /** Any element of a set of this ruleset, by name. */
  static set(value: string): Operand {
    const it = new Operand(OperandTag.Set);
    it.set = value;
    return it;
  }

  /** Any of these states of a connection. */
  static states(value: Array<ConnectionState>): Operand {
    const it = new Operand(OperandTag.States);
    it.states = value;
    return it;
  }

  /** A set of the host. */
  static hostSet(value: HostSet): Operand {
    const it = new Operand(OperandTag.HostSet);
    it.hostSet = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Operand {
    switch (load<u8>(at)) {
      case 0: return Operand.number(load<u64>(at, 8));
      case 1: return Operand.range(new Tuple2<u64, u64>(load<u64>(at, 8), load<u64>(at, 16)));
      case 2: return Operand.masked(Masked.load(at + 8));
      case 3: return Operand.mac(abi.loadString(at + 8));
      case 4: return Operand.maskedMac(MaskedMac.load(at + 8));
      case 5: return Operand.address(abi.loadString(at + 8));
      case 6: return Operand.network(new Tuple2<string, u8>(abi.loadString(at + 8), load<u8>(at, 16)));
      case 7: return Operand.addresses(new Tuple2<string, string>(abi.loadString(at + 8), abi.loadString(at + 16)));
      case 8: return Operand.set(abi.loadString(at + 8));
      case 9: return Operand.states(abi.loadList<ConnectionState>(at + 8, 1, (at: usize): ConnectionState => <ConnectionState><i32>load<u8>(at, 0)));
      case 10: return Operand.hostSet(HostSet.load(at + 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Operand): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case OperandTag.Number: { store<u64>(at, it.number, 8); break; }
      case OperandTag.Range: { store<u64>(at, it.range.first, 8); store<u64>(at, it.range.second, 16); break; }
      case OperandTag.Masked: { Masked.store(at + 8, it.masked); break; }
      case OperandTag.Mac: { abi.storeString(at + 8, it.mac); break; }
      case OperandTag.MaskedMac: { MaskedMac.store(at + 8, it.maskedMac); break; }
      case OperandTag.Address: { abi.storeString(at + 8, it.address); break; }
      case OperandTag.Network: { abi.storeString(at + 8, it.network.first); store<u8>(at, it.network.second, 16); break; }
      case OperandTag.Addresses: { abi.storeString(at + 8, it.addresses.first); abi.storeString(at + 16, it.addresses.second); break; }
      case OperandTag.Set: { abi.storeString(at + 8, it.set); break; }
      case OperandTag.States: { abi.storeList<ConnectionState>(at + 8, it.states, 1, (at: usize, it: ConnectionState): void => { store<u8>(at, <u8>it, 0); }); break; }
      case OperandTag.HostSet: { HostSet.store(at + 8, it.hostSet); break; }
      default: break;
    }
  }
}

/** One condition. */
export class Match {
  constructor(
    /** Field of the packet. */
    public field: Field,
    /** The condition holds where the field does not match. */
    public negated: bool,
    /** What it is compared with. */
    public operand: Operand,
  ) {}

  /** For the bindings. */
  static load(at: usize): Match {
    return new Match(<Field><i32>load<u8>(at, 0), load<u8>(at, 1) != 0, Operand.load(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: Match): void {
    store<u8>(at, <u8>it.field, 0);
    store<u8>(at, <u8>it.negated, 1);
    Operand.store(at + 8, it.operand);
  }
}

/** A look-up in a map of this ruleset. */
export class Lookup {
  constructor(
    /** Field that is looked up. */
    public field: Field,
    /** Name of the map. */
    public verdictMap: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): Lookup {
    return new Lookup(<Field><i32>load<u8>(at, 0), abi.loadString(at + 4));
  }

  /** For the bindings. */
  static store(at: usize, it: Lookup): void {
    store<u8>(at, <u8>it.field, 0);
    abi.storeString(at + 4, it.verdictMap);
  }
}

/** Cases of RulesetVerdict. */
export enum RulesetVerdictTag {
  /** The layer lets the packet pass. */
  Accept,
  /** It is thrown away. */
  Drop,
  /** It is thrown away and the sender told where the kernel can do that; else as `drop`. */
  Reject,
  /** Back to the calling chain; from an entry chain the layer lets the packet pass. */
  Return,
  /** On to the next rule. */
  Continue,
  /** On to a chain of the same layer, and back after its end. */
  Jump,
  /** What a map says; the next rule where it says nothing. */
  Lookup,
}

/** What follows when a rule matches. */
export class RulesetVerdict {
  /** On to a chain of the same layer, and back after its end. */
  jump!: string;
  /** What a map says; the next rule where it says nothing. */
  lookup!: Lookup;

  private constructor(readonly tag: RulesetVerdictTag) {}

  /** The layer lets the packet pass. */
  static accept(): RulesetVerdict {
    return new RulesetVerdict(RulesetVerdictTag.Accept);
  }

  /** It is thrown away. */
  static drop(): RulesetVerdict {
    return new RulesetVerdict(RulesetVerdictTag.Drop);
  }

  /** It is thrown away and the sender told where the kernel can do that; else as `drop`. */
  static reject(): RulesetVerdict {
    return new RulesetVerdict(RulesetVerdictTag.Reject);
  }

  /** Back to the calling chain; from an entry chain the layer lets the packet pass. */
  static return_(): RulesetVerdict {
    return new RulesetVerdict(RulesetVerdictTag.Return);
  }

  /** On to the next rule. */
  static continue_(): RulesetVerdict {
    return new RulesetVerdict(RulesetVerdictTag.Continue);
  }

  /** On to a chain of the same layer, and back after its end. */
  static jump(value: string): RulesetVerdict {
    const it = new RulesetVerdict(RulesetVerdictTag.Jump);
    it.jump = value;
    return it;
  }

  /** What a map says; the next rule where it says nothing. */
  static lookup(value: Lookup): RulesetVerdict {
    const it = new RulesetVerdict(RulesetVerdictTag.Lookup);
    it.lookup = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): RulesetVerdict {
    switch (load<u8>(at)) {
      case 0: return RulesetVerdict.accept();
      case 1: return RulesetVerdict.drop();
      case 2: return RulesetVerdict.reject();
      case 3: return RulesetVerdict.return_();
      case 4: return RulesetVerdict.continue_();
      case 5: return RulesetVerdict.jump(abi.loadString(at + 4));
      case 6: return RulesetVerdict.lookup(Lookup.load(at + 4));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: RulesetVerdict): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case RulesetVerdictTag.Jump: { abi.storeString(at + 4, it.jump); break; }
      case RulesetVerdictTag.Lookup: { Lookup.store(at + 4, it.lookup); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32, p2: i32): RulesetVerdict {
    switch (tag) {
      case 0: return RulesetVerdict.accept();
      case 1: return RulesetVerdict.drop();
      case 2: return RulesetVerdict.reject();
      case 3: return RulesetVerdict.return_();
      case 4: return RulesetVerdict.continue_();
      case 5: return RulesetVerdict.jump(abi.liftString(p0, p1));
      case 6: return RulesetVerdict.lookup(new Lookup(<Field>p0, abi.liftString(p1, p2)));
      default: return unreachable();
    }
  }
}

/** Conditions, all of which must hold, and what follows. */
export class RulesetRule {
  constructor(
    /** Conditions; none matches every packet. */
    public matches: Array<Match>,
    /** What follows. */
    public verdict: RulesetVerdict,
    /** For people; at most 128 characters are kept. */
    public comment: string | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): RulesetRule {
    return new RulesetRule(abi.loadList<Match>(at, 32, (at: usize): Match => Match.load(at)), RulesetVerdict.load(at + 8), abi.loadOption<string>(at + 24, 4, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: RulesetRule): void {
    abi.storeList<Match>(at, it.matches, 32, (at: usize, it: Match): void => { Match.store(at, it); });
    RulesetVerdict.store(at + 8, it.verdict);
    abi.storeOption<string>(at + 24, 4, it.comment, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

/** A list of rules. */
export class Chain {
  constructor(
    /** Unique in the ruleset: 1 to 64 letters, digits, `-` and `_`. */
    public name: string,
    /** When its packets are looked at. */
    public layer: Layer,
    /** Which packets begin here; none is reached by jumps alone. One chain a layer and flow at most. */
    public entry: Some<Flow> | null,
    /** Rules in order. A packet that leaves the end returns to the caller; from an entry chain it passes. */
    public rules: Array<RulesetRule>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Chain {
    return new Chain(abi.loadString(at), <Layer><i32>load<u8>(at, 8), abi.loadSome<Flow>(at + 9, 1, (at: usize): Flow => <Flow><i32>load<u8>(at, 0)), abi.loadList<RulesetRule>(at + 12, 36, (at: usize): RulesetRule => RulesetRule.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Chain): void {
    abi.storeString(at, it.name);
    store<u8>(at, <u8>it.layer, 8);
    abi.storeSome<Flow>(at + 9, 1, it.entry, (at: usize, it: Flow): void => { store<u8>(at, <u8>it, 0); });
    abi.storeList<RulesetRule>(at + 12, it.rules, 36, (at: usize, it: RulesetRule): void => { RulesetRule.store(at, it); });
  }
}

/** Elements of one type. */
export class RulesetSet {
  constructor(
    /** Unique in the ruleset, named as chains are. */
    public name: string,
    /** Numbers, hardware addresses, or addresses and networks of one family. */
    public elements: Array<Operand>,
  ) {}

  /** For the bindings. */
  static load(at: usize): RulesetSet {
    return new RulesetSet(abi.loadString(at), abi.loadList<Operand>(at + 8, 24, (at: usize): Operand => Operand.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: RulesetSet): void {
    abi.storeString(at, it.name);
    abi.storeList<Operand>(at + 8, it.elements, 24, (at: usize, it: Operand): void => { Operand.store(at, it); });
  }
}

/** Verdicts by element. */
export class VerdictMap {
  constructor(
    /** Unique in the ruleset, named as chains are. */
    public name: string,
    /** Elements of one type, and the verdict of each; not a look-up. */
    public entries: Array<Tuple2<Operand, RulesetVerdict>>,
  ) {}

  /** For the bindings. */
  static load(at: usize): VerdictMap {
    return new VerdictMap(abi.loadString(at), abi.loadList<Tuple2<Operand, RulesetVerdict>>(at + 8, 40, (at: usize): Tuple2<Operand, RulesetVerdict> => new Tuple2<Operand, RulesetVerdict>(Operand.load(at), RulesetVerdict.load(at + 24))));
  }

  /** For the bindings. */
  static store(at: usize, it: VerdictMap): void {
    abi.storeString(at, it.name);
    abi.storeList<Tuple2<Operand, RulesetVerdict>>(at + 8, it.entries, 40, (at: usize, it: Tuple2<Operand, RulesetVerdict>): void => { Operand.store(at, it.first); RulesetVerdict.store(at + 24, it.second); });
  }
}

/** All rules of one interface. */
export class Rules {
  constructor(
    /** Chains. */
    public chains: Array<Chain>,
    /** Sets that matches name. */
    public sets: Array<RulesetSet>,
    /** Maps that rules name. */
    public maps: Array<VerdictMap>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Rules {
    return new Rules(abi.loadList<Chain>(at, 20, (at: usize): Chain => Chain.load(at)), abi.loadList<RulesetSet>(at + 8, 16, (at: usize): RulesetSet => RulesetSet.load(at)), abi.loadList<VerdictMap>(at + 16, 16, (at: usize): VerdictMap => VerdictMap.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Rules): void {
    abi.storeList<Chain>(at, it.chains, 20, (at: usize, it: Chain): void => { Chain.store(at, it); });
    abi.storeList<RulesetSet>(at + 8, it.sets, 16, (at: usize, it: RulesetSet): void => { RulesetSet.store(at, it); });
    abi.storeList<VerdictMap>(at + 16, it.maps, 16, (at: usize, it: VerdictMap): void => { VerdictMap.store(at, it); });
  }
}

// reeve:filter/tree@0.1.0

/** What becomes of a packet that a rule matches. */
export enum Action {
  /** Silently thrown away. */
  Drop,
  /** Thrown away, and the sender is told. */
  Reject,
  /** Passes. */
  Accept,
  /** Back to the calling filter. */
  Return,
  /** On to the next rule. */
  Continue,
}

/** Which way a packet goes, seen from the guest. */
export enum Direction {
  /** To the guest. */
  In,
  /** From the guest. */
  Out,
  /** Both. */
  Inout,
}

/** Cases of Access. */
export enum AccessTag {
  /** The one at this position, from 0: `$NAME[2]`. */
  Element,
  /** All of them, a rule each: `$NAME[@1]`; `$NAME` is iterator 0. Variables with the same iterator go in step, others are combined, the first slowest. */
  Iterator,
}

/** Which values of a variable are meant. */
export class Access {
  /** The one at this position, from 0: `$NAME[2]`. */
  element: u32 = 0;
  /** All of them, a rule each: `$NAME[@1]`; `$NAME` is iterator 0. Variables with the same iterator go in step, others are combined, the first slowest. */
  iterator: u32 = 0;

  private constructor(readonly tag: AccessTag) {}

  /** The one at this position, from 0: `$NAME[2]`. */
  static element(value: u32): Access {
    const it = new Access(AccessTag.Element);
    it.element = value;
    return it;
  }

  /** All of them, a rule each: `$NAME[@1]`; `$NAME` is iterator 0. Variables with the same iterator go in step, others are combined, the first slowest. */
  static iterator(value: u32): Access {
    const it = new Access(AccessTag.Iterator);
    it.iterator = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Access {
    switch (load<u8>(at)) {
      case 0: return Access.element(load<u32>(at, 4));
      case 1: return Access.iterator(load<u32>(at, 4));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Access): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case AccessTag.Element: { store<u32>(at, it.element, 4); break; }
      case AccessTag.Iterator: { store<u32>(at, it.iterator, 4); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32): Access {
    switch (tag) {
      case 0: return Access.element(<u32>p0);
      case 1: return Access.iterator(<u32>p0);
      default: return unreachable();
    }
  }
}

/** A reference to a variable of the filter that the rule stands in. */
export class Variable {
  constructor(
    /** Name, without `$`. */
    public name: string,
    /** Which of its values. */
    public access: Access,
  ) {}

  /** For the bindings. */
  static load(at: usize): Variable {
    return new Variable(abi.loadString(at), Access.load(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: Variable): void {
    abi.storeString(at, it.name);
    Access.store(at + 8, it.access);
  }
}

/** Cases of Value. */
export enum ValueTag {
  /** As it is written. */
  Literal,
  /** Of a variable. */
  Variable,
}

/** The value of an attribute. */
export class Value {
  /** As it is written. */
  literal!: string;
  /** Of a variable. */
  variable!: Variable;

  private constructor(readonly tag: ValueTag) {}

  /** As it is written. */
  static literal(value: string): Value {
    const it = new Value(ValueTag.Literal);
    it.literal = value;
    return it;
  }

  /** Of a variable. */
  static variable(value: Variable): Value {
    const it = new Value(ValueTag.Variable);
    it.variable = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Value {
    switch (load<u8>(at)) {
      case 0: return Value.literal(abi.loadString(at + 4));
      case 1: return Value.variable(Variable.load(at + 4));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Value): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case ValueTag.Literal: { abi.storeString(at + 4, it.literal); break; }
      case ValueTag.Variable: { Variable.store(at + 4, it.variable); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32, p2: i32, p3: i32): Value {
    switch (tag) {
      case 0: return Value.literal(abi.liftString(p0, p1));
      case 1: return Value.variable(new Variable(abi.liftString(p0, p1), Access.lift(p2, p3)));
      default: return unreachable();
    }
  }
}

/** One attribute of a protocol node. */
export class Condition {
  constructor(
    /** Its name, as the document writes it, e.g. `srcipaddr`. */
    public attribute: string,
    /** Its value. */
    public value: Value,
  ) {}

  /** For the bindings. */
  static load(at: usize): Condition {
    return new Condition(abi.loadString(at), Value.load(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: Condition): void {
    abi.storeString(at, it.attribute);
    Value.store(at + 8, it.value);
  }
}

/** A protocol node. */
export class ProtocolMatch {
  constructor(
    /** `mac`, `vlan`, `stp`, `arp`, `rarp`, `ip`, `ipv6`, `tcp`, `udp-ipv6`… */
    public protocol: string,
    /** Every attribute must differ (`match='no'`). */
    public negated: bool,
    /** Attributes in document order, `comment` among them. */
    public conditions: Array<Condition>,
  ) {}

  /** For the bindings. */
  static load(at: usize): ProtocolMatch {
    return new ProtocolMatch(abi.loadString(at), load<u8>(at, 8) != 0, abi.loadList<Condition>(at + 12, 28, (at: usize): Condition => Condition.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: ProtocolMatch): void {
    abi.storeString(at, it.protocol);
    store<u8>(at, <u8>it.negated, 8);
    abi.storeList<Condition>(at + 12, it.conditions, 28, (at: usize, it: Condition): void => { Condition.store(at, it); });
  }
}

/** A rule. */
export class TreeRule {
  constructor(
    /** What becomes of a packet. */
    public action: Action,
    /** Which way. */
    public direction: Direction,
    /** -1000 to 1000, lower first; equal ones keep the order they have. */
    public priority: i32,
    /** False turns the state match off. */
    public statematch: bool,
    /** Protocol nodes, all of one protocol, all of which must match; none matches every packet. */
    public matches: Array<ProtocolMatch>,
  ) {}

  /** For the bindings. */
  static load(at: usize): TreeRule {
    return new TreeRule(<Action><i32>load<u8>(at, 0), <Direction><i32>load<u8>(at, 1), load<i32>(at, 4), load<u8>(at, 8) != 0, abi.loadList<ProtocolMatch>(at + 12, 20, (at: usize): ProtocolMatch => ProtocolMatch.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: TreeRule): void {
    store<u8>(at, <u8>it.action, 0);
    store<u8>(at, <u8>it.direction, 1);
    store<i32>(at, it.priority, 4);
    store<u8>(at, <u8>it.statematch, 8);
    abi.storeList<ProtocolMatch>(at + 12, it.matches, 20, (at: usize, it: ProtocolMatch): void => { ProtocolMatch.store(at, it); });
  }
}

/** Cases of Entry. */
export enum EntryTag {
  /** Another filter, by its position in the tree; always a later one. */
  Reference,
  /** A rule. */
  Rule,
}

/** What stands in a filter. */
export class Entry {
  /** Another filter, by its position in the tree; always a later one. */
  reference: u32 = 0;
  /** A rule. */
  rule!: TreeRule;

  private constructor(readonly tag: EntryTag) {}

  /** Another filter, by its position in the tree; always a later one. */
  static reference(value: u32): Entry {
    const it = new Entry(EntryTag.Reference);
    it.reference = value;
    return it;
  }

  /** A rule. */
  static rule(value: TreeRule): Entry {
    const it = new Entry(EntryTag.Rule);
    it.rule = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Entry {
    switch (load<u8>(at)) {
      case 0: return Entry.reference(load<u32>(at, 4));
      case 1: return Entry.rule(TreeRule.load(at + 4));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Entry): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case EntryTag.Reference: { store<u32>(at, it.reference, 4); break; }
      case EntryTag.Rule: { TreeRule.store(at + 4, it.rule); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32, p2: i32, p3: i32, p4: i32, p5: i32): Entry {
    switch (tag) {
      case 0: return Entry.reference(<u32>p0);
      case 1: return Entry.rule(new TreeRule(<Action>p0, <Direction>p1, <i32>p2, p3 != 0, abi.liftList<ProtocolMatch>(p4, p5, 20, (at: usize): ProtocolMatch => ProtocolMatch.load(at))));
      default: return unreachable();
    }
  }
}

/** All values of one variable. */
export class Parameter {
  constructor(
    /** Name, without `$`. */
    public name: string,
    /** Values in order. */
    public values: Array<string>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Parameter {
    return new Parameter(abi.loadString(at), abi.loadList<string>(at + 8, 8, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Parameter): void {
    abi.storeString(at, it.name);
    abi.storeList<string>(at + 8, it.values, 8, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

/** One filter. */
export class Filter {
  constructor(
    /** Its name. */
    public name: string,
    /** `root`, the chain of a protocol (`stp`, `mac`, `vlan`, `ipv4`, `ipv6`, `arp`, `rarp`), or one with a suffix, e.g. `arp-xyz`. */
    public chain: string,
    /** Priority of the chain, lower first. */
    public priority: i32,
    /** Its variables. */
    public variables: Array<Parameter>,
    /** References and rules in document order. */
    public entries: Array<Entry>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Filter {
    return new Filter(abi.loadString(at), abi.loadString(at + 8), load<i32>(at, 16), abi.loadList<Parameter>(at + 20, 16, (at: usize): Parameter => Parameter.load(at)), abi.loadList<Entry>(at + 28, 24, (at: usize): Entry => Entry.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Filter): void {
    abi.storeString(at, it.name);
    abi.storeString(at + 8, it.chain);
    store<i32>(at, it.priority, 16);
    abi.storeList<Parameter>(at + 20, it.variables, 16, (at: usize, it: Parameter): void => { Parameter.store(at, it); });
    abi.storeList<Entry>(at + 28, it.entries, 24, (at: usize, it: Entry): void => { Entry.store(at, it); });
  }
}

/** The interface that rules are for. */
export class Subject {
  constructor(
    /** Name of the domain. */
    public domain: string,
    /** Name of the tap on the host. Rules are about this interface alone; they need not match it. */
    public link: string,
    /** MAC address, lower case with colons. */
    public mac: string,
    /** Addresses of the guest that are known, from the document or learned. */
    public addresses: Array<string>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Subject {
    return new Subject(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16), abi.loadList<string>(at + 24, 8, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Subject): void {
    abi.storeString(at, it.domain);
    abi.storeString(at + 8, it.link);
    abi.storeString(at + 16, it.mac);
    abi.storeList<string>(at + 24, it.addresses, 8, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

// reeve:hooks/clone-name@0.1.0

/** What is cloned. */
export enum Cloned {
  /** A domain. */
  Domain,
  /** A volume. */
  Volume,
}

/** A clone without a name. */
export class CloneRequest {
  constructor(
    /** What is cloned. */
    public kind: Cloned,
    /** Name of the original. */
    public source: string,
    /** Pool of a volume; none of a domain. */
    public pool: string | null,
    /** Names that are taken: those of all domains, or of all volumes of the pool. */
    public taken: Array<string>,
  ) {}

  /** For the bindings. */
  static load(at: usize): CloneRequest {
    return new CloneRequest(<Cloned><i32>load<u8>(at, 0), abi.loadString(at + 4), abi.loadOption<string>(at + 12, 4, (at: usize): string => abi.loadString(at)), abi.loadList<string>(at + 24, 8, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: CloneRequest): void {
    store<u8>(at, <u8>it.kind, 0);
    abi.storeString(at + 4, it.source);
    abi.storeOption<string>(at + 12, 4, it.pool, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeList<string>(at + 24, it.taken, 8, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

// reeve:hooks/network-events@0.1.0

/** What happened. */
export enum Change {
  /** A network was defined or its definition replaced. */
  Defined,
  /** The definition of a network was removed. */
  Undefined,
  /** A network runs. */
  Started,
  /** A network was stopped. */
  Stopped,
  /** A section of a network was changed, or its autostart. */
  Updated,
  /** An interface of a domain was plugged in; `detail` is its link. */
  PortPlugged,
  /** An interface of a domain was unplugged; `detail` is its link. */
  PortUnplugged,
  /** A guest got or renewed an address; `detail` is the address. */
  LeaseAcquired,
  /** A lease ended; `detail` is the address. */
  LeaseExpired,
  /** The network's DHCP and DNS server ended and was started again. */
  ServiceRestarted,
  /** A packet filter was defined, replaced or removed, or could not be put in force; `name` is the filter. */
  FilterChanged,
}

/** One event. */
export class NetworkEvent {
  constructor(
    /** Identity of the network or filter. */
    public uuid: string,
    /** Its name. */
    public name: string,
    /** What happened. */
    public change: Change,
    /** More of it; may be empty. */
    public detail: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): NetworkEvent {
    return new NetworkEvent(abi.loadString(at), abi.loadString(at + 8), <Change><i32>load<u8>(at, 16), abi.loadString(at + 20));
  }

  /** For the bindings. */
  static store(at: usize, it: NetworkEvent): void {
    abi.storeString(at, it.uuid);
    abi.storeString(at + 8, it.name);
    store<u8>(at, <u8>it.change, 16);
    abi.storeString(at + 20, it.detail);
  }
}

// reeve:hooks/storage-events@0.1.0

/** What happened. */
export enum StorageChange {
  /** A pool was defined or its definition replaced. */
  Defined,
  /** The definition of a pool was removed. */
  Undefined,
  /** The source of a pool was made. */
  Built,
  /** The daemon starts a pool by itself from now on, or not any more. */
  Updated,
  /** A pool runs. */
  Started,
  /** A pool was stopped. */
  Stopped,
  /** The source of a pool was removed. */
  Deleted,
  /** The volumes of a pool were read again. */
  Refreshed,
  /** Less of a pool is free than the host's configuration says (`low-space-percent`); `detail` is how many bytes. Told once, and again after there was more. */
  LowSpace,
  /** A volume was made; `detail` is its name. */
  VolumeCreated,
  /** A volume was deleted; `detail` is its name. */
  VolumeDeleted,
  /** A volume got another capacity; `detail` is its name. */
  VolumeResized,
  /** What a volume held was made unreadable; `detail` is its name. */
  VolumeWiped,
  /** What a volume holds was written; `detail` is its name. */
  VolumeWritten,
}

/** One event. */
export class StorageEvent {
  constructor(
    /** Identity of the pool. */
    public uuid: string,
    /** Its name. */
    public name: string,
    /** What happened. */
    public change: StorageChange,
    /** More of it; may be empty. */
    public detail: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): StorageEvent {
    return new StorageEvent(abi.loadString(at), abi.loadString(at + 8), <StorageChange><i32>load<u8>(at, 16), abi.loadString(at + 20));
  }

  /** For the bindings. */
  static store(at: usize, it: StorageEvent): void {
    abi.storeString(at, it.uuid);
    abi.storeString(at + 8, it.name);
    store<u8>(at, <u8>it.change, 16);
    abi.storeString(at + 20, it.detail);
  }
}

// reeve:hooks/task@0.1.0

/** A moment of a task's schedule. */
export class Timing {
  constructor(
    /** When the run was due. */
    public due: u64,
    /** True when the daemon was down at that moment: this one run stands for all that were missed. */
    public catchUp: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Timing {
    return new Timing(load<u64>(at, 0), load<u8>(at, 8) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Timing): void {
    store<u64>(at, it.due, 0);
    store<u8>(at, <u8>it.catchUp, 8);
  }
}

/** Cases of Occasion. */
export enum OccasionTag {
  /** Somebody asked for it, with these arguments (at most 64, 64 KiB together). */
  Manual,
  /** Its schedule. */
  Schedule,
  /** An event of a domain that its filters let through. */
  Domain,
  /** An event of the daemon that its filters let through; never `stopping`. */
  Daemon,
}

/** Why a task runs. */
export class Occasion {
  /** Somebody asked for it, with these arguments (at most 64, 64 KiB together). */
  manual!: Array<string>;
  /** Its schedule. */
  schedule!: Timing;
  /** An event of a domain that its filters let through. */
  domain!: DomainEvent;
  /** An event of the daemon that its filters let through; never `stopping`. */
  daemon: DaemonChange = 0;

  private constructor(readonly tag: OccasionTag) {}

  /** Somebody asked for it, with these arguments (at most 64, 64 KiB together). */
  static manual(value: Array<string>): Occasion {
    const it = new Occasion(OccasionTag.Manual);
    it.manual = value;
    return it;
  }

  /** Its schedule. */
  static schedule(value: Timing): Occasion {
    const it = new Occasion(OccasionTag.Schedule);
    it.schedule = value;
    return it;
  }

  /** An event of a domain that its filters let through. */
  static domain(value: DomainEvent): Occasion {
    const it = new Occasion(OccasionTag.Domain);
    it.domain = value;
    return it;
  }

  /** An event of the daemon that its filters let through; never `stopping`. */
  static daemon(value: DaemonChange): Occasion {
    const it = new Occasion(OccasionTag.Daemon);
    it.daemon = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Occasion {
    switch (load<u8>(at)) {
      case 0: return Occasion.manual(abi.loadList<string>(at + 8, 8, (at: usize): string => abi.loadString(at)));
      case 1: return Occasion.schedule(Timing.load(at + 8));
      case 2: return Occasion.domain(DomainEvent.load(at + 8));
      case 3: return Occasion.daemon(<DaemonChange><i32>load<u8>(at, 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Occasion): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case OccasionTag.Manual: { abi.storeList<string>(at + 8, it.manual, 8, (at: usize, it: string): void => { abi.storeString(at, it); }); break; }
      case OccasionTag.Schedule: { Timing.store(at + 8, it.schedule); break; }
      case OccasionTag.Domain: { DomainEvent.store(at + 8, it.domain); break; }
      case OccasionTag.Daemon: { store<u8>(at, <u8>it.daemon, 8); break; }
      default: break;
    }
  }
}

// reeve:hooks/volume-create@0.1.0

/** What is about to be made. */
export class VolumePlan {
  constructor(
    /** Name within its pool. */
    public name: string,
    /** What a guest will see; none where the host can't tell before it is made. */
    public capacity: Some<u64> | null,
    /** What is taken from the pool at once; none preallocates a raw volume whole. */
    public allocation: Some<u64> | null,
    /** Format of the image; none is the pool's own. */
    public format: string | null,
    /** The image below it, as the document names it; none where it is no overlay. */
    public backing: string | null,
    /** The volume that it is a copy of; none where it begins with zeroes. */
    public source: Volume | null,
    /** The whole document in canonical form. */
    public xml: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): VolumePlan {
    return new VolumePlan(abi.loadString(at), abi.loadSome<u64>(at + 8, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadSome<u64>(at + 24, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadOption<string>(at + 40, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 52, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<Volume>(at + 64, 8, (at: usize): Volume => Volume.load(at)), abi.loadString(at + 168));
  }

  /** For the bindings. */
  static store(at: usize, it: VolumePlan): void {
    abi.storeString(at, it.name);
    abi.storeSome<u64>(at + 8, 8, it.capacity, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeSome<u64>(at + 24, 8, it.allocation, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeOption<string>(at + 40, 4, it.format, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 52, 4, it.backing, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<Volume>(at + 64, 8, it.source, (at: usize, it: Volume): void => { Volume.store(at, it); });
    abi.storeString(at + 168, it.xml);
  }
}

/** Changes to the document of a volume. What is none stays. Every one that changes something must lie within the policy's `volume:rewrite` grant, whose paths are the names of these fields. */
export class VolumeChanges {
  constructor(
    /** Another name. */
    public name: string | null,
    /** Another capacity. */
    public capacity: Some<u64> | null,
    /** Another allocation. */
    public allocation: Some<u64> | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): VolumeChanges {
    return new VolumeChanges(abi.loadOption<string>(at, 4, (at: usize): string => abi.loadString(at)), abi.loadSome<u64>(at + 16, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadSome<u64>(at + 32, 8, (at: usize): u64 => load<u64>(at, 0)));
  }

  /** For the bindings. */
  static store(at: usize, it: VolumeChanges): void {
    abi.storeOption<string>(at, 4, it.name, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeSome<u64>(at + 16, 8, it.capacity, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeSome<u64>(at + 32, 8, it.allocation, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
  }
}

/** Cases of VolumeVerdict. */
export enum VolumeVerdictTag {
  /** No objection. */
  Allow,
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  Deny,
  /** Go on, with these changes; the result is judged as if an operator had asked for it. */
  Rewrite,
}

/** What this guard says. */
export class VolumeVerdict {
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  deny!: string;
  /** Go on, with these changes; the result is judged as if an operator had asked for it. */
  rewrite!: VolumeChanges;

  private constructor(readonly tag: VolumeVerdictTag) {}

  /** No objection. */
  static allow(): VolumeVerdict {
    return new VolumeVerdict(VolumeVerdictTag.Allow);
  }

  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  static deny(value: string): VolumeVerdict {
    const it = new VolumeVerdict(VolumeVerdictTag.Deny);
    it.deny = value;
    return it;
  }

  /** Go on, with these changes; the result is judged as if an operator had asked for it. */
  static rewrite(value: VolumeChanges): VolumeVerdict {
    const it = new VolumeVerdict(VolumeVerdictTag.Rewrite);
    it.rewrite = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): VolumeVerdict {
    switch (load<u8>(at)) {
      case 0: return VolumeVerdict.allow();
      case 1: return VolumeVerdict.deny(abi.loadString(at + 8));
      case 2: return VolumeVerdict.rewrite(VolumeChanges.load(at + 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: VolumeVerdict): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case VolumeVerdictTag.Deny: { abi.storeString(at + 8, it.deny); break; }
      case VolumeVerdictTag.Rewrite: { VolumeChanges.store(at + 8, it.rewrite); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32, p2: i32, p3: i32, p4: i64, p5: i32, p6: i64): VolumeVerdict {
    switch (tag) {
      case 0: return VolumeVerdict.allow();
      case 1: return VolumeVerdict.deny(abi.liftString(p0, p1));
      case 2: return VolumeVerdict.rewrite(new VolumeChanges(p0 == 0 ? null : abi.liftString(p1, p2), p3 == 0 ? null : new Some<u64>(<u64>p4), p5 == 0 ? null : new Some<u64>(<u64>p6)));
      default: return unreachable();
    }
  }
}

// reeve:kv/store@0.1.0

// @ts-ignore: a decorator of the language
@external("reeve:kv/store@0.1.0", "get")
declare function store_get(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:kv/store@0.1.0", "set")
declare function store_set(p0: i32, p1: i32, p2: i32, p3: i32, p4: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:kv/store@0.1.0", "delete")
declare function store_delete(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:kv/store@0.1.0", "keys")
declare function store_keys(p0: i32, p1: i32, p2: i32): void;

/** Values that outlive a call, kept by the host for this policy alone. Needs the grant `kv:use`; `kv:use max-bytes=…` sets the quota over all keys and values (64 KiB when not said). */
export class KvApi {
  /** The value of a key; none when it was never set. Keys are 1 to 256 bytes. */
  get(key: string): Result<Uint8Array | null, HostError> {
    const keyBytes = String.UTF8.encode(key);
    const ret = abi.allocate(16);
    store_get(<i32>changetype<usize>(keyBytes), keyBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Uint8Array | null, HostError>(abi.loadOption<Uint8Array>(ret + 4, 4, (at: usize): Uint8Array => abi.loadBytes(at))) : Result.err<Uint8Array | null, HostError>(HostError.load(ret + 4));
  }

  /** Sets a value. Over the quota the call fails with `denied` and nothing changes. */
  set(key: string, value: Uint8Array): HostError | null {
    const keyBytes = String.UTF8.encode(key);
    const ret = abi.allocate(16);
    store_set(<i32>changetype<usize>(keyBytes), keyBytes.byteLength, <i32>value.dataStart, value.length, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Removes a key; true when it was there. */
  delete(key: string): Result<bool, HostError> {
    const keyBytes = String.UTF8.encode(key);
    const ret = abi.allocate(16);
    store_delete(<i32>changetype<usize>(keyBytes), keyBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<bool, HostError>(load<u8>(ret, 4) != 0) : Result.err<bool, HostError>(HostError.load(ret + 4));
  }

  /** Keys that begin with `prefix`, in byte order, at most 1000. */
  keys(prefix: string): Result<Array<string>, HostError> {
    const prefixBytes = String.UTF8.encode(prefix);
    const ret = abi.allocate(16);
    store_keys(<i32>changetype<usize>(prefixBytes), prefixBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<string>, HostError>(abi.loadList<string>(ret + 4, 8, (at: usize): string => abi.loadString(at))) : Result.err<Array<string>, HostError>(HostError.load(ret + 4));
  }
}

/** Values that outlive a call, kept by the host for this policy alone. Needs the grant `kv:use`; `kv:use max-bytes=…` sets the quota over all keys and values (64 KiB when not said). */
export let kv: KvApi = new KvApi();

/** For tests: who answers instead of the host. */
export function setKv(to: KvApi): void {
  kv = to;
}

// reeve:log/log@0.1.0

/** How important a line is. */
export enum Level {
  /** Every detail. */
  Debug,
  /** The normal course of things. */
  Info,
  /** Something an operator should look at. */
  Warn,
  /** Something failed. */
  HostError,
}

// @ts-ignore: a decorator of the language
@external("reeve:log/log@0.1.0", "write")
declare function log_write(p0: i32, p1: i32, p2: i32): void;

/** Lines for the daemon's log, marked with the policy's name. Needs no grant; bytes per call are limited (16 KiB by default), and a policy that writes more is stopped. */
export class LogApi {
  /** Writes one line; line breaks inside are escaped. */
  write(level: Level, message: string): void {
    const messageBytes = String.UTF8.encode(message);
    log_write(<i32>level, <i32>changetype<usize>(messageBytes), messageBytes.byteLength);
  }
}

/** Lines for the daemon's log, marked with the policy's name. Needs no grant; bytes per call are limited (16 KiB by default), and a policy that writes more is stopped. */
export let log: LogApi = new LogApi();

/** For tests: who answers instead of the host. */
export function setLog(to: LogApi): void {
  log = to;
}

// reeve:migration/disks@0.1.0

/** How the content of a disk gets to the destination. */
export enum Way {
  /** It does not: the destination opens the same storage, which both hosts must see. */
  Shared,
  /** All that the disk shows goes along with the guest (`--copy-storage-all`). */
  Copied,
  /** What the active image has itself goes along (`--copy-storage-inc`); its backing file is at the destination. */
  CopiedAboveBacking,
}

/** How the host caches what the guest writes. A document that says nothing, or `default`, means `writeback`. */
export enum CacheMode {
  /** It does not. */
  None,
  /** It does, and writes through to the storage. */
  Writethrough,
  /** It does until the guest flushes. */
  Writeback,
  /** It does not, and each write is on the storage before it is done. */
  Directsync,
  /** It does, and flushes are not done. */
  Unsafe,
}

/** One disk. */
export class MigratedDisk {
  constructor(
    /** Its target, e.g. `vda`; unique in the domain. */
    public target: string,
    /** What it is to the guest: `disk`, `cdrom`, `floppy` or `lun`. */
    public device: string,
    /** Type of its source: `file`, `block`, `volume` or another word of the document. */
    public source: string,
    /** File or device node that has it; none of a drive without a medium, of a volume that this host has not looked up, and of what has no path. */
    public path: string | null,
    /** Pool of a volume. */
    public pool: string | null,
    /** Name of a volume in its pool. */
    public volume: string | null,
    /** Format of its image; none where the document does not say, which means `raw`. */
    public format: string | null,
    /** What the guest sees; none where the source does not tell. */
    public capacity: Some<u64> | null,
    /** What its active image takes of the source's storage; none where the source does not tell. */
    public allocation: Some<u64> | null,
    /** Kind of the file system that has its file on the source, as `mount` names it, e.g. `ext4` or `nfs`; none of what is no file, and where it is not known. */
    public fileSystem: string | null,
    /** The guest can't write it. */
    public readonly: bool,
    /** Several domains may have it. */
    public shareable: bool,
    /** How the host caches it. */
    public cache: CacheMode,
    /** Another host that opens the same storage sees all that was written: this one caches nothing of it (`none`, `directsync`), or the guest can't write it, or there is no medium. */
    public coherent: bool,
    /** How its content gets to the destination. */
    public way: Way,
    /** The backing file that the destination must have, as the image names it; of `copied-above-backing` only. */
    public backing: string | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): MigratedDisk {
    return new MigratedDisk(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16), abi.loadOption<string>(at + 24, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 36, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 48, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 60, 4, (at: usize): string => abi.loadString(at)), abi.loadSome<u64>(at + 72, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadSome<u64>(at + 88, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadOption<string>(at + 104, 4, (at: usize): string => abi.loadString(at)), load<u8>(at, 116) != 0, load<u8>(at, 117) != 0, <CacheMode><i32>load<u8>(at, 118), load<u8>(at, 119) != 0, <Way><i32>load<u8>(at, 120), abi.loadOption<string>(at + 124, 4, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: MigratedDisk): void {
    abi.storeString(at, it.target);
    abi.storeString(at + 8, it.device);
    abi.storeString(at + 16, it.source);
    abi.storeOption<string>(at + 24, 4, it.path, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 36, 4, it.pool, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 48, 4, it.volume, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 60, 4, it.format, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeSome<u64>(at + 72, 8, it.capacity, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeSome<u64>(at + 88, 8, it.allocation, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeOption<string>(at + 104, 4, it.fileSystem, (at: usize, it: string): void => { abi.storeString(at, it); });
    store<u8>(at, <u8>it.readonly, 116);
    store<u8>(at, <u8>it.shareable, 117);
    store<u8>(at, <u8>it.cache, 118);
    store<u8>(at, <u8>it.coherent, 119);
    store<u8>(at, <u8>it.way, 120);
    abi.storeOption<string>(at + 124, 4, it.backing, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:migration/disks@0.1.0", "list")
declare function disks_list(p0: i32): void;

/** The disks of the guest that a hook of migrations is asked about. What it says is part of the question: nothing is looked at when it is called. Needs no grant. */
export class DisksApi {
  /** The disks in the order of the document that the hook looks at, rewrites of policies before it included; those of a strategy are of the domain as it runs. Empty in hooks that are asked about no migration. */
  list(): Array<MigratedDisk> {
    const ret = abi.allocate(8);
    disks_list(<i32>ret);
    return abi.loadList<MigratedDisk>(ret, 136, (at: usize): MigratedDisk => MigratedDisk.load(at));
  }
}

/** The disks of the guest that a hook of migrations is asked about. What it says is part of the question: nothing is looked at when it is called. Needs no grant. */
export let disks: DisksApi = new DisksApi();

/** For tests: who answers instead of the host. */
export function setDisks(to: DisksApi): void {
  disks = to;
}

// reeve:migration/journey@0.1.0

/** One of the two hosts. */
export class Peer {
  constructor(
    /** Its name. */
    public name: string,
    /** Version of the daemon, e.g. `0.3.0`; empty where it does not say. */
    public version: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): Peer {
    return new Peer(abi.loadString(at), abi.loadString(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: Peer): void {
    abi.storeString(at, it.name);
    abi.storeString(at + 8, it.version);
  }
}

/** What is asked for. */
export class Journey {
  constructor(
    /** Names the migration on both hosts. */
    public id: string,
    /** Where the guest runs. */
    public source: Peer,
    /** Where it shall run. */
    public destination: Peer,
    /** Both hosts are one machine: files of one are files of the other. */
    public sameMachine: bool,
    /** What carries it: `unix`, `tcp` or `tls`. */
    public transport: string,
    /** The operator said that disks are not to be looked at (`--unsafe`). */
    public unchecked: bool,
    /** A definition is kept at the destination. */
    public persistent: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Journey {
    return new Journey(abi.loadString(at), Peer.load(at + 8), Peer.load(at + 24), load<u8>(at, 40) != 0, abi.loadString(at + 44), load<u8>(at, 52) != 0, load<u8>(at, 53) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Journey): void {
    abi.storeString(at, it.id);
    Peer.store(at + 8, it.source);
    Peer.store(at + 24, it.destination);
    store<u8>(at, <u8>it.sameMachine, 40);
    abi.storeString(at + 44, it.transport);
    store<u8>(at, <u8>it.unchecked, 52);
    store<u8>(at, <u8>it.persistent, 53);
  }
}

// reeve:migration/strategy@0.1.0

/** What both hosts offer. Nothing else can be switched on. */
export class Capabilities {
  constructor(
    /** Pages may be compressed. */
    public compression: bool,
    /** Most streams that pages may come over; 1 is one. */
    public streams: u16,
    /** The guest may go on at the destination before all of its memory is there. */
    public postCopy: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Capabilities {
    return new Capabilities(load<u8>(at, 0) != 0, load<u16>(at, 2), load<u8>(at, 4) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Capabilities): void {
    store<u8>(at, <u8>it.compression, 0);
    store<u16>(at, it.streams, 2);
    store<u8>(at, <u8>it.postCopy, 4);
  }
}

/** What the operator allows. The host holds to it whatever a strategy says. */
export class Limits {
  constructor(
    /** Microseconds that the guest may stand still, as far as that can be foreseen. */
    public maxDowntimeUs: u64,
    /** Bytes a second while the guest runs; none is as many as the connection takes. */
    public bandwidth: Some<u64> | null,
    /** Most hundredths of its time that the guest may lose; 0 never holds it back. */
    public maxThrottle: u8,
    /** Rounds after which the guest stays where it is. */
    public maxRounds: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Limits {
    return new Limits(load<u64>(at, 0), abi.loadSome<u64>(at + 8, 8, (at: usize): u64 => load<u64>(at, 0)), load<u8>(at, 24), load<u32>(at, 28));
  }

  /** For the bindings. */
  static store(at: usize, it: Limits): void {
    store<u64>(at, it.maxDowntimeUs, 0);
    abi.storeSome<u64>(at + 8, 8, it.bandwidth, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    store<u8>(at, it.maxThrottle, 24);
    store<u32>(at, it.maxRounds, 28);
  }
}

/** How to begin. */
export class MigrationPlan {
  constructor(
    /** Microseconds that the guest may stand still; at most the operator's limit. */
    public maxDowntimeUs: u64,
    /** Compress pages. */
    public compress: bool,
    /** Streams that pages go over, from 1. */
    public streams: u16,
  ) {}

  /** For the bindings. */
  static load(at: usize): MigrationPlan {
    return new MigrationPlan(load<u64>(at, 0), load<u8>(at, 8) != 0, load<u16>(at, 10));
  }

  /** For the bindings. */
  static store(at: usize, it: MigrationPlan): void {
    store<u64>(at, it.maxDowntimeUs, 0);
    store<u8>(at, <u8>it.compress, 8);
    store<u16>(at, it.streams, 10);
  }
}

/** What one round did, and what it left. */
export class Round {
  constructor(
    /** Number of the round, from 1. */
    public number: u32,
    /** Microseconds since the migration began. */
    public elapsedUs: u64,
    /** Microseconds that the round took. */
    public durationUs: u64,
    /** Pages that were sent in it, zeros included. A page has 4096 bytes. */
    public pages: u64,
    /** Those of them that were zero. */
    public zeroPages: u64,
    /** Bytes that went over the connection in it. */
    public sent: u64,
    /** Pages that the guest wrote meanwhile: what the next round sends. */
    public dirtyPages: u64,
    /** Bytes a second that the connection took. */
    public bandwidth: u64,
    /** Microseconds that the guest would stand still if this were the last round. */
    public expectedDowntimeUs: u64,
    /** The limit for that, by the strategy or the operator, whichever is lower. */
    public maxDowntimeUs: u64,
    /** Hundredths of its time that the guest loses. */
    public throttle: u8,
    /** Pages are compressed. */
    public compressed: bool,
    /** Streams that pages go over. */
    public streams: u16,
  ) {}

  /** For the bindings. */
  static load(at: usize): Round {
    return new Round(load<u32>(at, 0), load<u64>(at, 8), load<u64>(at, 16), load<u64>(at, 24), load<u64>(at, 32), load<u64>(at, 40), load<u64>(at, 48), load<u64>(at, 56), load<u64>(at, 64), load<u64>(at, 72), load<u8>(at, 80), load<u8>(at, 81) != 0, load<u16>(at, 82));
  }

  /** For the bindings. */
  static store(at: usize, it: Round): void {
    store<u32>(at, it.number, 0);
    store<u64>(at, it.elapsedUs, 8);
    store<u64>(at, it.durationUs, 16);
    store<u64>(at, it.pages, 24);
    store<u64>(at, it.zeroPages, 32);
    store<u64>(at, it.sent, 40);
    store<u64>(at, it.dirtyPages, 48);
    store<u64>(at, it.bandwidth, 56);
    store<u64>(at, it.expectedDowntimeUs, 64);
    store<u64>(at, it.maxDowntimeUs, 72);
    store<u8>(at, it.throttle, 80);
    store<u8>(at, <u8>it.compressed, 81);
    store<u16>(at, it.streams, 82);
  }
}

/** All that a strategy decides on. */
export class Progress {
  constructor(
    /** What both hosts offer. */
    public capabilities: Capabilities,
    /** What the operator allows now; it may change while the guest moves. */
    public limits: Limits,
    /** The last rounds, at most 16, the newest last. */
    public rounds: Array<Round>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Progress {
    return new Progress(Capabilities.load(at), Limits.load(at + 8), abi.loadList<Round>(at + 40, 88, (at: usize): Round => Round.load(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Progress): void {
    Capabilities.store(at, it.capabilities);
    Limits.store(at + 8, it.limits);
    abi.storeList<Round>(at + 40, it.rounds, 88, (at: usize, it: Round): void => { Round.store(at, it); });
  }
}

/** Cases of Step. */
export enum StepTag {
  /** Another round. */
  Continue,
  /** Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit. */
  Throttle,
  /** Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit. */
  SetMaxDowntime,
  /** Compressed from now on, where both hosts can, then another round. */
  Compress,
  /** So many more streams, as far as both hosts can, then another round. */
  AddStreams,
  /** The guest goes on at the destination, which fetches what it misses; another round where that is not offered. */
  SwitchToPostCopy,
  /** The guest stands still and the rest is sent; another round where that would take longer than the operator allows. */
  StopAndCopy,
  /** It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  Abort,
}

/** What comes next. */
export class Step {
  /** Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit. */
  throttle: u8 = 0;
  /** Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit. */
  setMaxDowntime: u64 = 0;
  /** So many more streams, as far as both hosts can, then another round. */
  addStreams: u16 = 0;
  /** It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  abort!: string;

  private constructor(readonly tag: StepTag) {}

  /** Another round. */
  static continue_(): Step {
    return new Step(StepTag.Continue);
  }

  /** Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit. */
  static throttle(value: u8): Step {
    const it = new Step(StepTag.Throttle);
    it.throttle = value;
    return it;
  }

  /** Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit. */
  static setMaxDowntime(value: u64): Step {
    const it = new Step(StepTag.SetMaxDowntime);
    it.setMaxDowntime = value;
    return it;
  }

  /** Compressed from now on, where both hosts can, then another round. */
  static compress(): Step {
    return new Step(StepTag.Compress);
  }

  /** So many more streams, as far as both hosts can, then another round. */
  static addStreams(value: u16): Step {
    const it = new Step(StepTag.AddStreams);
    it.addStreams = value;
    return it;
  }

  /** The guest goes on at the destination, which fetches what it misses; another round where that is not offered. */
  static switchToPostCopy(): Step {
    return new Step(StepTag.SwitchToPostCopy);
  }

  /** The guest stands still and the rest is sent; another round where that would take longer than the operator allows. */
  static stopAndCopy(): Step {
    return new Step(StepTag.StopAndCopy);
  }

  /** It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  static abort(value: string): Step {
    const it = new Step(StepTag.Abort);
    it.abort = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Step {
    switch (load<u8>(at)) {
      case 0: return Step.continue_();
      case 1: return Step.throttle(load<u8>(at, 8));
      case 2: return Step.setMaxDowntime(load<u64>(at, 8));
      case 3: return Step.compress();
      case 4: return Step.addStreams(load<u16>(at, 8));
      case 5: return Step.switchToPostCopy();
      case 6: return Step.stopAndCopy();
      case 7: return Step.abort(abi.loadString(at + 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Step): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case StepTag.Throttle: { store<u8>(at, it.throttle, 8); break; }
      case StepTag.SetMaxDowntime: { store<u64>(at, it.setMaxDowntime, 8); break; }
      case StepTag.AddStreams: { store<u16>(at, it.addStreams, 8); break; }
      case StepTag.Abort: { abi.storeString(at + 8, it.abort); break; }
      default: break;
    }
  }
}

// reeve:network/networks@0.1.0

/** How guests reach what is outside of their network. */
export enum Mode {
  /** They don't: there is no `<forward>`. */
  Isolated,
  /** Through the host, masqueraded. */
  Nat,
  /** Through the host, addresses as they are. */
  Route,
  /** Through the host, without rules of the host's packet filter. */
  Open,
  /** As ports of a bridge of the host, or by macvtap in bridge mode. */
  Bridge,
  /** By macvtap, private. */
  Private,
  /** By macvtap, VEPA. */
  Vepa,
  /** By macvtap, one guest an interface. */
  Passthrough,
  /** By PCI functions. */
  Hostdev,
}

/** One network. */
export class Network {
  constructor(
    /** Identity. */
    public uuid: string,
    /** Unique name. */
    public name: string,
    /** How it reaches what is outside. */
    public mode: Mode,
    /** True while it runs. */
    public active: bool,
    /** True when a definition is kept after it stops. */
    public persistent: bool,
    /** True when the daemon starts it by itself. */
    public autostart: bool,
    /** Name of its bridge; none where it has none. */
    public bridge: string | null,
    /** Addresses of the host in it, with the prefix, e.g. `192.168.122.1/24`. */
    public addresses: Array<string>,
    /** Interfaces of running domains that are plugged into it. */
    public connections: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Network {
    return new Network(abi.loadString(at), abi.loadString(at + 8), <Mode><i32>load<u8>(at, 16), load<u8>(at, 17) != 0, load<u8>(at, 18) != 0, load<u8>(at, 19) != 0, abi.loadOption<string>(at + 20, 4, (at: usize): string => abi.loadString(at)), abi.loadList<string>(at + 32, 8, (at: usize): string => abi.loadString(at)), load<u32>(at, 40));
  }

  /** For the bindings. */
  static store(at: usize, it: Network): void {
    abi.storeString(at, it.uuid);
    abi.storeString(at + 8, it.name);
    store<u8>(at, <u8>it.mode, 16);
    store<u8>(at, <u8>it.active, 17);
    store<u8>(at, <u8>it.persistent, 18);
    store<u8>(at, <u8>it.autostart, 19);
    abi.storeOption<string>(at + 20, 4, it.bridge, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeList<string>(at + 32, it.addresses, 8, (at: usize, it: string): void => { abi.storeString(at, it); });
    store<u32>(at, it.connections, 40);
  }
}

/** An interface of a running domain. */
export class Port {
  constructor(
    /** Name of the domain. */
    public domain: string,
    /** MAC address, lower case with colons. */
    public mac: string,
    /** Name of the tap or macvtap on the host. */
    public link: string,
    /** Name of the network; none for a bridge or device of the host. */
    public network: string | null,
    /** Name of the packet filter; none when it has none. */
    public filter: string | null,
    /** Addresses of the guest that the host knows. */
    public addresses: Array<string>,
  ) {}

  /** For the bindings. */
  static load(at: usize): Port {
    return new Port(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16), abi.loadOption<string>(at + 24, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<string>(at + 36, 4, (at: usize): string => abi.loadString(at)), abi.loadList<string>(at + 48, 8, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: Port): void {
    abi.storeString(at, it.domain);
    abi.storeString(at + 8, it.mac);
    abi.storeString(at + 16, it.link);
    abi.storeOption<string>(at + 24, 4, it.network, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<string>(at + 36, 4, it.filter, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeList<string>(at + 48, it.addresses, 8, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

/** An address that a network's DHCP server gave out. */
export class Lease {
  constructor(
    /** Hardware address; none where the client did not show it. */
    public mac: string | null,
    /** The address. */
    public ip: string,
    /** Name that the guest gave. */
    public hostname: string | null,
    /** Until when; none is for ever. */
    public expires: Some<u64> | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): Lease {
    return new Lease(abi.loadOption<string>(at, 4, (at: usize): string => abi.loadString(at)), abi.loadString(at + 12), abi.loadOption<string>(at + 20, 4, (at: usize): string => abi.loadString(at)), abi.loadSome<u64>(at + 32, 8, (at: usize): u64 => load<u64>(at, 0)));
  }

  /** For the bindings. */
  static store(at: usize, it: Lease): void {
    abi.storeOption<string>(at, 4, it.mac, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeString(at + 12, it.ip);
    abi.storeOption<string>(at + 20, 4, it.hostname, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeSome<u64>(at + 32, 8, it.expires, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
  }
}

/** What passed a port since it was plugged, seen from the guest. */
export class Counters {
  constructor(
    /** Bytes to the guest. */
    public receivedBytes: u64,
    /** Packets to the guest. */
    public receivedPackets: u64,
    /** Packets to the guest that were dropped. */
    public receivedDropped: u64,
    /** Bytes from the guest. */
    public sentBytes: u64,
    /** Packets from the guest. */
    public sentPackets: u64,
    /** Packets from the guest that were dropped. */
    public sentDropped: u64,
  ) {}

  /** For the bindings. */
  static load(at: usize): Counters {
    return new Counters(load<u64>(at, 0), load<u64>(at, 8), load<u64>(at, 16), load<u64>(at, 24), load<u64>(at, 32), load<u64>(at, 40));
  }

  /** For the bindings. */
  static store(at: usize, it: Counters): void {
    store<u64>(at, it.receivedBytes, 0);
    store<u64>(at, it.receivedPackets, 8);
    store<u64>(at, it.receivedDropped, 16);
    store<u64>(at, it.sentBytes, 24);
    store<u64>(at, it.sentPackets, 32);
    store<u64>(at, it.sentDropped, 40);
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:network/networks@0.1.0", "list")
declare function networks_list(p0: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:network/networks@0.1.0", "get")
declare function networks_get(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:network/networks@0.1.0", "ports")
declare function networks_ports(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:network/networks@0.1.0", "leases")
declare function networks_leases(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:network/networks@0.1.0", "port-counters")
declare function networks_portCounters(p0: i32, p1: i32, p2: i32, p3: i32, p4: i32): void;

/** The virtual networks of this host, to read. Every function needs the grant `network:read`; a network outside the grant's subjects is `not-found`. */
export class NetworksApi {
  /** All networks by name. */
  list(): Result<Array<Network>, HostError> {
    const ret = abi.allocate(16);
    networks_list(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Network>, HostError>(abi.loadList<Network>(ret + 4, 44, (at: usize): Network => Network.load(at))) : Result.err<Array<Network>, HostError>(HostError.load(ret + 4));
  }

  /** One network by name. */
  get(name: string): Result<Network, HostError> {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(48);
    networks_get(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Network, HostError>(Network.load(ret + 4)) : Result.err<Network, HostError>(HostError.load(ret + 4));
  }

  /** Ports of one network. */
  ports(network: string): Result<Array<Port>, HostError> {
    const networkBytes = String.UTF8.encode(network);
    const ret = abi.allocate(16);
    networks_ports(<i32>changetype<usize>(networkBytes), networkBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Port>, HostError>(abi.loadList<Port>(ret + 4, 56, (at: usize): Port => Port.load(at))) : Result.err<Array<Port>, HostError>(HostError.load(ret + 4));
  }

  /** Leases of one network that have not expired. */
  leases(network: string): Result<Array<Lease>, HostError> {
    const networkBytes = String.UTF8.encode(network);
    const ret = abi.allocate(16);
    networks_leases(<i32>changetype<usize>(networkBytes), networkBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Lease>, HostError>(abi.loadList<Lease>(ret + 4, 48, (at: usize): Lease => Lease.load(at))) : Result.err<Array<Lease>, HostError>(HostError.load(ret + 4));
  }

  /** Counters of a port of one network, by its link. */
  portCounters(network: string, link: string): Result<Counters, HostError> {
    const networkBytes = String.UTF8.encode(network);
    const linkBytes = String.UTF8.encode(link);
    const ret = abi.allocate(56);
    networks_portCounters(<i32>changetype<usize>(networkBytes), networkBytes.byteLength, <i32>changetype<usize>(linkBytes), linkBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Counters, HostError>(Counters.load(ret + 8)) : Result.err<Counters, HostError>(HostError.load(ret + 8));
  }
}

/** The virtual networks of this host, to read. Every function needs the grant `network:read`; a network outside the grant's subjects is `not-found`. */
export let networks: NetworksApi = new NetworksApi();

/** For tests: who answers instead of the host. */
export function setNetworks(to: NetworksApi): void {
  networks = to;
}

// reeve:node/host@0.1.0

/** The machine. */
export class Info {
  constructor(
    /** Host name. */
    public hostname: string,
    /** Online CPUs. */
    public cpus: u32,
    /** Memory, bytes. */
    public memory: u64,
    /** NUMA cells. */
    public numaCells: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Info {
    return new Info(abi.loadString(at), load<u32>(at, 8), load<u64>(at, 16), load<u32>(at, 24));
  }

  /** For the bindings. */
  static store(at: usize, it: Info): void {
    abi.storeString(at, it.hostname);
    store<u32>(at, it.cpus, 8);
    store<u64>(at, it.memory, 16);
    store<u32>(at, it.numaCells, 24);
  }
}

/** Memory at one moment (/proc/meminfo), bytes. */
export class Memory {
  constructor(
    /** All memory. */
    public total: u64,
    /** Unused memory. */
    public free: u64,
    /** What can be had without swapping. */
    public available: u64,
    /** Page cache. */
    public cached: u64,
    /** Buffers. */
    public buffers: u64,
    /** Swap, all of it. */
    public swapTotal: u64,
    /** Swap, unused. */
    public swapFree: u64,
  ) {}

  /** For the bindings. */
  static load(at: usize): Memory {
    return new Memory(load<u64>(at, 0), load<u64>(at, 8), load<u64>(at, 16), load<u64>(at, 24), load<u64>(at, 32), load<u64>(at, 40), load<u64>(at, 48));
  }

  /** For the bindings. */
  static store(at: usize, it: Memory): void {
    store<u64>(at, it.total, 0);
    store<u64>(at, it.free, 8);
    store<u64>(at, it.available, 16);
    store<u64>(at, it.cached, 24);
    store<u64>(at, it.buffers, 32);
    store<u64>(at, it.swapTotal, 40);
    store<u64>(at, it.swapFree, 48);
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:node/host@0.1.0", "get-info")
declare function host_getInfo(p0: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:node/host@0.1.0", "get-memory")
declare function host_getMemory(p0: i32): void;

/** What the host machine is and how it is loaded. Needs the grant `node:read`. */
export class HostApi {
  /** The machine; it does not change while the daemon runs, except for CPUs going on and off line. */
  getInfo(): Result<Info, HostError> {
    const ret = abi.allocate(40);
    host_getInfo(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Info, HostError>(Info.load(ret + 8)) : Result.err<Info, HostError>(HostError.load(ret + 8));
  }

  /** Memory now. */
  getMemory(): Result<Memory, HostError> {
    const ret = abi.allocate(64);
    host_getMemory(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Memory, HostError>(Memory.load(ret + 8)) : Result.err<Memory, HostError>(HostError.load(ret + 8));
  }
}

/** What the host machine is and how it is loaded. Needs the grant `node:read`. */
export let host: HostApi = new HostApi();

/** For tests: who answers instead of the host. */
export function setHost(to: HostApi): void {
  host = to;
}

// reeve:node/ksm@0.1.0

/** Settings and counters. */
export class KsmState {
  constructor(
    /** 0 stopped, 1 running, 2 stopped and all pages unmerged. */
    public run: u8,
    /** Pages to scan before ksmd sleeps. */
    public pagesToScan: u64,
    /** Milliseconds ksmd sleeps between scans. */
    public sleepMillisecs: u64,
    /** Merge across NUMA nodes; none where the kernel has no such switch. */
    public mergeAcrossNodes: Some<bool> | null,
    /** Shared pages in use. */
    public pagesShared: u64,
    /** Sites that share them. */
    public pagesSharing: u64,
    /** Pages that are unique but checked again and again. */
    public pagesUnshared: u64,
    /** Pages that change too fast. */
    public pagesVolatile: u64,
    /** Full scans so far. */
    public fullScans: u64,
  ) {}

  /** For the bindings. */
  static load(at: usize): KsmState {
    return new KsmState(load<u8>(at, 0), load<u64>(at, 8), load<u64>(at, 16), abi.loadSome<bool>(at + 24, 1, (at: usize): bool => load<u8>(at, 0) != 0), load<u64>(at, 32), load<u64>(at, 40), load<u64>(at, 48), load<u64>(at, 56), load<u64>(at, 64));
  }

  /** For the bindings. */
  static store(at: usize, it: KsmState): void {
    store<u8>(at, it.run, 0);
    store<u64>(at, it.pagesToScan, 8);
    store<u64>(at, it.sleepMillisecs, 16);
    abi.storeSome<bool>(at + 24, 1, it.mergeAcrossNodes, (at: usize, it: bool): void => { store<u8>(at, <u8>it, 0); });
    store<u64>(at, it.pagesShared, 32);
    store<u64>(at, it.pagesSharing, 40);
    store<u64>(at, it.pagesUnshared, 48);
    store<u64>(at, it.pagesVolatile, 56);
    store<u64>(at, it.fullScans, 64);
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:node/ksm@0.1.0", "get")
declare function ksm_get(p0: i32): void;

/** Kernel samepage merging (guide ch. 7): the files under /sys/kernel/mm/ksm. Needs the grant `node:read`. */
export class KsmApi {
  /** The present state. */
  get(): Result<KsmState, HostError> {
    const ret = abi.allocate(80);
    ksm_get(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<KsmState, HostError>(KsmState.load(ret + 8)) : Result.err<KsmState, HostError>(HostError.load(ret + 8));
  }
}

/** Kernel samepage merging (guide ch. 7): the files under /sys/kernel/mm/ksm. Needs the grant `node:read`. */
export let ksm: KsmApi = new KsmApi();

/** For tests: who answers instead of the host. */
export function setKsm(to: KsmApi): void {
  ksm = to;
}

// reeve:storage/pools@0.1.0

/** What a pool holds. */
export class Space {
  constructor(
    /** What it can hold. */
    public capacity: u64,
    /** What is taken. */
    public allocation: u64,
    /** What is free. */
    public available: u64,
  ) {}

  /** For the bindings. */
  static load(at: usize): Space {
    return new Space(load<u64>(at, 0), load<u64>(at, 8), load<u64>(at, 16));
  }

  /** For the bindings. */
  static store(at: usize, it: Space): void {
    store<u64>(at, it.capacity, 0);
    store<u64>(at, it.allocation, 8);
    store<u64>(at, it.available, 16);
  }
}

/** One pool. */
export class Pool {
  constructor(
    /** Identity. */
    public uuid: string,
    /** Unique name. */
    public name: string,
    /** What it is made of, the word of its document: `dir`, `fs`, `netfs`, `disk`, `logical`… */
    public kind: string,
    /** True while it runs. */
    public active: bool,
    /** True when a definition is kept after it stops. */
    public persistent: bool,
    /** True when the daemon starts it by itself. */
    public autostart: bool,
    /** Directory of its volumes; none where it has none. */
    public path: string | null,
    /** What it holds, at its last refresh or change; none while it does not run. */
    public space: Space | null,
    /** How many volumes it had then. */
    public volumes: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Pool {
    return new Pool(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16), load<u8>(at, 24) != 0, load<u8>(at, 25) != 0, load<u8>(at, 26) != 0, abi.loadOption<string>(at + 28, 4, (at: usize): string => abi.loadString(at)), abi.loadOption<Space>(at + 40, 8, (at: usize): Space => Space.load(at)), load<u32>(at, 72));
  }

  /** For the bindings. */
  static store(at: usize, it: Pool): void {
    abi.storeString(at, it.uuid);
    abi.storeString(at + 8, it.name);
    abi.storeString(at + 16, it.kind);
    store<u8>(at, <u8>it.active, 24);
    store<u8>(at, <u8>it.persistent, 25);
    store<u8>(at, <u8>it.autostart, 26);
    abi.storeOption<string>(at + 28, 4, it.path, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeOption<Space>(at + 40, 8, it.space, (at: usize, it: Space): void => { Space.store(at, it); });
    store<u32>(at, it.volumes, 72);
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:storage/pools@0.1.0", "list")
declare function pools_list(p0: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/pools@0.1.0", "get")
declare function pools_get(p0: i32, p1: i32, p2: i32): void;

/** The storage pools of this host, to read. Every function needs the grant `pool:read`; a pool outside the grant's subjects is `not-found`. */
export class PoolsApi {
  /** All pools by name. */
  list(): Result<Array<Pool>, HostError> {
    const ret = abi.allocate(16);
    pools_list(<i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Pool>, HostError>(abi.loadList<Pool>(ret + 4, 80, (at: usize): Pool => Pool.load(at))) : Result.err<Array<Pool>, HostError>(HostError.load(ret + 4));
  }

  /** One pool by name. */
  get(name: string): Result<Pool, HostError> {
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(88);
    pools_get(<i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Pool, HostError>(Pool.load(ret + 8)) : Result.err<Pool, HostError>(HostError.load(ret + 8));
  }
}

/** The storage pools of this host, to read. Every function needs the grant `pool:read`; a pool outside the grant's subjects is `not-found`. */
export let pools: PoolsApi = new PoolsApi();

/** For tests: who answers instead of the host. */
export function setPools(to: PoolsApi): void {
  pools = to;
}

// reeve:storage/volumes@0.1.0

/** One volume. */
export class Volume {
  constructor(
    /** Name within its pool. */
    public name: string,
    /** Name of its pool. */
    public pool: string,
    /** Unique on the host. */
    public key: string,
    /** Where it is on the host; empty while it is being made. */
    public path: string,
    /** Format of the image: `raw`, `qcow2`… */
    public format: string,
    /** What a guest sees. Of a volume that is being resized, the larger of what it has and what it gets. */
    public capacity: u64,
    /** What it takes of its pool. */
    public allocation: u64,
    /** The image below an overlay, as the overlay names it; none where it is no overlay. */
    public backing: string | null,
    /** When it was made, or where its file system does not keep that, when it was last changed; none of a device. */
    public created: Some<u64> | null,
    /** False while it is being made: nobody can use it yet, but its name and capacity are spoken for. */
    public complete: bool,
  ) {}

  /** For the bindings. */
  static load(at: usize): Volume {
    return new Volume(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16), abi.loadString(at + 24), abi.loadString(at + 32), load<u64>(at, 40), load<u64>(at, 48), abi.loadOption<string>(at + 56, 4, (at: usize): string => abi.loadString(at)), abi.loadSome<u64>(at + 72, 8, (at: usize): u64 => load<u64>(at, 0)), load<u8>(at, 88) != 0);
  }

  /** For the bindings. */
  static store(at: usize, it: Volume): void {
    abi.storeString(at, it.name);
    abi.storeString(at + 8, it.pool);
    abi.storeString(at + 16, it.key);
    abi.storeString(at + 24, it.path);
    abi.storeString(at + 32, it.format);
    store<u64>(at, it.capacity, 40);
    store<u64>(at, it.allocation, 48);
    abi.storeOption<string>(at + 56, 4, it.backing, (at: usize, it: string): void => { abi.storeString(at, it); });
    abi.storeSome<u64>(at + 72, 8, it.created, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    store<u8>(at, <u8>it.complete, 88);
  }
}

/** What `create` makes. */
export class NewVolume {
  constructor(
    /** Name within its pool. */
    public name: string,
    /** What a guest sees. */
    public capacity: u64,
    /** What is taken from the pool at once; none preallocates a raw volume whole. */
    public allocation: Some<u64> | null,
    /** Format of the image, in pools of files: `raw` or `qcow2`; none is the pool's own. */
    public format: string | null,
  ) {}

  /** For the bindings. */
  static load(at: usize): NewVolume {
    return new NewVolume(abi.loadString(at), load<u64>(at, 8), abi.loadSome<u64>(at + 16, 8, (at: usize): u64 => load<u64>(at, 0)), abi.loadOption<string>(at + 32, 4, (at: usize): string => abi.loadString(at)));
  }

  /** For the bindings. */
  static store(at: usize, it: NewVolume): void {
    abi.storeString(at, it.name);
    store<u64>(at, it.capacity, 8);
    abi.storeSome<u64>(at + 16, 8, it.allocation, (at: usize, it: u64): void => { store<u64>(at, it, 0); });
    abi.storeOption<string>(at + 32, 4, it.format, (at: usize, it: string): void => { abi.storeString(at, it); });
  }
}

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "list")
declare function volumes_list(p0: i32, p1: i32, p2: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "get")
declare function volumes_get(p0: i32, p1: i32, p2: i32, p3: i32, p4: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "create")
declare function volumes_create(p0: i32, p1: i32, p2: i32, p3: i32, p4: i64, p5: i32, p6: i64, p7: i32, p8: i32, p9: i32, p10: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "copy")
declare function volumes_copy(p0: i32, p1: i32, p2: i32, p3: i32, p4: i32, p5: i32, p6: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "resize")
declare function volumes_resize(p0: i32, p1: i32, p2: i32, p3: i32, p4: i64, p5: i32, p6: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "delete")
declare function volumes_delete(p0: i32, p1: i32, p2: i32, p3: i32, p4: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "read")
declare function volumes_read(p0: i32, p1: i32, p2: i32, p3: i32, p4: i64, p5: i32, p6: i32): void;

// @ts-ignore: a decorator of the language
@external("reeve:storage/volumes@0.1.0", "write")
declare function volumes_write(p0: i32, p1: i32, p2: i32, p3: i32, p4: i64, p5: i32, p6: i32, p7: i32): void;

/** The volumes of the pools that run. Subjects of every grant are pools: a function needs the grant that stands beside it, for the pool that it names. Functions that read work in every hook; those that change something work in notify hooks, tuners and tasks only, and go the way of every verb: guards are asked, the change is told to all who listen. */
export class VolumesApi {
  /** All volumes of a pool by name, those that are being made among them. Needs `volume:read`. */
  list(pool: string): Result<Array<Volume>, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const ret = abi.allocate(16);
    volumes_list(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Array<Volume>, HostError>(abi.loadList<Volume>(ret + 4, 96, (at: usize): Volume => Volume.load(at))) : Result.err<Array<Volume>, HostError>(HostError.load(ret + 4));
  }

  /** One volume, looked at now. Needs `volume:read`. */
  get(pool: string, name: string): Result<Volume, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(104);
    volumes_get(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Volume, HostError>(Volume.load(ret + 8)) : Result.err<Volume, HostError>(HostError.load(ret + 8));
  }

  /** Makes a volume of zeroes. Needs `volume:create`; with `max-bytes` in that grant, all volumes of the pool together may have that capacity at most, the new one included. */
  create(pool: string, volume: NewVolume): Result<Volume, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const volume_name = volume.name;
    const volume_nameBytes = String.UTF8.encode(volume_name);
    const volume_capacity = volume.capacity;
    const volume_allocation = volume.allocation;
    const volume_format = volume.format;
    const volume_formatBytes = String.UTF8.encode(volume_format === null ? "" : volume_format);
    const ret = abi.allocate(104);
    volumes_create(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(volume_nameBytes), volume_nameBytes.byteLength, <i64>volume_capacity, volume_allocation === null ? 0 : 1, <i64>(volume_allocation === null ? 0 : volume_allocation.value), volume_format === null ? 0 : 1, <i32>changetype<usize>(volume_formatBytes), volume_formatBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Volume, HostError>(Volume.load(ret + 8)) : Result.err<Volume, HostError>(HostError.load(ret + 8));
  }

  /** Makes a copy of a volume in the same pool, or an overlay's copy over the same image. It is seen when it is whole. Needs `volume:create` as `create` does, and `volume:download`. */
  copy(pool: string, source: string, name: string): Result<Volume, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const sourceBytes = String.UTF8.encode(source);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(104);
    volumes_copy(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(sourceBytes), sourceBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Volume, HostError>(Volume.load(ret + 8)) : Result.err<Volume, HostError>(HostError.load(ret + 8));
  }

  /** Gives a volume another capacity; a smaller one only with `shrink`, what is beyond the new end is lost. Needs `volume:change`; with `max-bytes` in that grant, all volumes of the pool together may have that capacity at most when it grows. */
  resize(pool: string, name: string, capacity: u64, shrink: bool): Result<Volume, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(104);
    volumes_resize(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i64>capacity, shrink ? 1 : 0, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Volume, HostError>(Volume.load(ret + 8)) : Result.err<Volume, HostError>(HostError.load(ret + 8));
  }

  /** Deletes a volume. Needs `volume:delete`. */
  delete(pool: string, name: string): HostError | null {
    const poolBytes = String.UTF8.encode(pool);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    volumes_delete(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }

  /** Reads what a volume holds from `offset` on, as it is stored: of a qcow2 image, the image. At most `length` bytes and at most 1 MiB; fewer at its end. Needs `volume:download`. */
  read(pool: string, name: string, offset: u64, length: u32): Result<Uint8Array, HostError> {
    const poolBytes = String.UTF8.encode(pool);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    volumes_read(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i64>offset, <i32>length, <i32>ret);
    return load<u8>(ret, 0) == 0 ? Result.ok<Uint8Array, HostError>(abi.loadBytes(ret + 4)) : Result.err<Uint8Array, HostError>(HostError.load(ret + 4));
  }

  /** Writes bytes, at most 1 MiB, into a volume from `offset` on, as they are stored; a raw volume does not grow by it. Needs `volume:change`. */
  write(pool: string, name: string, offset: u64, data: Uint8Array): HostError | null {
    const poolBytes = String.UTF8.encode(pool);
    const nameBytes = String.UTF8.encode(name);
    const ret = abi.allocate(16);
    volumes_write(<i32>changetype<usize>(poolBytes), poolBytes.byteLength, <i32>changetype<usize>(nameBytes), nameBytes.byteLength, <i64>offset, <i32>data.dataStart, data.length, <i32>ret);
    return abi.loadOption<HostError>(ret, 4, (at: usize): HostError => HostError.load(at));
  }
}

/** The volumes of the pools that run. Subjects of every grant are pools: a function needs the grant that stands beside it, for the pool that it names. Functions that read work in every hook; those that change something work in notify hooks, tuners and tasks only, and go the way of every verb: guards are asked, the change is told to all who listen. */
export let volumes: VolumesApi = new VolumesApi();

/** For tests: who answers instead of the host. */
export function setVolumes(to: VolumesApi): void {
  volumes = to;
}

// reeve:tune/ksm-tune@0.1.0

/** Why a tuner is asked. */
export enum Wake {
  /** The interval passed. */
  Interval,
  /** A domain started or stopped. */
  DomainsChanged,
}

/** What the tuner decides on; all of one moment. */
export class Snapshot {
  constructor(
    /** Memory of the host. */
    public memory: Memory,
    /** Present settings and counters. */
    public ksm: KsmState,
    /** Sum of the maximum memory of all active domains that may be merged, bytes. */
    public committed: u64,
    /** Active domains. */
    public activeDomains: u32,
    /** Why it is asked. */
    public wake: Wake,
  ) {}

  /** For the bindings. */
  static load(at: usize): Snapshot {
    return new Snapshot(Memory.load(at), KsmState.load(at + 56), load<u64>(at, 128), load<u32>(at, 136), <Wake><i32>load<u8>(at, 140));
  }

  /** For the bindings. */
  static store(at: usize, it: Snapshot): void {
    Memory.store(at, it.memory);
    KsmState.store(at + 56, it.ksm);
    store<u64>(at, it.committed, 128);
    store<u32>(at, it.activeDomains, 136);
    store<u8>(at, <u8>it.wake, 140);
  }
}

/** Cases of Adjustment. */
export enum AdjustmentTag {
  /** 0 stop, 1 run, 2 stop and unmerge all pages. */
  Run,
  /** Pages to scan before ksmd sleeps, 1 to 1000000. */
  PagesToScan,
  /** Milliseconds ksmd sleeps between scans, 1 to 10000. */
  SleepMillisecs,
}

/** One change. The host validates and clamps it, applies it, and puts back what it found when the tuner is taken out. */
export class Adjustment {
  /** 0 stop, 1 run, 2 stop and unmerge all pages. */
  run: u8 = 0;
  /** Pages to scan before ksmd sleeps, 1 to 1000000. */
  pagesToScan: u64 = 0;
  /** Milliseconds ksmd sleeps between scans, 1 to 10000. */
  sleepMillisecs: u64 = 0;

  private constructor(readonly tag: AdjustmentTag) {}

  /** 0 stop, 1 run, 2 stop and unmerge all pages. */
  static run(value: u8): Adjustment {
    const it = new Adjustment(AdjustmentTag.Run);
    it.run = value;
    return it;
  }

  /** Pages to scan before ksmd sleeps, 1 to 1000000. */
  static pagesToScan(value: u64): Adjustment {
    const it = new Adjustment(AdjustmentTag.PagesToScan);
    it.pagesToScan = value;
    return it;
  }

  /** Milliseconds ksmd sleeps between scans, 1 to 10000. */
  static sleepMillisecs(value: u64): Adjustment {
    const it = new Adjustment(AdjustmentTag.SleepMillisecs);
    it.sleepMillisecs = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Adjustment {
    switch (load<u8>(at)) {
      case 0: return Adjustment.run(load<u8>(at, 8));
      case 1: return Adjustment.pagesToScan(load<u64>(at, 8));
      case 2: return Adjustment.sleepMillisecs(load<u64>(at, 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Adjustment): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case AdjustmentTag.Run: { store<u8>(at, it.run, 8); break; }
      case AdjustmentTag.PagesToScan: { store<u64>(at, it.pagesToScan, 8); break; }
      case AdjustmentTag.SleepMillisecs: { store<u64>(at, it.sleepMillisecs, 8); break; }
      default: break;
    }
  }
}

// reeve:types/errors@0.1.0

/** Stable kinds of error, the same as those of the HTTP API. Match on these, never on the message. */
export enum Code {
  /** The named object does not exist. */
  NotFound,
  /** An object with this name or UUID exists already. */
  AlreadyExists,
  /** The policy was not granted this, or a guard said no. */
  Denied,
  /** The request or document is wrong in itself. */
  Invalid,
  /** The object is in a state in which this cannot be done. */
  WrongState,
  /** Another operation holds the object. */
  Busy,
  /** This host, driver or version cannot do this. */
  Unsupported,
  /** A deadline passed before the answer came. */
  Deadline,
  /** A fault of the host itself. */
  Internal,
}

/** What went wrong, in a sentence that names the subject. */
export class HostError {
  constructor(
    public code: Code,
    /** One sentence, UTF-8, at most 4096 bytes. */
    public message: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): HostError {
    return new HostError(<Code><i32>load<u8>(at, 0), abi.loadString(at + 4));
  }

  /** For the bindings. */
  static store(at: usize, it: HostError): void {
    store<u8>(at, <u8>it.code, 0);
    abi.storeString(at + 4, it.message);
  }
}

// reeve:types/policy@0.1.0

/** Cases of Actor. */
export enum ActorTag {
  /** A client of the API, by its user id. */
  Client,
  /** Another policy, by name. */
  Policy,
  /** The daemon itself: autostart, recovery, crash handling. */
  Daemon,
}

/** Who caused the call. */
export class Actor {
  /** A client of the API, by its user id. */
  client: u32 = 0;
  /** Another policy, by name. */
  policy!: string;

  private constructor(readonly tag: ActorTag) {}

  /** A client of the API, by its user id. */
  static client(value: u32): Actor {
    const it = new Actor(ActorTag.Client);
    it.client = value;
    return it;
  }

  /** Another policy, by name. */
  static policy(value: string): Actor {
    const it = new Actor(ActorTag.Policy);
    it.policy = value;
    return it;
  }

  /** The daemon itself: autostart, recovery, crash handling. */
  static daemon(): Actor {
    return new Actor(ActorTag.Daemon);
  }

  /** For the bindings. */
  static load(at: usize): Actor {
    switch (load<u8>(at)) {
      case 0: return Actor.client(load<u32>(at, 4));
      case 1: return Actor.policy(abi.loadString(at + 4));
      case 2: return Actor.daemon();
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Actor): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case ActorTag.Client: { store<u32>(at, it.client, 4); break; }
      case ActorTag.Policy: { abi.storeString(at + 4, it.policy); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32): Actor {
    switch (tag) {
      case 0: return Actor.client(<u32>p0);
      case 1: return Actor.policy(abi.liftString(p0, p1));
      case 2: return Actor.daemon();
      default: return unreachable();
    }
  }
}

/** The circumstances of one call. */
export class Context {
  constructor(
    /** Identifies this call in the decision log and in traces; unique per daemon. */
    public callId: string,
    /** When the verb began. The same for every policy of a chain. */
    public time: u64,
    /** On whose behalf the verb runs. */
    public actor: Actor,
    /** The policy's own configuration, as JSON text; `{}` when the operator gave none. */
    public config: string,
    /** 1 for the first call for this event; higher when a notify hook is tried again. */
    public attempt: u32,
  ) {}

  /** For the bindings. */
  static load(at: usize): Context {
    return new Context(abi.loadString(at), load<u64>(at, 8), Actor.load(at + 16), abi.loadString(at + 28), load<u32>(at, 36));
  }

  /** For the bindings. */
  static store(at: usize, it: Context): void {
    abi.storeString(at, it.callId);
    store<u64>(at, it.time, 8);
    Actor.store(at + 16, it.actor);
    abi.storeString(at + 28, it.config);
    store<u32>(at, it.attempt, 36);
  }
}

/** Argument of `set-disk-cache`. */
export class DiskCache {
  constructor(
    /** Target of the disk, e.g. `vda`. */
    public target: string,
    /** `none`, `writethrough`, `writeback`, `directsync` or `unsafe`. */
    public cache: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): DiskCache {
    return new DiskCache(abi.loadString(at), abi.loadString(at + 8));
  }

  /** For the bindings. */
  static store(at: usize, it: DiskCache): void {
    abi.storeString(at, it.target);
    abi.storeString(at + 8, it.cache);
  }
}

/** Argument of `set-interface-source`. */
export class InterfaceSource {
  constructor(
    /** MAC address of the interface, lower case with colons. */
    public mac: string,
    /** Attribute of `<source>`, e.g. `bridge` or `network`. */
    public attribute: string,
    /** Its new value. */
    public value: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): InterfaceSource {
    return new InterfaceSource(abi.loadString(at), abi.loadString(at + 8), abi.loadString(at + 16));
  }

  /** For the bindings. */
  static store(at: usize, it: InterfaceSource): void {
    abi.storeString(at, it.mac);
    abi.storeString(at + 8, it.attribute);
    abi.storeString(at + 16, it.value);
  }
}

/** Cases of Edit. */
export enum EditTag {
  /** Maximum memory in bytes; current memory is lowered to it when above. */
  SetMemory,
  /** Current memory in bytes, at most the maximum. */
  SetCurrentMemory,
  /** Maximum vCPUs, at least 1; `current` is lowered to it when above. */
  SetVcpus,
  /** CPU weight (`<cputune><shares>`). */
  SetCpuShares,
  /** Cache mode of a disk. */
  SetDiskCache,
  /** One attribute of an interface's `<source>`. */
  SetInterfaceSource,
  /** Title, one line; empty removes it. */
  SetTitle,
  /** Kernel command line. */
  SetCmdline,
  /** One application's child of `<metadata>` as XML text; it replaces a child with the same namespace. */
  SetMetadata,
  /** A new device, as XML text of its element. */
  AddDevice,
  /** Takes a device out, by its alias or by the target of a disk or interface. */
  RemoveDevice,
  /** The whole document as XML text; name and UUID must stay. */
  Replace,
}

/** One change to a domain document. The host applies it to the effective configuration, validates the result as if an operator had written it, and checks that every changed path lies within the policy's `domain:rewrite` grant. */
export class Edit {
  /** Maximum memory in bytes; current memory is lowered to it when above. */
  setMemory: u64 = 0;
  /** Current memory in bytes, at most the maximum. */
  setCurrentMemory: u64 = 0;
  /** Maximum vCPUs, at least 1; `current` is lowered to it when above. */
  setVcpus: u32 = 0;
  /** CPU weight (`<cputune><shares>`). */
  setCpuShares: u64 = 0;
  /** Cache mode of a disk. */
  setDiskCache!: DiskCache;
  /** One attribute of an interface's `<source>`. */
  setInterfaceSource!: InterfaceSource;
  /** Title, one line; empty removes it. */
  setTitle!: string;
  /** Kernel command line. */
  setCmdline!: string;
  /** One application's child of `<metadata>` as XML text; it replaces a child with the same namespace. */
  setMetadata!: string;
  /** A new device, as XML text of its element. */
  addDevice!: string;
  /** Takes a device out, by its alias or by the target of a disk or interface. */
  removeDevice!: string;
  /** The whole document as XML text; name and UUID must stay. */
  replace!: string;

  private constructor(readonly tag: EditTag) {}

  /** Maximum memory in bytes; current memory is lowered to it when above. */
  static setMemory(value: u64): Edit {
    const it = new Edit(EditTag.SetMemory);
    it.setMemory = value;
    return it;
  }

  /** Current memory in bytes, at most the maximum. */
  static setCurrentMemory(value: u64): Edit {
    const it = new Edit(EditTag.SetCurrentMemory);
    it.setCurrentMemory = value;
    return it;
  }

  /** Maximum vCPUs, at least 1; `current` is lowered to it when above. */
  static setVcpus(value: u32): Edit {
    const it = new Edit(EditTag.SetVcpus);
    it.setVcpus = value;
    return it;
  }

  /** CPU weight (`<cputune><shares>`). */
  static setCpuShares(value: u64): Edit {
    const it = new Edit(EditTag.SetCpuShares);
    it.setCpuShares = value;
    return it;
  }

  /** Cache mode of a disk. */
  static setDiskCache(value: DiskCache): Edit {
    const it = new Edit(EditTag.SetDiskCache);
    it.setDiskCache = value;
    return it;
  }

  /** One attribute of an interface's `<source>`. */
  static setInterfaceSource(value: InterfaceSource): Edit {
    const it = new Edit(EditTag.SetInterfaceSource);
    it.setInterfaceSource = value;
    return it;
  }

  /** Title, one line; empty removes it. */
  static setTitle(value: string): Edit {
    const it = new Edit(EditTag.SetTitle);
    it.setTitle = value;
    return it;
  }

  /** Kernel command line. */
  static setCmdline(value: string): Edit {
    const it = new Edit(EditTag.SetCmdline);
    it.setCmdline = value;
    return it;
  }

  /** One application's child of `<metadata>` as XML text; it replaces a child with the same namespace. */
  static setMetadata(value: string): Edit {
    const it = new Edit(EditTag.SetMetadata);
    it.setMetadata = value;
    return it;
  }

  /** A new device, as XML text of its element. */
  static addDevice(value: string): Edit {
    const it = new Edit(EditTag.AddDevice);
    it.addDevice = value;
    return it;
  }

  /** Takes a device out, by its alias or by the target of a disk or interface. */
  static removeDevice(value: string): Edit {
    const it = new Edit(EditTag.RemoveDevice);
    it.removeDevice = value;
    return it;
  }

  /** The whole document as XML text; name and UUID must stay. */
  static replace(value: string): Edit {
    const it = new Edit(EditTag.Replace);
    it.replace = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Edit {
    switch (load<u8>(at)) {
      case 0: return Edit.setMemory(load<u64>(at, 8));
      case 1: return Edit.setCurrentMemory(load<u64>(at, 8));
      case 2: return Edit.setVcpus(load<u32>(at, 8));
      case 3: return Edit.setCpuShares(load<u64>(at, 8));
      case 4: return Edit.setDiskCache(DiskCache.load(at + 8));
      case 5: return Edit.setInterfaceSource(InterfaceSource.load(at + 8));
      case 6: return Edit.setTitle(abi.loadString(at + 8));
      case 7: return Edit.setCmdline(abi.loadString(at + 8));
      case 8: return Edit.setMetadata(abi.loadString(at + 8));
      case 9: return Edit.addDevice(abi.loadString(at + 8));
      case 10: return Edit.removeDevice(abi.loadString(at + 8));
      case 11: return Edit.replace(abi.loadString(at + 8));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Edit): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case EditTag.SetMemory: { store<u64>(at, it.setMemory, 8); break; }
      case EditTag.SetCurrentMemory: { store<u64>(at, it.setCurrentMemory, 8); break; }
      case EditTag.SetVcpus: { store<u32>(at, it.setVcpus, 8); break; }
      case EditTag.SetCpuShares: { store<u64>(at, it.setCpuShares, 8); break; }
      case EditTag.SetDiskCache: { DiskCache.store(at + 8, it.setDiskCache); break; }
      case EditTag.SetInterfaceSource: { InterfaceSource.store(at + 8, it.setInterfaceSource); break; }
      case EditTag.SetTitle: { abi.storeString(at + 8, it.setTitle); break; }
      case EditTag.SetCmdline: { abi.storeString(at + 8, it.setCmdline); break; }
      case EditTag.SetMetadata: { abi.storeString(at + 8, it.setMetadata); break; }
      case EditTag.AddDevice: { abi.storeString(at + 8, it.addDevice); break; }
      case EditTag.RemoveDevice: { abi.storeString(at + 8, it.removeDevice); break; }
      case EditTag.Replace: { abi.storeString(at + 8, it.replace); break; }
      default: break;
    }
  }
}

/** Cases of Verdict. */
export enum VerdictTag {
  /** No objection. */
  Allow,
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  Deny,
  /** Go on, with these changes applied in order. */
  Rewrite,
}

/** What a guard says. */
export class Verdict {
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  deny!: string;
  /** Go on, with these changes applied in order. */
  rewrite!: Array<Edit>;

  private constructor(readonly tag: VerdictTag) {}

  /** No objection. */
  static allow(): Verdict {
    return new Verdict(VerdictTag.Allow);
  }

  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  static deny(value: string): Verdict {
    const it = new Verdict(VerdictTag.Deny);
    it.deny = value;
    return it;
  }

  /** Go on, with these changes applied in order. */
  static rewrite(value: Array<Edit>): Verdict {
    const it = new Verdict(VerdictTag.Rewrite);
    it.rewrite = value;
    return it;
  }

  /** For the bindings. */
  static load(at: usize): Verdict {
    switch (load<u8>(at)) {
      case 0: return Verdict.allow();
      case 1: return Verdict.deny(abi.loadString(at + 4));
      case 2: return Verdict.rewrite(abi.loadList<Edit>(at + 4, 32, (at: usize): Edit => Edit.load(at)));
      default: return unreachable();
    }
  }

  /** For the bindings. */
  static store(at: usize, it: Verdict): void {
    store<u8>(at, <u8>it.tag);
    switch (it.tag) {
      case VerdictTag.Deny: { abi.storeString(at + 4, it.deny); break; }
      case VerdictTag.Rewrite: { abi.storeList<Edit>(at + 4, it.rewrite, 32, (at: usize, it: Edit): void => { Edit.store(at, it); }); break; }
      default: break;
    }
  }

  /** For the bindings. */
  static lift(tag: i32, p0: i32, p1: i32): Verdict {
    switch (tag) {
      case 0: return Verdict.allow();
      case 1: return Verdict.deny(abi.liftString(p0, p1));
      case 2: return Verdict.rewrite(abi.liftList<Edit>(p0, p1, 32, (at: usize): Edit => Edit.load(at)));
      default: return unreachable();
    }
  }
}

/** A policy's own failure: it could not decide. The binding's failure mode then decides. */
export class Failure {
  constructor(
    /** One sentence for the operator. */
    public message: string,
  ) {}

  /** For the bindings. */
  static load(at: usize): Failure {
    return new Failure(abi.loadString(at));
  }

  /** For the bindings. */
  static store(at: usize, it: Failure): void {
    abi.storeString(at, it.message);
  }
}
