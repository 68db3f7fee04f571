// Reeve policies in AssemblyScript: everything a policy uses.
//
// A policy is policy.ts with an exported function for each hook that policy.toml names (README.md has their signatures). What may fail gives a
// Result, as the language has no exceptions that can be caught.

import {
  Adjustment, Edit, Failure, HostError, MigrationPlan, Rules, Step, Verdict, VolumeChanges, VolumeVerdict,
} from "./contract";
import { Result } from "./abi";

export { Result, Some, Tuple2 } from "./abi";
export { Settings } from "./settings";
export {
  Actor, ActorTag, Adjustment, AdjustmentTag, Balloon, Change, Code, Commitment, Context, Counters, DaemonChange, Disk, DiskCache,
  DomainChange, DomainConfig, DomainEvent, Edit, EditTag, Failure, HostError, Info, InterfaceSource, KsmState, Lease, Level, Memory,
  Mode, Network, NetworkEvent, NetworkInterface, Occasion, OccasionTag, Port, Snapshot, State, Summary, Timing, Verdict, VerdictTag,
  Wake,
  clock, domains, host, ksm, kv, log, networks, pools, timer, volumes,
} from "./contract";
// Storage pools and their volumes.
export {
  Cloned, CloneRequest, NewVolume, Pool, Space, StorageChange, StorageEvent, Volume, VolumeChanges, VolumePlan, VolumeVerdict,
  VolumeVerdictTag,
} from "./contract";
// Guests that move to another host.
export {
  CacheMode, Capabilities, disks, Journey, Limits, MigratedDisk, MigrationPlan, Peer, Progress, Round, Step, StepTag, Way,
} from "./contract";
// Packet filters: the tree that filterGenerate gets.
export {
  Access, AccessTag, Action, Condition, Direction, Entry, EntryTag, Filter, Parameter, ProtocolMatch, Subject, TreeRule, Value,
  ValueTag, Variable,
} from "./contract";
// The rules that it gives.
export {
  Chain, ConnectionState, Field, Flow, HostSet, Layer, Lookup, Masked, MaskedMac, Match, Operand, OperandTag, Rules, RulesetRule,
  RulesetSet, RulesetVerdict, RulesetVerdictTag, VerdictMap,
} from "./contract";

/** What a guard answers. */
export type Decision = Result<Verdict, Failure>;
/** What a proposal or a task answers. */
export type Reply = Result<string, Failure>;
/** What a tuner answers. */
export type Tuning = Result<Array<Adjustment>, Failure>;

/** What the guard of a new volume answers. */
export type VolumeDecision = Result<VolumeVerdict, Failure>;

/** What a filter answers. */
export type Generated = Result<Rules, Failure>;

/** What a strategy answers before a migration: null, or one sentence why it may not begin. */
export type Objection = Result<string | null, Failure>;
/** How a strategy begins. */
export type Planned = Result<MigrationPlan, Failure>;
/** What a strategy answers after a round. */
export type Steered = Result<Step, Failure>;

/** No objection. */
export function allow(): Decision {
  return Result.ok<Verdict, Failure>(Verdict.allow());
}

/** Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it. */
export function deny(reason: string): Decision {
  return Result.ok<Verdict, Failure>(Verdict.deny(reason));
}

/** Go on with these changes, applied in order. No change at all is an allow. */
export function rewrite(edits: Array<Edit>): Decision {
  return Result.ok<Verdict, Failure>(edits.length == 0 ? Verdict.allow() : Verdict.rewrite(edits));
}

/** No objection to a new volume. */
export function allowVolume(): VolumeDecision {
  return Result.ok<VolumeVerdict, Failure>(VolumeVerdict.allow());
}

/** No new volume, for this reason: one sentence for the one who asked. */
export function denyVolume(reason: string): VolumeDecision {
  return Result.ok<VolumeVerdict, Failure>(VolumeVerdict.deny(reason));
}

/** A new volume with these changes of its document; what is null stays. */
export function rewriteVolume(changes: VolumeChanges): VolumeDecision {
  return Result.ok<VolumeVerdict, Failure>(VolumeVerdict.rewrite(changes));
}

/** No objection to a migration. */
export function noObjection(): Objection {
  return Result.ok<string | null, Failure>(null);
}

/** A migration does not begin, for this reason: one sentence for the one who asked. */
export function object(reason: string): Objection {
  return Result.ok<string | null, Failure>(reason);
}

/** A migration begins like this. */
export function begin(plan: MigrationPlan): Planned {
  return Result.ok<MigrationPlan, Failure>(plan);
}

/** After a round a migration goes on like this. */
export function go(step: Step): Steered {
  return Result.ok<Step, Failure>(step);
}

/** The answer of a proposal or a task. */
export function say(text: string): Reply {
  return Result.ok<string, Failure>(text);
}

/** The changes of a tuner; none changes nothing. */
export function adjust(adjustments: Array<Adjustment>): Tuning {
  return Result.ok<Array<Adjustment>, Failure>(adjustments);
}

/** The rules of a filter; no chain lets everything pass. */
export function generate(rules: Rules): Generated {
  return Result.ok<Rules, Failure>(rules);
}

/**
 * The policy could not decide: one sentence for the operator. The binding's failure mode then decides. `fail<Verdict>(…)` in a guard,
 * `fail<string>(…)` in a proposal or a task, `fail<Array<Adjustment>>(…)` in a tuner, `fail<Rules>(…)` in a filter,
 * `fail<string | null>(…)`, `fail<MigrationPlan>(…)` and `fail<Step>(…)` in a strategy; a notify hook answers `new Failure(…)`.
 */
export function fail<T>(message: string): Result<T, Failure> {
  return Result.err<T, Failure>(new Failure(message));
}

/** The sentence of a host call that failed, for `fail`. */
export function because(error: HostError): string {
  return `the host answered: ${error.message}`;
}
