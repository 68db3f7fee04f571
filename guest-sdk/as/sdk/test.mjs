// Compiles test.ts (or the files that are named) with the SDK and runs each function that it exports, in a fresh instance.
//
//     node sdk/test.mjs [--asc PROGRAM] [FILE…]

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const files = process.argv.slice(2);
const named = files[0] === "--asc" ? files.splice(0, 2)[1] : undefined;

/** asc as it is named, of $REEVE_TOOLS, of this project or of PATH. */
function compiler() {
  if (named) return named;
  const places = [process.env.REEVE_TOOLS && join(process.env.REEVE_TOOLS, "as"), "."].filter(Boolean);
  return places.map((place) => join(place, "node_modules/.bin/asc")).find(existsSync) ?? "asc";
}

function compile(file) {
  mkdirSync("build", { recursive: true });
  const options = ["--runtime", "minimal", "--use", "abort=sdk/abi/abort", "-o", "build/test.wasm"];
  const { error, status } = spawnSync(compiler(), [file, ...options], { stdio: "inherit" });
  if (error) throw new Error(`asc cannot be started; npm install --global assemblyscript@0.28.20 has it (${error.message})`);
  if (status !== 0) process.exit(1);
  return new WebAssembly.Module(readFileSync("build/test.wasm"));
}

/** Functions of the host that a test does not fake; the log is shown. */
function imports(module, memory) {
  const all = {};
  for (const { module: name, name: member } of WebAssembly.Module.imports(module)) {
    all[name] ??= {};
    all[name][member] = (...values) => {
      if (member !== "write") throw new Error(`it calls ${member} of ${name}; newHost() answers that in a test`);
      throw new Error(new TextDecoder().decode(new Uint8Array(memory().buffer, values[1], values[2])));
    };
  }
  return all;
}

let failed = 0;
for (const file of files.length > 0 ? files : ["test.ts"]) {
  const module = compile(file);
  const tests = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  if (tests.length === 0) throw new Error(`${file} exports no function`);
  for (const { name } of tests) {
    try {
      const instance = new WebAssembly.Instance(module, imports(module, () => instance.exports.memory));
      instance.exports[name]();
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${name}: ${error.message}`);
    }
  }
}
process.exit(failed === 0 ? 0 : 1);
