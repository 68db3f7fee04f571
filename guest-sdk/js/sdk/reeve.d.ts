/// <reference path="./host.d.ts" />
// Types of reeve.js. Those of the contract are in contract.d.ts, what a policy may import in host.d.ts.

import type * as contract from "./contract.js";
import type { Settings, Values } from "./config.js";

export type * from "./contract.js";
export { boolean, ConfigError, integer, list, number, optional, text } from "./config.js";

/** The circumstances of a call, and the policy's configuration. */
export interface Context extends contract.Context {
  /** The policy's configuration: every key of `settings`, as the operator set it or by default. Throws a ConfigError. */
  parseConfig<S extends Settings>(settings: S): Values<S>;
}

type Decide = (ctx: Context, domain: contract.DomainConfig, more: never) => contract.Verdict;
type DecideDevice = (ctx: Context, domain: contract.DomainConfig, device: string) => contract.Verdict;
type DecideStop = (ctx: Context, domain: contract.DomainConfig, forced: boolean) => contract.Verdict;
type Guard = contract.Hooks["domain-define"];

/** Guards of a whole domain: `domainDefine`, `domainPrepare`, `domainStart`. */
export function guard(decide: Decide): Guard;
/** Guards of a device: `deviceAttach`, `deviceDetach`. */
export function guard(decide: DecideDevice): contract.Hooks["device-attach"];
/** The guard `domainStop`. */
export function guard(decide: DecideStop): contract.Hooks["domain-stop"];

/** Guards of a migration: `migrateOut`, `migrateIn`. */
export function guard(
  decide: (ctx: Context, domain: contract.DomainConfig, journey: contract.Journey) => contract.Verdict,
): contract.Hooks["migrate-out"];

/** The guard `networkStart`; `xml` is the whole document. */
export function guard(
  decide: (ctx: Context, network: contract.Network, xml: string) => contract.Verdict,
): contract.Hooks["network-start"];
/** The guard `networkStop`. */
export function guard(decide: (ctx: Context, network: contract.Network) => contract.Verdict): contract.Hooks["network-stop"];
/** The guard `portPlug`. */
export function guard(
  decide: (ctx: Context, domain: contract.DomainConfig, port: contract.Port) => contract.Verdict,
): contract.Hooks["port-plug"];

/** The guard `poolStart`; `xml` is the whole document. */
export function guard(decide: (ctx: Context, pool: contract.Pool, xml: string) => contract.Verdict): contract.Hooks["pool-start"];
/** The guard `volumeCreate`. */
export function guard(
  decide: (ctx: Context, pool: contract.Pool, plan: contract.VolumePlan) => contract.VolumeVerdict,
): contract.Hooks["volume-create"];
/** The guard `volumeResize`; `capacity` is what the volume gets. */
export function guard(
  decide: (ctx: Context, pool: contract.Pool, volume: contract.Volume, capacity: number) => contract.Verdict,
): contract.Hooks["volume-resize"];
/** The guard `volumeDelete`. */
export function guard(
  decide: (ctx: Context, pool: contract.Pool, volume: contract.Volume) => contract.Verdict,
): contract.Hooks["volume-delete"];

/** Notify hooks: `domainEvents`, `daemonEvents`, `networkEvents`, `storageEvents`. */
export function notify(told: (ctx: Context, event: contract.DomainEvent) => void): contract.Hooks["domain-events"];
export function notify(told: (ctx: Context, change: contract.DaemonChange) => void): contract.Hooks["daemon-events"];
export function notify(told: (ctx: Context, event: contract.NetworkEvent) => void): contract.Hooks["network-events"];
export function notify(told: (ctx: Context, event: contract.StorageEvent) => void): contract.Hooks["storage-events"];

/** Proposals: `macAllocate`, `cloneName`. */
export function propose(
  make: (
    ctx: Context,
    domain: contract.DomainConfig,
    interfaceNumber: number,
    taken: string[],
    seed: number,
  ) => string,
): contract.Hooks["mac-allocate"];
export function propose(make: (ctx: Context, clone: contract.CloneRequest) => string): contract.Hooks["clone-name"];

/** Generators of packet rules: `filterGenerate`. Chains, sets and maps that are left out are none. */
export function generate(
  make: (ctx: Context, subject: contract.Subject, filters: contract.Filter[]) => Partial<contract.Rules>,
): contract.Hooks["filter-generate"];

/**
 * Strategies of migrations: `migrationStrategy`. Without `precheck` nothing is objected to, without `plan` a migration begins with the
 * operator's limits.
 */
