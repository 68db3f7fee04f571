// What every policy in JavaScript uses: hooks, verdicts, edits, the log and the clock.
//
//   import { guard, allow, deny } from "./sdk/reeve.js";
//
//   export const domainDefine = guard((ctx, domain) =>
//     domain.vcpus() <= 64 ? allow() : deny(`${domain.vcpus()} vCPUs; this host allows 64 at most`));

import { monotonic, now } from "reeve:clock/clock@0.1.0";
import { write } from "reeve:log/log@0.1.0";
import { parse } from "./config.js";

export { boolean, ConfigError, integer, list, number, optional, text } from "./config.js";

/**
 * Guards: `domain-define`, `domain-prepare`, `domain-start`, `domain-stop`, `migrate-out`, `migrate-in`, `device-attach`, `device-detach`, `network-start`,
 * `network-stop`, `port-plug`, `pool-start`, `volume-create`, `volume-resize`, `volume-delete`.
 */
export const guard = (decide) => ({ guard: answering(decide, checkVerdict) });

/** Notify hooks: `domain-events`, `daemon-events`, `network-events`, `storage-events`. */
export const notify = (told) => ({ notify: answering(told, () => undefined) });

/** Proposals: `mac-allocate`, `clone-name`. */
export const propose = (make) => ({ propose: answering(make, (answer) => expect(answer, "string", "a proposal")) });

/** Generators of packet rules: `filter-generate`. Chains, sets and maps that are left out are none. */
export const generate = (make) => ({ propose: answering(make, checkRules) });

const one = (tag) => (val) => ({ tag, val });

/**
 * Strategies of migrations: `migration-strategy`. Without `precheck` nothing is objected to, without `plan` a migration begins with
 * the operator's limits.
 */
export const steer = ({ precheck = () => null, plan = ordinary, nextStep }) => ({
  precheck: answering(precheck, (objection) => objection ?? null),
  plan: answering(plan, (plan) => expect(plan, "object", "a plan")),
  nextStep: answering(nextStep, checkStep),
});

const ordinary = (ctx, offered, limits) => ({ maxDowntimeUs: limits.maxDowntimeUs, compress: false, streams: 1 });

/** What comes after a round of a migration. */
export const step = {
  continue: () => ({ tag: "continue" }),
  throttle: one("throttle"),
  setMaxDowntime: one("set-max-downtime"),
  compress: () => ({ tag: "compress" }),
  addStreams: one("add-streams"),
  switchToPostCopy: () => ({ tag: "switch-to-post-copy" }),
  stopAndCopy: () => ({ tag: "stop-and-copy" }),
  abort: (reason) => ({ tag: "abort", val: String(reason) }),
};

/** Tuners: `ksm-tune`. Nothing at all changes nothing. */
export const tune = (tick) => ({ tick: answering(tick, (answer) => answer ?? []) });

/** Tasks: the answer is a summary of what was done, one line. */
export const task = (run) => ({ run: answering(run, (answer) => answer ?? "") });

/** No objection. */
export const allow = () => ({ tag: "allow" });

/** Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it. */
export const deny = (reason) => ({ tag: "deny", val: String(reason) });

/** Go on with these changes, applied in order. No change at all is an `allow`. */
export const rewrite = (edits) => (edits.length === 0 ? allow() : { tag: "rewrite", val: edits });

/** A new volume with these changes of its document: `name`, `capacity`, `allocation`; what is left out stays. */
export const rewriteVolume = ({ name = null, capacity = null, allocation = null }) =>
  ({ tag: "rewrite", val: { name, capacity, allocation } });

/** Changes to a domain. Sizes are bytes, XML is text. */
export const edit = {
  setMemory: one("set-memory"),
  setCurrentMemory: one("set-current-memory"),
  setVcpus: one("set-vcpus"),
  setCpuShares: one("set-cpu-shares"),
  setDiskCache: (target, cache) => ({ tag: "set-disk-cache", val: { target, cache } }),
  setInterfaceSource: (mac, attribute, value) => ({ tag: "set-interface-source", val: { mac, attribute, value } }),
  setTitle: one("set-title"),
  setCmdline: one("set-cmdline"),
  setMetadata: one("set-metadata"),
  addDevice: one("add-device"),
  removeDevice: one("remove-device"),
  replace: one("replace"),
};

