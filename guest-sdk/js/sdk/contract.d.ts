// The types of the contract, made of wit/ by the conformance tests. Numbers of 64 bits are JavaScript numbers: exact up to
// 2^53, and beyond that for multiples of a large enough power of two, such as sizes in KiB.

// reeve:types/errors

/** Stable kinds of error, the same as those of the HTTP API. Match on these, never on the message. */
export type Code =
  /** The named object does not exist. */
  | "not-found"
  /** An object with this name or UUID exists already. */
  | "already-exists"
  /** The policy was not granted this, or a guard said no. */
  | "denied"
  /** The request or document is wrong in itself. */
  | "invalid"
  /** The object is in a state in which this cannot be done. */
  | "wrong-state"
  /** Another operation holds the object. */
  | "busy"
  /** This host, driver or version cannot do this. */
  | "unsupported"
  /** A deadline passed before the answer came. */
  | "deadline"
  /** A fault of the host itself. */
  | "internal";

/** What went wrong, in a sentence that names the subject. */
export interface Error {
  code: Code;
  /** One sentence, UTF-8, at most 4096 bytes. */
  message: string;
}

// reeve:types/units

/** A size in bytes. */
export type Bytes = number;

/** Time since the Unix epoch, in milliseconds, UTC. */
export type Timestamp = number;

/** A UUID in its lower-case text form with dashes, e.g. `6a2f9d0c-…`. */
export type Uuid = string;

// reeve:types/policy

/** Who caused the call. */
export type Actor =
  /** A client of the API, by its user id. */
  | { tag: "client"; val: number }
  /** Another policy, by name. */
  | { tag: "policy"; val: string }
  /** The daemon itself: autostart, recovery, crash handling. */
  | { tag: "daemon" };

/** The circumstances of one call. */
export interface Context {
  /** Identifies this call in the decision log and in traces; unique per daemon. */
  callId: string;
  /** When the verb began. The same for every policy of a chain. */
  time: Timestamp;
  /** On whose behalf the verb runs. */
  actor: Actor;
  /** The policy's own configuration, as JSON text; `{}` when the operator gave none. */
  config: string;
  /** 1 for the first call for this event; higher when a notify hook is tried again. */
  attempt: number;
}

/** Argument of `set-disk-cache`. */
export interface DiskCache {
  /** Target of the disk, e.g. `vda`. */
  target: string;
  /** `none`, `writethrough`, `writeback`, `directsync` or `unsafe`. */
  cache: string;
}

/** Argument of `set-interface-source`. */
export interface InterfaceSource {
  /** MAC address of the interface, lower case with colons. */
  mac: string;
  /** Attribute of `<source>`, e.g. `bridge` or `network`. */
  attribute: string;
  /** Its new value. */
  value: string;
}

/**
 * One change to a domain document. The host applies it to the effective configuration, validates the result as if an
 * operator had written it, and checks that every changed path lies within the policy's `domain:rewrite` grant.
 */
export type Edit =
  /** Maximum memory in bytes; current memory is lowered to it when above. */
  | { tag: "set-memory"; val: Bytes }
  /** Current memory in bytes, at most the maximum. */
  | { tag: "set-current-memory"; val: Bytes }
  /** Maximum vCPUs, at least 1; `current` is lowered to it when above. */
  | { tag: "set-vcpus"; val: number }
  /** CPU weight (`<cputune><shares>`). */
  | { tag: "set-cpu-shares"; val: number }
  /** Cache mode of a disk. */
  | { tag: "set-disk-cache"; val: DiskCache }
  /** One attribute of an interface's `<source>`. */
  | { tag: "set-interface-source"; val: InterfaceSource }
  /** Title, one line; empty removes it. */
  | { tag: "set-title"; val: string }
  /** Kernel command line. */
  | { tag: "set-cmdline"; val: string }
  /** One application's child of `<metadata>` as XML text; it replaces a child with the same namespace. */
  | { tag: "set-metadata"; val: string }
  /** A new device, as XML text of its element. */
  | { tag: "add-device"; val: string }
  /** Takes a device out, by its alias or by the target of a disk or interface. */
  | { tag: "remove-device"; val: string }
  /** The whole document as XML text; name and UUID must stay. */
  | { tag: "replace"; val: string };

