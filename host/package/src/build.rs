//! `reeve policy build`: from a project to a component with its manifest, by the tools of its language.
//!
//! ```text
//! source ─► build/LANG.rs: external commands ─► core module or component ─► component ─► validated ─► hooks as in the manifest ─► + manifest
//! ```

mod assemblyscript;
mod bindings;
mod c;
mod command;
mod go;
mod js;
mod python;
pub mod rust;
mod zig;

use std::io;
use std::path::{Path, PathBuf};

use crate::component::{self, ComponentError};
use crate::contract;
use crate::lang::Lang;
use crate::policy_toml::PolicyTomlError;
use crate::project::Project;
use crate::section::{self, Damaged};
use crate::tools::Tools;
use crate::world::WorldError;

/// Why a project is not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// policy.toml.
    #[error(transparent)]
    PolicyToml(#[from] PolicyTomlError),
    /// policy.toml says no language.
    #[error("'{}' has no [build] lang, so it cannot be built: add one, or annotate a component with it", .0.display())]
    NoLanguage(PathBuf),
    /// A file that the language needs is not there.
    #[error("'{}' is missing; a policy in {lang} has it", path.display())]
    NoFile {
        /// The language.
        lang: Lang,
        /// The file.
        path: PathBuf,
    },
    /// The contract has what the generator of a language's bindings does not know.
    #[error("there are no bindings in {lang} for {what}")]
    Bindings {
        /// The language.
        lang: Lang,
        /// What it is.
        what: String,
    },
    /// A tool is not there.
    #[error(
        "a build in {lang} needs '{program}', which is neither in $REEVE_TOOLS/{lang} nor in PATH: {how}"
    )]
    Tool {
        /// The language.
        lang: Lang,
        /// The program.
        program: &'static str,
        /// Where it comes from.
        how: &'static str,
    },
    /// A program cannot be started.
    #[error("cannot start '{command}'")]
    Start {
        /// The command line.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// A program failed.
    #[error("'{command}' failed ({status})\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote.
        output: String,
    },
    /// A program wrote no module.
    #[error("'{command}' ended well and made no Wasm module: {hint}")]
    NoModule {
        /// The command line.
        command: String,
        /// Why that may be.
        hint: &'static str,
    },
    /// A file cannot be read or written.
    #[error("cannot {verb} '{}'", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The world of the manifest.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The component.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The component cannot take a section.
    #[error(transparent)]
    Section(#[from] Damaged),
    /// The source answers other hooks than policy.toml says.
    #[error("policy.toml says that '{policy}' answers [{said}], but what was built exports [{exported}]")]
    Hooks {
        /// The policy.
        policy: String,
        /// Interfaces of the manifest's hooks.
        said: String,
        /// Interfaces that are exported.
        exported: String,
    },
    /// There is no standard library for Wasm.
    #[error(transparent)]
    Toolchain(#[from] rust::NoToolchain),
}

impl BuildError {
    /// A file that cannot be read.
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::File { verb: "read", path: path.to_owned(), source }
    }

    /// A file that cannot be written.
    pub fn write(path: &Path, source: io::Error) -> Self {
        Self::File { verb: "write", path: path.to_owned(), source }
    }
}

/// Builds the component of a project. Runs compilers: seconds to minutes.
pub fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    let built = match project.lang() {
        Lang::Rust => rust::build(project, tools),
        Lang::Js => js::build(project, tools),
        Lang::Python => python::build(project, tools),
        Lang::C => c::build(project, tools),
        Lang::Go => go::build(project, tools),
        Lang::Zig => zig::build(project, tools),
        Lang::AssemblyScript => assemblyscript::build(project, tools),
    }?;
    let component = if component::is_component(&built)? { built } else { component::encode(&built)? };
    check_hooks(project, &component)?;
    Ok(section::put(&component, project.toml().json.as_bytes())?)
}

/// Refuses a component that answers other hooks than its manifest says: a host would.
fn check_hooks(project: &Project, component: &[u8]) -> Result<(), BuildError> {
    let mut said: Vec<_> =
        project.toml().manifest.hooks.iter().copied().map(contract::hook_interface).collect();
    let mut exported = component::shape(component)?.exports;
    // Runtimes of languages export helpers of their own; what counts is the contract.
    exported.retain(|export| export.starts_with("reeve:"));
    said.sort();
    exported.sort();
    if said == exported {
        return Ok(());
    }
    Err(BuildError::Hooks {
        policy: project.name().to_owned(),
        said: said.join(", "),
        exported: exported.join(", "),
    })
}

/// Writes a component next to its place and moves it there, so that nobody reads half of it. An equal file is left alone, so
/// that a daemon that watches it does not load it again.
pub fn write_component(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|source| BuildError::write(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_component_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        write_component(&path, b"one").unwrap();
        let first = std::fs::metadata(&path).and_then(|meta| meta.modified()).unwrap();
        write_component(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).and_then(|meta| meta.modified()).unwrap(), first);
        write_component(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
