import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./project.js";

const { ask, disk, domain, load } = await import(project("examples/naming", "sdk/testing.js"));
const { domainDefine } = await load(project("examples/naming", "policy.js"));

const complete = { balloon: { model: "virtio", statsPeriod: null }, rngCount: 1 };

test("only what is left open is filled in", () => {
  const disks = [
    disk(),
    disk({ target: "vdb", cache: "writeback" }),
    disk({ target: "vdc", readonly: true }),
    disk({ target: "sda", device: "cdrom", source: null }),
  ];
  assert.deepEqual(ask(domainDefine, {}, domain({ disks, rngCount: 1 })), {
    tag: "rewrite",
    val: [
      { tag: "set-disk-cache", val: { target: "vda", cache: "none" } },
      { tag: "add-device", val: "<memballoon model='virtio'/>" },
    ],
  });
});

test("a complete definition stays as it is", () => {
  const whole = domain({ ...complete, disks: [disk({ cache: "none" })] });
  assert.deepEqual(ask(domainDefine, {}, whole), { tag: "allow" });
});

test("names follow the house", () => {
  const config = { prefixes: ["web-", "db-"] };
  assert.deepEqual(ask(domainDefine, { config }, domain({ ...complete, name: "web-1" })), { tag: "allow" });
  assert.deepEqual(ask(domainDefine, { config }, domain({ name: "shop" })), {
    tag: "deny",
    val: "the name 'shop' must begin with one of: web-, db-",
  });
});

test("a key nobody knows is a failure that names it", () => {
  assert.deepEqual(ask(domainDefine, { config: { prefix: "web-" } }, domain()), {
    failure:
      "the policy's configuration is not valid: unknown field `prefix`, expected one of `prefixes`, `cache`, `balloon`, `rng`",
  });
});
