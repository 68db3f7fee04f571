import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { project } from "./project.js";

const STUBS = new URL("../stubs/", import.meta.url);
const names = readdirSync(STUBS).filter((name) => name.endsWith(".js"));

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

const event = { seq: 1, uuid: "", name: "web-1", change: "started", state: "running", reason: "booted" };

const network = { name: "blue" };
const change = { uuid: "", name: "blue", change: "started", detail: "" };

/** What each hook is asked in the test. */
const QUESTIONS = {
  "domain-events": [event],
  "daemon-events": ["started"],
  "mac-allocate": [null, 0, ["52:54:00:00:00:07"], 7],
  "ksm-tune": [{}],
  task: [{ tag: "manual", val: [] }],
  "network-start": [network, "<network/>"],
  "network-stop": [network],
  "port-plug": [null, { link: "tap0" }],
  "network-events": [change],
  "filter-generate": [{ link: "tap0" }, []],
  "pool-start": [{ name: "lab" }, "<pool/>"],
  "volume-create": [{ name: "lab" }, { name: "disk.img" }],
  "volume-resize": [{ name: "lab" }, { name: "disk.img" }, 7],
  "volume-delete": [{ name: "lab" }, { name: "disk.img" }],
  "storage-events": [{ uuid: "", name: "lab", change: "low-space", detail: "7" }],
  "migration-strategy": [{ rounds: [{ expectedDowntimeUs: 1, maxDowntimeUs: 2 }] }],
  "clone-name": [{ kind: "volume", source: "disk", pool: "lab", taken: ["disk-1"] }],
};

/** What its stub answers, when it is no verdict. */
const ANSWERS = {
  "domain-events": undefined,
  "daemon-events": undefined,
  "mac-allocate": "52:54:00:00:00:08",
  "ksm-tune": [],
  task: "nothing done, asked by manual",
  "network-events": undefined,
  "storage-events": undefined,
  "migration-strategy": { tag: "stop-and-copy" },
  "clone-name": "disk-2",
  "filter-generate": { chains: [], sets: [], maps: [] },
};

test("there is a stub of every hook of the contract", () => {
  const types = readFileSync(new URL("../sdk/contract.d.ts", import.meta.url), "utf8");
  const hooks = [...types.matchAll(/^ {2}"([a-z-]+)": \{ /gm)].map(([, hook]) => `${hook}.js`);
  assert.deepEqual([...names].sort(), hooks.sort());
});

for (const name of names) {
  const hook = name.replace(".js", "");
  test(`the stub of ${hook} is a policy that answers it`, async () => {
    const file = project("stubs/frame", "policy.js");
    const frame = readFileSync(file, "utf8");
    writeFileSync(file, frame.replace("__stubs__", readFileSync(new URL(name, STUBS), "utf8")));
    const testing = await import(new URL("sdk/testing.js", file));
    testing.host();
    const policy = await testing.load(file);
    // Of a hook of several functions the last is asked.
    const { precheck, plan, ...asked } = policy[camel(hook)];
    const answer = testing.ask(asked, {}, ...(QUESTIONS[hook] ?? [testing.domain(), "<disk/>"]));
    assert.deepEqual(answer, hook in ANSWERS ? ANSWERS[hook] : { tag: "allow" });
  });
}
