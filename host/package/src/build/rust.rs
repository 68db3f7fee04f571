//! Rust: the project's crate for wasm32-unknown-unknown, whose generated bindings say which world it implements.

mod standard_library;
mod toolchain;

pub use toolchain::{NoToolchain, Source, TARGET, Toolchain};

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::BuildError;
use super::command::{command, finished, read, shown};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

/// Compiles the crate; cargo's progress and the compiler's words go to standard error.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    project.file("Cargo.toml")?;
    let toolchain = Toolchain::find(&tools.cache(Lang::Rust))?;
    let mut cargo = cargo(project.folder());
    let modules = compile(&mut cargo, &toolchain)?;
    let hint = "its Cargo.toml needs [lib] crate-type = [\"cdylib\"]";
    let module = modules.first().ok_or_else(|| BuildError::NoModule { command: shown(&cargo), hint })?;
    read(module)
}

/// A cargo in `folder`, without flags that were meant for another build.
pub fn cargo(folder: &Path) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// Makes `cargo` build for Wasm; the core modules of the crates that it stands in, in the order they were built.
pub fn compile(cargo: &mut Command, toolchain: &Toolchain) -> Result<Vec<PathBuf>, BuildError> {
    cargo.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    toolchain.apply(cargo);
    cargo.stderr(Stdio::inherit());
    let output = cargo.output().map_err(|source| BuildError::Start { command: shown(cargo), source })?;
    Ok(modules(&finished_quietly(cargo, output)?))
}

/// The compiler's words are on standard error already, and cargo's messages are not for people.
fn finished_quietly(cargo: &Command, mut output: std::process::Output) -> Result<Vec<u8>, BuildError> {
    if !output.status.success() {
        output.stdout.clear();
    }
    finished(cargo, output)
}

/// The .wasm files that cargo's messages name.
fn modules(messages: &[u8]) -> Vec<PathBuf> {
    let messages = String::from_utf8_lossy(messages);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifacts = artifacts.filter(|message| message["reason"] == "compiler-artifact");
    let files = artifacts.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_what_cargo_says() {
        let messages = br#"{"reason":"compiler-artifact","filenames":["/t/libserde.rlib"]}
noise
{"reason":"compiler-artifact","filenames":["/t/a.wasm","/t/liba.rlib"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(modules(messages), [PathBuf::from("/t/a.wasm")]);
    }
}
