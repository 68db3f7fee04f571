//! Zig: policy.zig and the SDK over the generated C bindings, which Zig's own C compiler takes, without any C library.
//!
//! ```text
//! wit/ ─wit-bindgen─► build/work/bindings/ ─@cImport─► sdk/ ┐
//!                                  └──────────────────┤
//! policy.zig ────────────────────────────────────────┼─zig─► core module that says its world
//! build/work/entry.zig: exports the policy's hooks ──┘
//! ```

use std::ffi::OsString;
use std::path::Path;

use wit_bindgen_c::{Enabled, Opts};

use super::BuildError;
use super::bindings::Bindings;
use super::command::{command, read, run};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

const PROGRAM: &str = "zig";
const HOW: &str = "pip install ziglang==0.15.2";

/// What the generated files are called: `bindings.h` is what the SDK imports.
const BINDINGS: &str = "bindings";

/// The module that everything is reached from.
const ENTRY: &str = "comptime {\n    @import(\"reeve\").exportHooks(@import(\"policy\"));\n}\n";

const FLAGS: [&str; 10] = [
    "build-exe",
    "-fno-entry",
    "-target",
    "wasm32-freestanding",
    "-OReleaseSmall",
    "-fstrip",
    "--stack",
    "65536",
    "--gc-sections",
    "--export=cabi_realloc",
];

/// Compiles the policy with its SDK to a module without imports but those of the contract.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    let source = project.file("policy.zig")?;
    let sdk = project.file("sdk/reeve.zig")?;
    let zig = tools.need(Lang::Zig, PROGRAM, HOW)?;

    let folder = project.build_folder()?;
    let bindings = folder.join(BINDINGS);
    let mut options = Opts { rename_world: Some(BINDINGS.to_owned()), ..Opts::default() };
    // A domain that a hook looks at is given back when the hook returns.
    options.autodrop_borrows = Enabled::Yes;
    Bindings::generate(project, options.build())?.write(&bindings)?;
    let entry = folder.join("entry.zig");
    std::fs::write(&entry, ENTRY).map_err(|source| BuildError::write(&entry, source))?;

    let out = folder.join("policy-zig.wasm");
    let library = project.file("sdk/libc")?;
    let mut compile = command(zig, project.folder());
    compile.args(FLAGS).arg("--cache-dir").arg(folder.join("zig-cache"));
    compile.arg("--global-cache-dir").arg(tools.cache(Lang::Zig).join("cache"));
    compile.args(["--dep", "reeve", "--dep", "policy"]).arg("-I").arg(&library);
    compile.args(["-cflags", "-std=c17", "-ffunction-sections", "-fdata-sections", "--"]);
    compile.arg(bindings.join("bindings.c")).arg(bindings.join("bindings_component_type.o"));
    compile.arg(module("root", &entry)).args(["--dep", "reeve"]).arg(module("policy", &source));
    compile.arg("-I").arg(&bindings).arg("-I").arg(&library).arg(module("reeve", &sdk));
    run(compile.arg(option("-femit-bin=", &out)))?;
    read(&out)
}

/// A module by its root file.
fn module(name: &str, root: &Path) -> OsString {
    option(&format!("-M{name}="), root)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(name);
    argument.push(path);
    argument
}
