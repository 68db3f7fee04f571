// Types of testing.js.

import type {
  Actor, Code, Disk, DomainConfig, Filter, Level, Network, Pool, Port, Subject, Volume, VolumePlan,
} from "./contract.js";

/** Lines the policy wrote to the log. */
export const logged: { level: Level; message: string }[];

/** What the host answers from now on. Log and clock are there without being said. Forgets what was logged. */
export function host(interfaces?: Record<string, Record<string, (...values: never[]) => unknown>>): void;

/** The error that a function of the host throws. */
export function hostError(code: Code, message: string): Error & { payload: { code: Code; message: string } };

/** Loads a policy's module; its imports of the contract go to the test's host. */
export function load(url: string | URL): Promise<Record<string, object>>;

/** What a policy answers to one call: a verdict, a proposal…, or `{ failure: message }`. */
export function ask(
  hook: object,
  context?: { config?: object | string; actor?: Actor; time?: number; attempt?: number; callId?: string },
  ...question: unknown[]
): unknown;

/** A domain with one vCPU, 1 GiB and nothing else, but for what is said. */
export function domain(values?: { [K in keyof DomainConfig]?: ReturnType<DomainConfig[K]> }): DomainConfig;

/** A writable disk with a source, but for what is said. */
export function disk(values?: Partial<Disk>): Disk;

/** A persistent NAT network that does not run, but for what is said. */
export function network(values?: Partial<Network>): Network;

/** An interface of the domain `test` that is in no network and has no filter, but for what is said. */
export function port(values?: Partial<Port>): Port;

/** A running directory pool without volumes, but for what is said. */
export function pool(values?: Partial<Pool>): Pool;

/** A raw volume of 1 GiB in the pool `test`, but for what is said. */
export function volume(values?: Partial<Volume>): Volume;

/** A volume of 1 GiB that is about to be made, but for what is said. */
export function plan(values?: Partial<VolumePlan>): VolumePlan;

/** The interface of a filter: that of `port()`, but for what is said. */
export function subject(values?: Partial<Subject>): Subject;

/** A filter of chain `root` with nothing in it, but for what is said. */
export function filter(values?: Partial<Filter>): Filter;
