import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./project.js";

const { ask, load } = await import(project("examples/migration-precopy", "sdk/testing.js"));
const { migrationStrategy } = await load(project("examples/migration-precopy", "policy.js"));
const { precheck, plan, nextStep } = migrationStrategy;

test("any migration may begin", () => {
  assert.equal(ask({ precheck }, {}, null, {}), null);
});

test("it plans within the operator's limit", () => {
  const planned = (config) => ask({ plan }, { config }, { compression: false }, { maxDowntimeUs: 300000 }, {});
  assert.deepEqual(planned({}), { maxDowntimeUs: 300000, compress: false, streams: 1 });
  assert.deepEqual(planned({ "downtime-ms": 50, compress: true }), { maxDowntimeUs: 50000, compress: false, streams: 1 });
  assert.equal(planned({ "downtime-ms": 5000 }).maxDowntimeUs, 300000);
  assert.match(planned({ downtime: 50 }).failure, /unknown field `downtime`/);
});

test("it ends when the rest fits, and gives up when it never will", () => {
  const round = (dirtyPages) => ({ dirtyPages, expectedDowntimeUs: dirtyPages * 100, maxDowntimeUs: 50000 });
  const after = (config, ...dirty) => ask({ nextStep }, { config }, { rounds: dirty.map(round) }).tag;
  assert.equal(after({}), "continue");
  assert.equal(after({}, 501), "continue");
  assert.equal(after({}, 5000, 500), "stop-and-copy");
  assert.equal(after({}, 5000, 5000, 5000), "continue");
  assert.equal(after({ "give-up-after": 3 }, 5000, 5000, 5000), "continue");
  assert.equal(after({ "give-up-after": 2 }, 5000, 5000, 5000), "abort");
});
