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