/** What a guard says. */
export type Verdict =
  /** No objection. */
  | { tag: "allow" }
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  | { tag: "deny"; val: string }
  /** Go on, with these changes applied in order. */
  | { tag: "rewrite"; val: Edit[] };

/** A policy's own failure: it could not decide. The binding's failure mode then decides. */
export interface Failure {
  /** One sentence for the operator. */
  message: string;
}

// reeve:clock/clock

// reeve:clock/timer

// reeve:domain/config

/** What a domain is doing; the words of `domain list`. */
export type State =
  /** At least one vCPU runs or may run. */
  | "running"
  /** Running, but every vCPU waits. */
  | "idle"
  /** vCPUs are stopped by the host; memory is kept. */
  | "paused"
  /** The guest was asked to shut down and has not finished. */
  | "in-shutdown"
  /** Not running. */
  | "shut-off"
  /** Stopped because the guest or its worker failed. */
  | "crashed"
  /** The guest suspended itself. */
  | "pm-suspended";

/** One disk. */
export interface Disk {
  /** Target name, e.g. `vda`; unique in the domain. */
  target: string;
  /** `disk`, `cdrom`, `floppy` or `lun`. */
  device: string;
  /** Path of the image or block device; none for an empty drive or another kind of source. */
  source: string | null;
  /** `raw`, `qcow2`…; none when the document does not say (raw). */
  format: string | null;
  /** Cache mode; none when the document does not say. */
  cache: string | null;
  /** Bus, e.g. `virtio`; none when the document does not say. */
  bus: string | null;
  /** True when the guest may not write. */
  readonly: boolean;
  /** True when several domains may write. */
  shareable: boolean;
}

/** One network interface. */
export interface NetworkInterface {
  /** `ethernet`, `bridge`, `network`, `direct`… */
  kind: string;
  /** Attributes of `<source>`: name and value. */
  source: [string, string][];
  /** MAC address, lower case with colons; none before one is allocated. */
  mac: string | null;
  /** Name of the host's tap; none when the host chooses. */
  target: string | null;
  /** `virtio`, …; none when the document does not say. */
  model: string | null;
}

/** Memory balloon. */
export interface Balloon {
  /** `virtio` or `none`. */
  model: string;
  /** Period of statistics in seconds; none when off. */
  statsPeriod: number | null;
}

/**
 * The effective configuration of one domain: the definition, or the live one while it runs. A snapshot: it does not change
 * while a hook looks at it.
 */
export interface DomainConfig {
  /** Unique name. */
  name(): string;
  /** Identity. */
  uuid(): Uuid;
  /** State when the hook was called. */
  state(): State;
  /** Title; none when the document has none. */
  title(): string | null;
  /** Driver it asks for: `kvm`, `sim` or another word. */
  domainType(): string;
  /** Memory at boot and at most, bytes. */
  memory(): Bytes;
  /** Memory after the balloon took its share, bytes. */
  currentMemory(): Bytes;
  /** vCPUs at most. */
  vcpus(): number;
  /** vCPUs at boot. */
  currentVcpus(): number;
  /** True when the host may merge this guest's pages (no `<nosharepages/>`). */
  mergeable(): boolean;
  /** Path of the kernel; none when the document has none. */
  kernel(): string | null;
  /** Kernel command line; none when the document has none. */
  cmdline(): string | null;
  /** Disks in document order. */
  disks(): Disk[];
  /** Interfaces in document order. */
  interfaces(): NetworkInterface[];
  /** Memory balloon; none when the document does not say. */
  balloon(): Balloon | null;
  /** Number of random-number devices. */
  rngCount(): number;
  /** `<metadata>` as XML text of the whole element; none when there is none. */
  metadata(): string | null;
  /** The whole document in canonical form. Far dearer than the getters. */
  xml(): string;
}

// reeve:domain/domains

