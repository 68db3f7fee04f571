// An example as `reeve policy new` lays a project out: the policy, with the SDK in sdk/.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const SDK = fileURLToPath(new URL("../sdk", import.meta.url));

/** The address of a file in a project made of `folder`, e.g. `examples/naming`. Gone when the tests are over. */
export function project(folder, file) {
  const root = mkdtempSync(join(tmpdir(), "reeve-policy-"));
  after(() => rmSync(root, { recursive: true }));
  cpSync(fileURLToPath(new URL(`../${folder}`, import.meta.url)), root, { recursive: true });
  cpSync(SDK, join(root, "sdk"), { recursive: true });
  cpSync(join(SDK, "package.json"), join(root, "package.json"));
  return pathToFileURL(join(root, file));
}
