//! The policies `naming`, `admission`, `migration-precopy` and `echo` in every language, built as a user builds them: a new project of the language, with
//! the example of its SDK (or a policy of the tests) in it, and `build`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_model::policy::Hook;
use reeve_package::build::{BuildError, write_component};
use reeve_package::{Lang, Project, Tools, new};

use crate::command::binary;
use crate::policy;

/// A policy of the tests, which no SDK has as an example, and the hooks that it answers.
const ECHO: (&str, [Hook; 12]) = (
    "echo",
    [
        Hook::NetworkStart,
        Hook::NetworkStop,
        Hook::PortPlug,
        Hook::NetworkEvents,
        Hook::FilterGenerate,
        Hook::VolumeCreate,
        Hook::VolumeResize,
        Hook::StorageEvents,
        Hook::CloneName,
        Hook::MigrateOut,
        Hook::MigrateIn,
        Hook::MigrationStrategy,
    ],
);

/// The grants that stand in the manifest of that policy beside its hooks.
const WANTS: [&str; 9] = [
    "network:read",
    "pool:read",
    "volume:read",
    "volume:create",
    "volume:change",
    "volume:delete",
    "volume:download",
    "volume:rewrite",
    "domain:rewrite",
];

/// What came of a build.
#[derive(Debug, Clone)]
pub enum Built {
    /// The component.
    Component(PathBuf),
    /// A compiler is not there; how to get it.
    NoTool(String),
}

/// Languages whose SDK has examples.
pub fn languages() -> anyhow::Result<Vec<Lang>> {
    let sdk = project_folder().join("guest-sdk");
    Ok(Lang::ALL
        .into_iter()
        .filter(|lang| *lang == Lang::Rust || sdk.join(lang.as_str()).join("examples/naming").is_dir())
        .collect())
}

/// The policy `name` in a language. It is built once, and again when its source, its SDK or the way it is built has changed.
pub fn policy_in(lang: Lang, name: &str) -> anyhow::Result<Built> {
    if lang == Lang::Rust {
        return Ok(Built::Component(policy(name)?));
    }
    let is_echo = name == ECHO.0;
    let binary = binary()?;
    let target = binary.ancestors().nth(2).context("the binary is in target/PROFILE/")?;
    let built = target.join("languages");
    let folder = built.join(format!("{name}-{lang}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&built)?;
    new::create(lang, name, if is_echo { &ECHO.1 } else { &[] }, &folder)?;
    let source = match is_echo {
        true => project_folder().join("tests/conformance/policies").join(name),
        false => project_folder().join("guest-sdk").join(lang.as_str()).join("examples").join(name),
    };
    for file in std::fs::read_dir(&source).with_context(|| source.display().to_string())? {
        let file = file?;
        let place = folder.join(file.file_name());
        // A policy of the tests lies beside those in other languages.
        if file.path().file_stem().is_some_and(|stem| stem == "policy") && place.exists() {
            std::fs::copy(file.path(), place)?;
        }
    }
    if is_echo {
        let manifest = folder.join("policy.toml");
        let wants = WANTS
            .map(|grant| format!("\n[[wants]]\ngrant = \"{grant}\"\nreason = \"to say what it sees\"\n"));
        std::fs::write(&manifest, std::fs::read_to_string(&manifest)? + &wants.concat())?;
    }
    let mut inputs = DefaultHasher::new();
    fingerprint(&folder, &mut inputs)?;
    fingerprint(&project_folder().join("host/package/src"), &mut inputs)?;
    let (component, key) =
        (built.join(format!("{name}-{lang}.wasm")), built.join(format!("{name}-{lang}.key")));
    let inputs = format!("{:016x}", inputs.finish());
    if component.exists() && std::fs::read_to_string(&key).is_ok_and(|old| old == inputs) {
        return Ok(Built::Component(component));
    }
    match reeve_package::build(&Project::open(&folder)?, &tools(target)) {
        Ok(bytes) => {
            write_component(&component, &bytes)?;
            std::fs::write(key, inputs)?;
            Ok(Built::Component(component))
        }
        Err(error @ BuildError::Tool { .. }) => Ok(Built::NoTool(error.to_string())),
        Err(error) => Err(error).with_context(|| format!("{name} in {lang}")),
    }
}

/// What $REEVE_TOOLS names, or else where the project's own tasks install.
fn tools(target: &Path) -> Tools {
    match std::env::var_os("REEVE_TOOLS") {
        Some(_) => Tools::from_env(),
        None => Tools::below(&target.join("tools")),
    }
}

fn project_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names and contents of all files below a folder.
fn fingerprint(folder: &Path, hasher: &mut DefaultHasher) -> anyhow::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        entry.file_name().hash(hasher);
        if entry.file_type()?.is_dir() {
            fingerprint(&entry.path(), hasher)?;
        } else {
            std::fs::read(entry.path())?.hash(hasher);
        }
    }
    Ok(())
}