/** One row of a list. */
export interface Summary {
  /** Identity. */
  uuid: Uuid;
  /** Unique name. */
  name: string;
  /** What it is doing. */
  state: State;
  /** True when a definition is kept after it stops. */
  persistent: boolean;
  /** True when the daemon starts it by itself. */
  autostart: boolean;
}

/** What all active domains together may use; needs `domain:read` on every domain (`name=*`). */
export interface Commitment {
  /** Active domains. */
  active: number;
  /** Sum of their maximum memory, bytes. */
  memory: Bytes;
  /** Sum of their vCPUs. */
  vcpus: number;
}

// reeve:events/events

/** What happened to a domain. */
export type DomainChange =
  /** A definition was added or replaced. */
  | "defined"
  /** The definition was removed. */
  | "undefined"
  /** It runs. */
  | "started"
  /** vCPUs were stopped. */
  | "suspended"
  /** vCPUs run again. */
  | "resumed"
  /** The guest was asked to shut down. */
  | "shutdown-requested"
  /** The machine was reset or the guest rebooted. */
  | "rebooted"
  /** It ended. */
  | "stopped"
  /** All resources of a stopped domain are given back. */
  | "released"
  /** The guest or its worker failed. */
  | "crashed"
  /** A restarted daemon found it alive. */
  | "reconnected"
  /** A device was plugged. */
  | "device-attached"
  /** A device was unplugged. */
  | "device-detached"
  /** Autostart, title or another setting changed. */
  | "changed";

/** One event of a domain's life. */
export interface DomainEvent {
  /** Position on the event bus; it grows. */
  seq: number;
  /** Which domain. */
  uuid: Uuid;
  /** Its name. */
  name: string;
  /** What happened. */
  change: DomainChange;
  /** Its state afterwards. */
  state: State;
  /** Why it is in that state, e.g. `booted`, `guest crash`. */
  reason: string;
}

/** What happened to the daemon. */
export type DaemonChange =
  /** It serves. */
  | "started"
  /** It is about to end. */
  | "stopping"
  /** Configuration and policies were read again. */
  | "reloaded";

// reeve:hooks/daemon-events

// reeve:hooks/device-attach

// reeve:hooks/device-detach

// reeve:hooks/domain-define

// reeve:hooks/domain-events

// reeve:hooks/domain-prepare

// reeve:hooks/domain-start

// reeve:hooks/domain-stop

// reeve:hooks/mac-allocate

// reeve:hooks/task

/** A moment of a task's schedule. */
export interface Timing {
  /** When the run was due. */
  due: Timestamp;
  /** True when the daemon was down at that moment: this one run stands for all that were missed. */
  catchUp: boolean;
}

/** Why a task runs. */
export type Occasion =
  /** Somebody asked for it, with these arguments (at most 64, 64 KiB together). */
  | { tag: "manual"; val: string[] }
  /** Its schedule. */
  | { tag: "schedule"; val: Timing }
  /** An event of a domain that its filters let through. */
  | { tag: "domain"; val: DomainEvent }
  /** An event of the daemon that its filters let through; never `stopping`. */
  | { tag: "daemon"; val: DaemonChange };

// reeve:kv/store

// reeve:log/log

/** How important a line is. */
export type Level =
  /** Every detail. */
  | "debug"
  /** The normal course of things. */
  | "info"
  /** Something an operator should look at. */
  | "warn"
  /** Something failed. */
  | "error";

// reeve:node/host

/** The machine. */
export interface Info {
  /** Host name. */
  hostname: string;
  /** Online CPUs. */
  cpus: number;
  /** Memory, bytes. */
  memory: Bytes;
  /** NUMA cells. */
  numaCells: number;
}

/** Memory at one moment (/proc/meminfo), bytes. */
export interface Memory {
  /** All memory. */
  total: Bytes;
  /** Unused memory. */
  free: Bytes;
  /** What can be had without swapping. */
  available: Bytes;
  /** Page cache. */
  cached: Bytes;
  /** Buffers. */
  buffers: Bytes;
  /** Swap, all of it. */
  swapTotal: Bytes;
  /** Swap, unused. */
  swapFree: Bytes;
}

