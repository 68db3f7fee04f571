// What a policy may call, made of wit/ by the conformance tests. Every function but those of the log, the clock and the disks
// of a migration needs a grant that policy.toml wants; one that can fail throws an Error whose `payload` is the contract's error.

/** The host's clock, recorded and replayed with the call. Needs no grant. */
declare module "reeve:clock/clock@0.1.0" {
  type Timestamp = import("./contract.js").Timestamp;
  /** Time since the Unix epoch in milliseconds, UTC. */
  export function now(): Timestamp;
  /** Nanoseconds on a clock that never goes back; only differences mean something. */
  export function monotonic(): number;
}

/** Waiting. Needs no grant, but only tasks may wait: from any other hook `pause` answers `denied`. */
declare module "reeve:clock/timer@0.1.0" {
  /** Waits so many milliseconds, 0 to 60000. The deadline of the run goes on meanwhile; what is beyond it ends the run. */
  export function pause(milliseconds: number): void;
}

/**
 * The domains of this host. Functions that read need the grant `domain:read`, the others the grant named with each. A domain
 * outside the grant's subjects is `not-found` when read and `denied` when changed. Functions that change something may only
 * be called from notify hooks and tuners; from a guard or a proposal they answer `denied`.
 */
declare module "reeve:domain/domains@0.1.0" {
  type Bytes = import("./contract.js").Bytes;
  type Commitment = import("./contract.js").Commitment;
  type DomainConfig = import("./contract.js").DomainConfig;
  type Summary = import("./contract.js").Summary;
  type Uuid = import("./contract.js").Uuid;
  /** All domains the policy may read, ordered by name. */
  export function list(): Summary[];
  /** One domain by name or UUID. */
  export function get(name: string): DomainConfig;
  /** Sums over all active domains but `except` (a UUID), for admission: the domain that is asked about is not counted twice. */
  export function committed(except: Uuid | null): Commitment;
  /** Starts a defined domain. Needs `domain:start`. */
  export function start(name: string): void;
  /** Asks the guest to shut down; answers before it has. Needs `domain:shutdown`. */
  export function shutdown(name: string): void;
  /** Stops it by force. Needs `domain:destroy`. */
  export function destroy(name: string): void;
  /** Stops its vCPUs. Needs `domain:suspend`. */
  export function suspend(name: string): void;
  /** Lets its vCPUs run again. Needs `domain:suspend`. */
  export function resume(name: string): void;
  /** Sets the balloon target, bytes, clamped to the domain's maximum. Needs `domain:configure`. */
  export function setMemory(name: string, target: Bytes): void;
}

/**
 * The disks of the guest that a hook of migrations is asked about. What it says is part of the question: nothing is looked at when it is
 * called. Needs no grant.
 */
declare module "reeve:migration/disks@0.1.0" {
  type MigratedDisk = import("./contract.js").MigratedDisk;
  /**
   * The disks in the order of the document that the hook looks at, rewrites of policies before it included; those of a strategy are of
   * the domain as it runs. Empty in hooks that are asked about no migration.
   */
  export function list(): MigratedDisk[];
}

/**
 * The virtual networks of this host, to read. Every function needs the grant `network:read`; a network outside the grant's
 * subjects is `not-found`.
 */
declare module "reeve:network/networks@0.1.0" {
  type Counters = import("./contract.js").Counters;
  type Lease = import("./contract.js").Lease;
  type Network = import("./contract.js").Network;
  type Port = import("./contract.js").Port;
  /** All networks by name. */
  export function list(): Network[];
  /** One network by name. */
  export function get(name: string): Network;
  /** Ports of one network. */
  export function ports(network: string): Port[];
  /** Leases of one network that have not expired. */
  export function leases(network: string): Lease[];
  /** Counters of a port of one network, by its link. */
  export function portCounters(network: string, link: string): Counters;
}

/**
 * The storage pools of this host, to read. Every function needs the grant `pool:read`; a pool outside the grant's subjects is
 * `not-found`.
 */
declare module "reeve:storage/pools@0.1.0" {
  type Pool = import("./contract.js").Pool;
  /** All pools by name. */
  export function list(): Pool[];
  /** One pool by name. */
  export function get(name: string): Pool;
}

