// Runs a policy's hooks in node, against a host that the test makes up. Not part of a component.
//
//   import { test } from "node:test";
//   import assert from "node:assert/strict";
//   import { ask, domain, load } from "./sdk/testing.js";
//   const policy = await load(import.meta.resolve("./policy.js"));
//
//   test("small domains are fine", () => {
//     assert.deepEqual(ask(policy.domainDefine, {}, domain({ vcpus: 2 })), { tag: "allow" });
//   });

import { register } from "node:module";
import { GETTERS, INTERFACES } from "./contract.js";

const HOST = Symbol.for("reeve.testing.host");

/** Lines the policy wrote to the log: `{ level, message }`. */
export const logged = [];

const BUILT_IN = {
  "reeve:log/log": { write: (level, message) => void logged.push({ level, message }) },
  "reeve:clock/clock": { now: () => 0, monotonic: () => 0 },
};

let made = BUILT_IN;

globalThis[HOST] = (name, call, values) => {
  const [path] = name.split("@");
  const answer = made[path]?.[call];
  if (answer === undefined) {
    throw new Error(`the test's host has no ${path}.${call}; make one with host({ "${path}": { ${call}: … } })`);
  }
  return answer(...values);
};

/**
 * What the host answers from now on: `{ "reeve:node/host": { getInfo: () => ({ cpus: 4, … }) } }`. Log and clock are there
 * without being said. Forgets what was logged.
 */
export function host(interfaces = {}) {
  for (const [path, calls] of Object.entries(interfaces)) {
    const name = Object.keys(INTERFACES).find((name) => name.split("@")[0] === path);
    if (name === undefined) {
      throw new Error(`'${path}' is no interface of the contract`);
    }
    const unknown = Object.keys(calls).find((call) => !INTERFACES[name].includes(call));
    if (unknown !== undefined) {
      throw new Error(`'${path}' has no '${unknown}'; it has ${INTERFACES[name].join(", ")}`);
    }
  }
  logged.length = 0;
  made = { ...BUILT_IN, ...interfaces };
}

/** The error that a function of the host throws. */
export function hostError(code, message) {
  return Object.assign(new Error(message), { payload: { code, message } });
}

/** Loads a policy's module; its imports of the contract go to the test's host. */
export async function load(url) {
  return import(url);
}

/** What a policy answers to one call: a verdict, a proposal…, or `{ failure: message }`. */
export function ask(hook, { config = {}, actor = { tag: "daemon" }, time = 0, attempt = 1, callId = "test" } = {}, ...question) {
  const ctx = { callId, time, actor, attempt, config: typeof config === "string" ? config : JSON.stringify(config) };
  const [answer] = Object.values(hook);
  try {
    return answer(ctx, ...question);
  } catch (failure) {
    return { failure: failure.message };
  }
}

const DOMAIN = {
  name: "test",
  uuid: "00000000-0000-4000-8000-000000000000",
  state: "shut-off",
  title: null,
  domainType: "kvm",
  memory: 1 << 30,
  currentMemory: 1 << 30,
  vcpus: 1,
  currentVcpus: 1,
  mergeable: true,
  kernel: null,
  cmdline: null,
  disks: [],
  interfaces: [],
  balloon: null,
  rngCount: 0,
  metadata: null,
  xml: "<domain/>",
};

/** A domain with one vCPU, 1 GiB and nothing else, but for what is said: `domain({ name: "web-1", vcpus: 4 })`. */
export function domain(values = {}) {
  const unknown = Object.keys(values).find((name) => !GETTERS.includes(name));
  if (unknown !== undefined) {
    throw new Error(`a domain has no '${unknown}'; it has ${GETTERS.join(", ")}`);
  }
  const all = { ...DOMAIN, ...values };
  return Object.fromEntries(GETTERS.map((name) => [name, () => all[name]]));
}

/** A writable disk with a source, but for what is said. */
export function disk(values = {}) {
  const plain = { target: "vda", device: "disk", source: "/test.img", format: null, cache: null, bus: null };
  return { ...plain, readonly: false, shareable: false, ...values };
}

/** A persistent NAT network that does not run, but for what is said. */
export function network(values = {}) {
  const plain = { uuid: "00000000-0000-4000-8000-000000000001", name: "test", mode: "nat", active: false, persistent: true };
  return { ...plain, autostart: false, bridge: null, addresses: [], connections: 0, ...values };
}

/** An interface of the domain `test` that is in no network and has no filter, but for what is said. */
export function port(values = {}) {
  const plain = { domain: "test", mac: "52:54:00:00:00:01", link: "tap0", network: null, filter: null };
  return { ...plain, addresses: [], ...values };
}

/** A running directory pool without volumes, but for what is said. */
export function pool(values = {}) {
  const plain = { uuid: "00000000-0000-4000-8000-000000000002", name: "test", kind: "dir", active: true, persistent: true };
  return { ...plain, autostart: false, path: null, space: null, volumes: 0, ...values };
}

/** A raw volume of 1 GiB in the pool `test`, but for what is said. */
export function volume(values = {}) {
  const plain = { name: "disk.img", pool: "test", key: "/test/disk.img", path: "/test/disk.img", format: "raw" };
  return { ...plain, capacity: 1 << 30, allocation: 0, backing: null, created: null, complete: true, ...values };
}

/** A volume of 1 GiB that is about to be made, but for what is said. */
export function plan(values = {}) {
  const plain = { name: "disk.img", capacity: 1 << 30, allocation: null, format: null, backing: null, source: null };
  return { ...plain, xml: "<volume/>", ...values };
}

/** The interface of a filter: that of `port()`, but for what is said. */
export function subject(values = {}) {
  return { domain: "test", link: "tap0", mac: "52:54:00:00:00:01", addresses: [], ...values };
}

/** A filter of chain `root` with nothing in it, but for what is said. */
export function filter(values = {}) {
  return { name: "test", chain: "root", priority: 0, variables: [], entries: [], ...values };
}

// Modules of the contract exist only in a component: here each is made of functions that ask the test's host.
const hooks = `
const INTERFACES = ${JSON.stringify(INTERFACES)};
export function resolve(specifier, context, next) {
  if (!specifier.startsWith("reeve:")) return next(specifier, context);
  if (INTERFACES[specifier] === undefined) throw new Error("'" + specifier + "' is no interface of the contract");
  return { url: specifier, format: "module", shortCircuit: true };
}
export function load(url, context, next) {
  if (INTERFACES[url] === undefined) return next(url, context);
  const call = (name) => "(...values) => host(" + JSON.stringify(url) + ", " + JSON.stringify(name) + ", values)";
  const names = INTERFACES[url];
  const source = 'const host = globalThis[Symbol.for("reeve.testing.host")];\\n'
    + names.map((name, at) => "const call" + at + " = " + call(name) + ";\\n").join("")
    + "export { " + names.map((name, at) => "call" + at + " as " + name).join(", ") + " };\\n"
    + "export default { " + names.map((name, at) => JSON.stringify(name) + ": call" + at).join(", ") + " };\\n";
  return { format: "module", source, shortCircuit: true };
}
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