// reeve:node/ksm

/** Settings and counters. */
export interface KsmState {
  /** 0 stopped, 1 running, 2 stopped and all pages unmerged. */
  run: number;
  /** Pages to scan before ksmd sleeps. */
  pagesToScan: number;
  /** Milliseconds ksmd sleeps between scans. */
  sleepMillisecs: number;
  /** Merge across NUMA nodes; none where the kernel has no such switch. */
  mergeAcrossNodes: boolean | null;
  /** Shared pages in use. */
  pagesShared: number;
  /** Sites that share them. */
  pagesSharing: number;
  /** Pages that are unique but checked again and again. */
  pagesUnshared: number;
  /** Pages that change too fast. */
  pagesVolatile: number;
  /** Full scans so far. */
  fullScans: number;
}

// reeve:tune/ksm-tune

/** Why a tuner is asked. */
export type Wake =
  /** The interval passed. */
  | "interval"
  /** A domain started or stopped. */
  | "domains-changed";

/** What the tuner decides on; all of one moment. */
export interface Snapshot {
  /** Memory of the host. */
  memory: Memory;
  /** Present settings and counters. */
  ksm: KsmState;
  /** Sum of the maximum memory of all active domains that may be merged, bytes. */
  committed: Bytes;
  /** Active domains. */
  activeDomains: number;
  /** Why it is asked. */
  wake: Wake;
}

/** One change. The host validates and clamps it, applies it, and puts back what it found when the tuner is taken out. */
export type Adjustment =
  /** 0 stop, 1 run, 2 stop and unmerge all pages. */
  | { tag: "run"; val: number }
  /** Pages to scan before ksmd sleeps, 1 to 1000000. */
  | { tag: "pages-to-scan"; val: number }
  /** Milliseconds ksmd sleeps between scans, 1 to 10000. */
  | { tag: "sleep-millisecs"; val: number };

/** What each hook is asked and answers, as the component exports it. */
export interface Hooks {
  /** Notify: the daemon starts, stops or reloads. A stop waits for it no longer than the binding's deadline. */
  "daemon-events": { notify(ctx: Context, change: DaemonChange): void };
  /** Guard: a device is about to be plugged. A rewrite of the domain is refused; deny and let the operator ask again. */
  "device-attach": { guard(ctx: Context, domain: DomainConfig, device: string): Verdict };
  /** Guard: a device is about to be unplugged. Rewrites are refused. */
  "device-detach": { guard(ctx: Context, domain: DomainConfig, device: string): Verdict };
  /** Guard: a definition is added or replaced. A rewrite changes what is stored. */
  "domain-define": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /** Notify: the whole life of domains. Nothing waits for it; calls for one domain come in order. */
  "domain-events": { notify(ctx: Context, event: DomainEvent): void };
  /** Guard: a domain is about to start. A rewrite changes the effective configuration of this run; the definition stays as it is. */
  "domain-prepare": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /**
   * Guard: the last word before a machine is made: all other guards have agreed, the configuration is settled, the domain is
   * reserved for this start. Rewrites are refused here: it is too late.
   */
  "domain-start": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /** Guard: somebody asks to shut a domain down, reboot or destroy it. Not asked when the guest ends by itself. Rewrites are refused. */
  "domain-stop": { guard(ctx: Context, domain: DomainConfig, forced: boolean): Verdict };
  /** Propose: a MAC address for an interface that has none (guide 8.8). */
  "mac-allocate": { propose(ctx: Context, domain: DomainConfig, interfaceNumber: number, taken: string[], seed: number): string };
  /**
   * Task: a program that is run by hand, on a schedule or on events; what a shell script around a command line was. It may call the
   * host for changes, within its grants and as an actor of its own. One run of a task at a time.
   */
  "task": { run(ctx: Context, why: Occasion): string };
  /** Tune: kernel samepage merging (guide ch. 7). Asked on an interval (60 s by default) and when a domain started or stopped. */
  "ksm-tune": { tick(ctx: Context, now: Snapshot): Adjustment[] };
}