export function steer(strategy: {
  precheck?: (ctx: Context, domain: contract.DomainConfig, journey: contract.Journey) => string | null | void;
  plan?: (
    ctx: Context,
    offered: contract.Capabilities,
    limits: contract.Limits,
    journey: contract.Journey,
  ) => contract.MigrationPlan;
  nextStep: (ctx: Context, now: contract.Progress) => contract.Step;
}): contract.Hooks["migration-strategy"];

/** What comes after a round of a migration. */
export const step: {
  continue(): contract.Step;
  throttle(percent: number): contract.Step;
  setMaxDowntime(microseconds: number): contract.Step;
  compress(): contract.Step;
  addStreams(more: number): contract.Step;
  switchToPostCopy(): contract.Step;
  stopAndCopy(): contract.Step;
  abort(reason: string): contract.Step;
};

/** Tuners: `ksmTune`. Nothing at all changes nothing. */
export function tune(
  tick: (ctx: Context, now: contract.Snapshot) => contract.Adjustment[] | void,
): contract.Hooks["ksm-tune"];

/** Tasks: the answer is a summary of what was done, one line. */
export function task(run: (ctx: Context, why: contract.Occasion) => string | void): contract.Hooks["task"];

/** No objection. */
export function allow(): { tag: "allow" };
/** Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it. */
export function deny(reason: string): { tag: "deny"; val: string };
/** Go on with these changes, applied in order. No change at all is an `allow`. */
export function rewrite(edits: contract.Edit[]): contract.Verdict;
/** A new volume with these changes of its document; what is left out stays. */
export function rewriteVolume(changes: Partial<contract.VolumeChanges>): contract.VolumeVerdict;

/** Changes to a domain. Sizes are bytes, XML is text. */
export const edit: {
  setMemory(bytes: number): contract.Edit;
  setCurrentMemory(bytes: number): contract.Edit;
  setVcpus(count: number): contract.Edit;
  setCpuShares(shares: number): contract.Edit;
  setDiskCache(target: string, cache: string): contract.Edit;
  setInterfaceSource(mac: string, attribute: string, value: string): contract.Edit;
  setTitle(title: string): contract.Edit;
  setCmdline(cmdline: string): contract.Edit;
  setMetadata(xml: string): contract.Edit;
  addDevice(xml: string): contract.Edit;
  removeDevice(alias: string): contract.Edit;
  replace(xml: string): contract.Edit;
};

/** Changes a KSM tuner may ask for. */
export const adjust: {
  run(value: number): contract.Adjustment;
  pagesToScan(pages: number): contract.Adjustment;
  sleepMillisecs(milliseconds: number): contract.Adjustment;
};

/** What a field of a packet is compared with. */
export const operand: {
  number(number: number): contract.Operand;
  range(from: number, to: number): contract.Operand;
  masked(value: number, mask: number): contract.Operand;
  mac(mac: string): contract.Operand;
  maskedMac(value: string, mask: string): contract.Operand;
  address(address: string): contract.Operand;
  network(address: string, prefix: number): contract.Operand;
  addresses(from: string, to: string): contract.Operand;
  set(name: string): contract.Operand;
  states(...states: contract.ConnectionState[]): contract.Operand;
  hostSet(name: string, sources: boolean[]): contract.Operand;
};

/** What becomes of a packet that a rule matches. */
export const packet: {
  accept(): contract.RulesetVerdict;
  drop(): contract.RulesetVerdict;
  reject(): contract.RulesetVerdict;
  return(): contract.RulesetVerdict;
  continue(): contract.RulesetVerdict;
  jump(chain: string): contract.RulesetVerdict;
  lookup(field: contract.Field, verdictMap: string): contract.RulesetVerdict;
};

/** Lines for the daemon's log, marked with the policy's name. */
export const log: Record<contract.Level, (message: unknown) => void>;

/** The host's clock, recorded and replayed with the call. */
export const clock: {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
  /** Nanoseconds on a clock that never goes back; only differences mean something. */
  monotonic(): number;
};

/** The policy could not decide; the binding's failure mode then does. Throw it from any hook. */
export class Failure extends Error {}

/** A number of 32 bits as the contract means it. The engine hands those from 2^31 on over as negative ones. */
export function u32(number: number): number;

/** A number of 64 bits as an exact big integer. The engine hands those from 2^63 on over as negative ones. */
export function u64(number: number): bigint;

/** The code of a host's error, e.g. `not-found`; undefined for any other error. */
export function errorCode(error: unknown): contract.Code | undefined;
