//! C: policy.c, src/*.c and the SDK, by clang with Debian's wasi-libc, linked so that nothing of WASI is imported.
//!
//! ```text
//! wit/ ─wit-bindgen─► build/work/bindings/ ┐
//! policy.c, src/*.c                   ├─clang, wasm-ld─► core module that says its world
//! sdk/src: all, and hooks/HOOK.c of the manifest's hooks ┘
//! ```

use std::path::{Path, PathBuf};

use reeve_model::policy::Hook;
use wit_bindgen_c::{Enabled, Opts};

use super::BuildError;
use super::bindings::{Bindings, ident, sources};
use super::command::{command, read, run};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

const PROGRAM: &str = "clang-19";
const HOW: &str = "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";

/// What the generated files are called: `bindings.h` is what the SDK includes.
const BINDINGS: &str = "bindings";

/// Where Debian has wasi-libc.
const HEADERS: &str = "/usr/include/wasm32-wasi";
const LIBRARIES: &str = "/usr/lib/wasm32-wasi";

/// Hooks of migrations.
const MIGRATIONS: &[Hook] = &[Hook::MigrateOut, Hook::MigrateIn, Hook::MigrationStrategy];

/// Files of sdk/src/wasm that are compiled only with one of these hooks: the contract gives what they use to no others.
const ONLY_FOR: [(&str, &[Hook]); 4] = [
    ("timer.c", &[Hook::Task]),
    ("event.c", &[Hook::DomainEvents, Hook::DaemonEvents, Hook::Task]),
    ("journey.c", MIGRATIONS),
    ("migrated_disks.c", MIGRATIONS),
];

const FLAGS: [&str; 11] = [
    "--target=wasm32-wasi",
    "--sysroot=/usr",
    "-mexec-model=reactor",
    "-std=c17",
    "-Os",
    "-s",
    "-Wall",
    "-Wextra",
    "-ffunction-sections",
    "-fdata-sections",
    // A stack that overflows traps instead of running into data, and what a small call allocates never grows the memory.
    "-Wl,--stack-first,--gc-sections,--initial-heap=131072",
];

/// Compiles the policy with its SDK to a reactor module.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    let source = project.file("policy.c")?;
    let sdk = project.file("sdk")?;
    let clang = tools.need(Lang::C, PROGRAM, HOW)?;
    if !Path::new(LIBRARIES).is_dir() {
        return Err(BuildError::Tool { lang: Lang::C, program: "wasi-libc", how: HOW });
    }

    let folder = project.build_folder()?;
    let bindings = folder.join(BINDINGS);
    let mut options = Opts { rename_world: Some(BINDINGS.to_owned()), ..Opts::default() };
    // A domain that a hook looks at is given back when the hook returns.
    options.autodrop_borrows = Enabled::Yes;
    Bindings::generate(project, options.build())?.write(&bindings)?;

    let out = folder.join("policy-c.wasm");
    let mut compile = command(clang, project.folder());
    compile.args(FLAGS).args(["-isystem", HEADERS, "-L", LIBRARIES]);
    compile.arg("-I").arg(sdk.join("include")).arg("-I").arg(&bindings).arg("-I").arg(project.folder());
    compile.arg(source).args(own_sources(project)?).args(sdk_sources(&sdk, &project.toml().manifest.hooks)?);
    compile.arg(bindings.join("bindings.c")).arg(bindings.join("bindings_component_type.o"));
    compile.arg("-o").arg(&out);
    run(&mut compile)?;
    read(&out)
}

/// What a policy has beside policy.c.
fn own_sources(project: &Project) -> Result<Vec<PathBuf>, BuildError> {
    let folder = project.folder().join("src");
    if folder.is_dir() { sources(&folder, "c") } else { Ok(Vec::new()) }
}

/// The SDK, with the exports of these hooks.
fn sdk_sources(sdk: &Path, hooks: &[Hook]) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = sources(&sdk.join("src"), "c")?;
    found.extend(sources(&sdk.join("src/wasm"), "c")?);
    for (file, only) in ONLY_FOR {
        found.retain(|path| !path.ends_with(file) || only.iter().any(|hook| hooks.contains(hook)));
    }
    found.extend(hooks.iter().map(|hook| sdk.join("src/hooks").join(format!("{}.c", ident(*hook)))));
    Ok(found)
}