/**
 * The volumes of the pools that run. Subjects of every grant are pools: a function needs the grant that stands beside it, for the pool
 * that it names. Functions that read work in every hook; those that change something work in notify hooks, tuners and tasks only, and
 * go the way of every verb: guards are asked, the change is told to all who listen.
 */
declare module "reeve:storage/volumes@0.1.0" {
  type Bytes = import("./contract.js").Bytes;
  type NewVolume = import("./contract.js").NewVolume;
  type Volume = import("./contract.js").Volume;
  /** All volumes of a pool by name, those that are being made among them. Needs `volume:read`. */
  export function list(pool: string): Volume[];
  /** One volume, looked at now. Needs `volume:read`. */
  export function get(pool: string, name: string): Volume;
  /**
   * Makes a volume of zeroes. Needs `volume:create`; with `max-bytes` in that grant, all volumes of the pool together may have that
   * capacity at most, the new one included.
   */
  export function create(pool: string, volume: NewVolume): Volume;
  /**
   * Makes a copy of a volume in the same pool, or an overlay's copy over the same image. It is seen when it is whole. Needs
   * `volume:create` as `create` does, and `volume:download`.
   */
  export function copy(pool: string, source: string, name: string): Volume;
  /**
   * Gives a volume another capacity; a smaller one only with `shrink`, what is beyond the new end is lost. Needs `volume:change`; with
   * `max-bytes` in that grant, all volumes of the pool together may have that capacity at most when it grows.
   */
  export function resize(pool: string, name: string, capacity: Bytes, shrink: boolean): Volume;
  /** Deletes a volume. Needs `volume:delete`. */
  function _delete(pool: string, name: string): void;
  export { _delete as delete };
  /**
   * Reads what a volume holds from `offset` on, as it is stored: of a qcow2 image, the image. At most `length` bytes and at most 1 MiB;
   * fewer at its end. Needs `volume:download`.
   */
  export function read(pool: string, name: string, offset: number, length: number): Uint8Array;
  /**
   * Writes bytes, at most 1 MiB, into a volume from `offset` on, as they are stored; a raw volume does not grow by it. Needs
   * `volume:change`.
   */
  export function write(pool: string, name: string, offset: number, data: Uint8Array): void;
}

/**
 * Values that outlive a call, kept by the host for this policy alone. Needs the grant `kv:use`; `kv:use max-bytes=…` sets the
 * quota over all keys and values (64 KiB when not said).
 */
declare module "reeve:kv/store@0.1.0" {
  /** The value of a key; none when it was never set. Keys are 1 to 256 bytes. */
  export function get(key: string): Uint8Array | null;
  /** Sets a value. Over the quota the call fails with `denied` and nothing changes. */
  export function set(key: string, value: Uint8Array): void;
  /** Removes a key; true when it was there. */
  function _delete(key: string): boolean;
  export { _delete as delete };
  /** Keys that begin with `prefix`, in byte order, at most 1000. */
  export function keys(prefix: string): string[];
}

/**
 * Lines for the daemon's log, marked with the policy's name. Needs no grant; bytes per call are limited (16 KiB by default), and a
 * policy that writes more is stopped.
 */
declare module "reeve:log/log@0.1.0" {
  type Level = import("./contract.js").Level;
  /** Writes one line; line breaks inside are escaped. */
  export function write(level: Level, message: string): void;
}

/** What the host machine is and how it is loaded. Needs the grant `node:read`. */
declare module "reeve:node/host@0.1.0" {
  type Info = import("./contract.js").Info;
  type Memory = import("./contract.js").Memory;
  /** The machine; it does not change while the daemon runs, except for CPUs going on and off line. */
  export function getInfo(): Info;
  /** Memory now. */
  export function getMemory(): Memory;
}

/** Kernel samepage merging (guide ch. 7): the files under /sys/kernel/mm/ksm. Needs the grant `node:read`. */
declare module "reeve:node/ksm@0.1.0" {
  type KsmState = import("./contract.js").KsmState;
  /** The present state. */
  export function get(): KsmState;
}
