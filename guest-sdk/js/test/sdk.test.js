import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./project.js";

const testing = await import(project("sdk", "testing.js"));
const folder = project("sdk", ".");
const at = (file) => new URL(file, `${folder}/`);
const sdk = await testing.load(at("reeve.js"));
const kv = await testing.load(at("kv.js"));

const ask = (decide, context) => testing.ask(sdk.guard(decide), context, testing.domain());

test("a guard that forgets its verdict fails with a reason", () => {
  assert.match(ask(() => undefined).failure, /gave no verdict; it must return allow\(\)/);
});

test("a mistake in a policy is a failure, and in the log with its place", () => {
  testing.host();
  assert.match(ask((ctx, domain) => domain.nme()).failure, /^TypeError: domain.nme is not a function/);
  assert.equal(testing.logged[0].level, "error");
  assert.match(testing.logged[0].message, /sdk\.test\.js/);
});

test("numbers with the highest bit set are what the contract means", () => {
  assert.equal(sdk.u32(-2), 4294967294);
  assert.equal(sdk.u64(-4096), 2n ** 64n - 4096n);
  assert.equal(sdk.u64(2 ** 60), 2n ** 60n);
  const actor = { tag: "client", val: -2 };
  assert.deepEqual(ask((ctx) => sdk.deny(ctx.actor.val), { actor }), { tag: "deny", val: "4294967294" });
});

test("nothing to rewrite is an allow", () => {
  assert.deepEqual(sdk.rewrite([]), sdk.allow());
});

test("failures are told as they were thrown", () => {
  assert.deepEqual(ask(() => { throw new sdk.Failure("no idea"); }), { failure: "no idea" });
});

test("every key of a configuration is checked", () => {
  const settings = {
    names: sdk.list(),
    share: sdk.number(0.5),
    mostVcpus: sdk.optional(sdk.integer()),
    on: sdk.boolean(true),
  };
  const read = (config) => {
    let found;
    const answer = ask((ctx) => ((found = ctx.parseConfig(settings)), sdk.allow()), { config });
    return found ?? answer.failure.replace("the policy's configuration is not valid: ", "");
  };
  assert.deepEqual(read({}), { names: [], share: 0.5, mostVcpus: null, on: true });
  assert.deepEqual(read({ "most-vcpus": 4, names: ["a"] }), { names: ["a"], share: 0.5, mostVcpus: 4, on: true });
  assert.equal(read({ "most-vcpus": null }).mostVcpus, null);
  assert.equal(read({ mostVcpus: 4 }), "unknown field `mostVcpus`, expected one of `names`, `share`, `most-vcpus`, `on`");
  assert.equal(read({ "most-vcpus": -1 }), "`most-vcpus` takes a whole number, 0 or more, or null, not -1");
  assert.equal(read({ names: ["a", 1] }), "`names` takes a list, each a text, not [\"a\",1]");
  assert.equal(read({ on: "yes" }), "`on` takes true or false, not \"yes\"");
  assert.equal(read({ share: null }), "`share` takes a number, not null");
  assert.equal(read("[]"), "expected an object, found []");
  assert.match(read("{"), /JSON/);
});

test("texts in the store are UTF-8", () => {
  const kept = new Map();
  testing.host({
    "reeve:kv/store": { get: (key) => kept.get(key) ?? null, set: (key, value) => void kept.set(key, value) },
  });
  kv.setText("who", "Zoë 🐧 100%");
  assert.deepEqual(Buffer.from(kept.get("who")).toString("utf8"), "Zoë 🐧 100%");
  assert.equal(kv.getText("who"), "Zoë 🐧 100%");
  kv.setJson("count", { n: 1 });
  assert.deepEqual(kv.getJson("count"), { n: 1 });
  assert.equal(kv.getJson("none", 7), 7);
});

test("a test's host has only what the contract has", () => {
  assert.throws(() => testing.host({ "reeve:node/host": { getCpus: () => 1 } }), /it has getInfo, getMemory/);
  assert.throws(() => testing.domain({ vcpu: 1 }), /a domain has no 'vcpu'/);
});

test("rules that are left out are none, and what is no rules is a failure with a reason", () => {
  const generate = (make) => testing.ask(sdk.generate(make), {}, testing.subject(), [testing.filter()]);
  const { operand, packet } = sdk;
  const rule = { matches: [{ field: "ip-source", negated: true, operand: operand.network("10.0.0.0", 8) }], verdict: packet.drop() };
  const chain = { name: "out", layer: "link", entry: "out", rules: [rule] };
  assert.deepEqual(generate(() => ({ chains: [chain] })), { chains: [chain], sets: [], maps: [] });
  assert.deepEqual(generate((ctx, subject, [first]) => ({ sets: [{ name: first.name, elements: [operand.mac(subject.mac)] }] })).sets, [
    { name: "test", elements: [{ tag: "mac", val: "52:54:00:00:00:01" }] },
  ]);
  for (const none of [undefined, null, "rules", { chains: "out" }]) {
    assert.match(generate(() => none).failure, /gave no rules; it must return \{ chains, sets, maps \}/);
  }
});

test("a guard of a new volume changes what it names and leaves the rest", () => {
  const decide = sdk.guard((ctx, pool, plan) =>
    plan.capacity > pool.space.available ? sdk.deny("no room") : sdk.rewriteVolume({ name: `x-${plan.name}` }));
  const pool = testing.pool({ space: { capacity: 10, allocation: 0, available: 10 } });
  const changes = { name: "x-disk.img", capacity: null, allocation: null };
  assert.deepEqual(testing.ask(decide, {}, pool, testing.plan({ capacity: 7 })), { tag: "rewrite", val: changes });
  assert.deepEqual(testing.ask(decide, {}, pool, testing.plan()), sdk.deny("no room"));
  assert.equal(testing.volume({ name: "a" }).pool, "test");
});

test("a guard of a network is asked about it", () => {
  const decide = sdk.guard((ctx, domain, port) => (port.network === "blue" ? sdk.allow() : sdk.deny(port.link)));
  assert.deepEqual(testing.ask(decide, {}, testing.domain(), testing.port({ network: "blue" })), sdk.allow());
  assert.deepEqual(testing.ask(decide, {}, testing.domain(), testing.port()), sdk.deny("tap0"));
  assert.equal(testing.network({ mode: "open" }).mode, "open");
});
