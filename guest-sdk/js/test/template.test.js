import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { project } from "./project.js";

test("a new project passes its own tests", () => {
  const folder = fileURLToPath(project("template", "."));
  const environment = { ...process.env };
  delete environment.NODE_TEST_CONTEXT;
  const run = spawnSync(process.execPath, ["--test", "policy.test.js"], { cwd: folder, env: environment, encoding: "utf8" });
  assert.equal(run.status, 0, run.stdout);
  assert.match(run.stdout, /# pass 2/);
});
