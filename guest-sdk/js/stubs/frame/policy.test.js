import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./sdk/testing.js";

const policy = await load(import.meta.resolve("./policy.js"));

test("the policy answers its hooks", () => {
  assert.ok(Object.keys(policy).length > 0);
});
