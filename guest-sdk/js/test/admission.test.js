import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./project.js";

const { ask, domain, host, hostError, load } = await import(project("examples/admission", "sdk/testing.js"));
const { domainPrepare } = await load(project("examples/admission", "policy.js"));

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function ready({ cpus = 4, total = 16 * GIB, swapTotal = 0, memory = 0, vcpus = 0 } = {}) {
  host({
    "reeve:node/host": { getInfo: () => ({ cpus }), getMemory: () => ({ total, swapTotal }) },
    "reeve:domain/domains": { committed: () => ({ active: 0, memory, vcpus }) },
  });
}

const start = (values, config = {}) => ask(domainPrepare, { config }, domain({ memory: GIB, ...values }));

test("a domain may not have more vCPUs than the host has CPUs", () => {
  ready();
  assert.equal(start({ vcpus: 5 }).val, "it has 5 vCPUs and the host only 4 CPUs");
  assert.equal(start({ vcpus: 5 }, { "guest-within-cpus": false }).tag, "allow");
});

test("ten vCPUs per CPU and not one more", () => {
  ready({ vcpus: 38 });
  assert.equal(start({ vcpus: 2 }).tag, "allow");
  assert.equal(start({ vcpus: 3 }).val, "the active domains would have 41 vCPUs and this host allows 40");
});

test("memory is counted with reserve, swap and ratio", () => {
  // 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB.
  ready({ memory: 20 * GIB });
  assert.equal(start({}).tag, "allow");
  const said = "the active domains would have 21505 MiB of memory and this host allows 21504 MiB";
  assert.equal(start({ memory: GIB + MIB }).val, said);
  ready({ memory: 20 * GIB, swapTotal: 8 * GIB });
  assert.equal(start({ memory: 8 * GIB }).tag, "allow");
});

test("sums beyond 2^53 are exact", () => {
  ready({ total: 2 ** 60, memory: 2 ** 60 });
  const config = { "memory-overcommit": 1, "host-reserve-mib": 0 };
  assert.equal(
    start({ memory: 1024 }, config).val,
    "the active domains would have 1099511627776 MiB of memory and this host allows 1099511627776 MiB",
  );
});

test("an error of the host is a failure", () => {
  host({ "reeve:node/host": { getInfo: () => { throw hostError("denied", "not granted"); } } });
  assert.deepEqual(start({}), { failure: "the host answered: not granted" });
});