/** Changes a KSM tuner may ask for. */
export const adjust = {
  run: one("run"),
  pagesToScan: one("pages-to-scan"),
  sleepMillisecs: one("sleep-millisecs"),
};

/** What a field of a packet is compared with. */
export const operand = {
  number: one("number"),
  range: (from, to) => ({ tag: "range", val: [from, to] }),
  masked: (value, mask) => ({ tag: "masked", val: { value, mask } }),
  mac: one("mac"),
  maskedMac: (value, mask) => ({ tag: "masked-mac", val: { value, mask } }),
  address: one("address"),
  network: (address, prefix) => ({ tag: "network", val: [address, prefix] }),
  addresses: (from, to) => ({ tag: "addresses", val: [from, to] }),
  set: one("set"),
  states: (...states) => ({ tag: "states", val: states }),
  hostSet: (name, sources) => ({ tag: "host-set", val: { name, sources } }),
};

/** What becomes of a packet that a rule matches. */
export const packet = {
  accept: () => ({ tag: "accept" }),
  drop: () => ({ tag: "drop" }),
  reject: () => ({ tag: "reject" }),
  return: () => ({ tag: "return" }),
  continue: () => ({ tag: "continue" }),
  jump: one("jump"),
  lookup: (field, verdictMap) => ({ tag: "lookup", val: { field, verdictMap } }),
};

/** Lines for the daemon's log, marked with the policy's name. */
export const log = {
  debug: (message) => write("debug", String(message)),
  info: (message) => write("info", String(message)),
  warn: (message) => write("warn", String(message)),
  error: (message) => write("error", String(message)),
};

/** The host's clock, recorded and replayed with the call. */
export const clock = { now, monotonic };

/** The policy could not decide; the binding's failure mode then does. Throw it from any hook. */
export class Failure extends Error {
  name = "Failure";
}

/** A number of 32 bits as the contract means it. The engine hands those from 2^31 on over as negative ones. */
export const u32 = (number) => number >>> 0;

/** A number of 64 bits as an exact big integer. The engine hands those from 2^63 on over as negative ones. */
export const u64 = (number) => BigInt.asUintN(64, BigInt(number));

/** The code of a host's error, e.g. `not-found`; undefined for any other error. */
export const errorCode = (error) => error?.payload?.code;

/** The circumstances of a call. */
class Context {
  constructor(raw) {
    Object.assign(this, raw);
    if (raw.actor?.tag === "client") {
      this.actor = { tag: "client", val: u32(raw.actor.val) };
    }
  }

  /** The policy's configuration: every key of `settings`, as the operator set it or by default. */
  parseConfig(settings) {
    return parse(this.config, settings);
  }
}

function answering(hook, check) {
  return (ctx, ...question) => {
    try {
      return check(hook(new Context(ctx), ...question));
    } catch (error) {
      throw { message: explain(error) };
    }
  };
}

/** One sentence for the operator. What is the fault of the policy also goes to the log, with the place. */
function explain(error) {
  if (error?.payload?.message !== undefined) {
    return `the host answered: ${error.payload.message}`;
  }
  if (error?.name === "Failure" || error?.name === "ConfigError") {
    return error.message;
  }
  if (error instanceof Error) {
    log.error(`${error.name}: ${error.message}\n${error.stack ?? ""}`.trim());
    return `${error.name}: ${error.message}`;
  }
  return String(error?.message ?? error);
}

function checkVerdict(verdict) {
  if (!["allow", "deny", "rewrite"].includes(verdict?.tag)) {
    throw new Failure("the guard gave no verdict; it must return allow(), deny(reason) or rewrite(edits)");
  }
  return verdict;
}

function checkRules(rules) {
  const { chains = [], sets = [], maps = [] } = rules ?? {};
  if (typeof rules !== "object" || rules === null || ![chains, sets, maps].every(Array.isArray)) {
    throw new Failure("the filter gave no rules; it must return { chains, sets, maps }, each a list");
  }
  return { chains, sets, maps };
}

function checkStep(step) {
  if (typeof step?.tag !== "string") {
    throw new Failure("the strategy gave no step; it must return one of step, e.g. step.continue()");
  }
  return step;
}

function expect(answer, type, what) {
  if (typeof answer !== type) {
    throw new Failure(`${what} must be a ${type}, this one is ${answer === null ? "null" : typeof answer}`);
  }
  return answer;
}
