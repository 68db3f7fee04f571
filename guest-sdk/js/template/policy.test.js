import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, domain, load } from "./sdk/testing.js";

const { domainDefine } = await load(import.meta.resolve("./policy.js"));
const MIB = 2 ** 20;

test("small domains are refused", () => {
  assert.equal(ask(domainDefine, {}, domain({ memory: 128 * MIB })).tag, "allow");
  assert.equal(ask(domainDefine, {}, domain({ memory: 64 * MIB })).tag, "deny");
});

test("how small is up to the operator", () => {
  const config = { "min-memory-mib": 32 };
  assert.equal(ask(domainDefine, { config }, domain({ memory: 64 * MIB })).tag, "allow");
});
