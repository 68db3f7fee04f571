//! `cargo xtask policies`: every policy as a component, from whatever Wasm standard library this machine has; with `--dir`, one
//! policy that lives elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use reeve_package::build::rust::{TARGET, Toolchain};
use reeve_package::build::write_component;
use reeve_package::{Lang, PolicyToml, component, section};

use crate::project::{Project, succeed};
use crate::tools;

/// Builds scripts/ to target/policies and tests/policies/ to target/test-policies.
pub fn run(project: &Project) -> Result<()> {
    let toolchain = toolchain(project)?;
    eprintln!("policies: Wasm standard library from {}", toolchain.origin);
    for (workspace, output) in [("scripts", "policies"), ("tests/policies", "test-policies")] {
        if project.path(workspace).join("Cargo.toml").exists() {
            let built = build(project, &toolchain, workspace, output)?;
            eprintln!("{output}: {}", built.join(", "));
        }
    }
    Ok(())
}

/// Builds the one policy in `source`, a crate of its own, to target/own-policies.
pub fn run_one(project: &Project, source: &Path) -> Result<()> {
    let source = source.canonicalize().with_context(|| format!("cannot find {}", source.display()))?;
    let toolchain = toolchain(project)?;
    let cargo_target = project.target("wasm").join("own-policies");
    let mut cargo = project.cargo("");
    cargo.current_dir(&source);
    for module in compile(cargo, &toolchain, &cargo_target)? {
        let name = policy_name(&module);
        let component = wrap(&module, &name, &source, &folder(project, "own-policies")?)?;
        eprintln!("own-policies: {}", component.display());
    }
    Ok(())
}

/// The compiler that builds policies; its standard library is built once, which takes a minute.
fn toolchain(project: &Project) -> Result<Toolchain> {
    Ok(Toolchain::find(&tools::of(project).cache(Lang::Rust))?)
}

/// Compiles one workspace and wraps each of its modules; the names of the components.
fn build(project: &Project, toolchain: &Toolchain, workspace: &str, output: &str) -> Result<Vec<String>> {
    let cargo_target = project.target("wasm").join(output);
    let folder = folder(project, output)?;
    let mut names = Vec::new();
    for module in compile(project.cargo(workspace), toolchain, &cargo_target)? {
        let name = policy_name(&module);
        let source = project.path(workspace).join(&name);
        if !source.is_dir() {
            // Left over from a policy that no longer exists.
            continue;
        }
        wrap(&module, &name, &source, &folder)?;
        names.push(name);
    }
    remove_others(&folder, &names)?;
    Ok(names)
}

/// A folder under target/, made when it is missing.
fn folder(project: &Project, name: &str) -> Result<PathBuf> {
    let folder = project.target(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Compiles what `cargo` stands in; the core modules that are in the target folder then.
fn compile(mut cargo: Command, toolchain: &Toolchain, cargo_target: &Path) -> Result<Vec<PathBuf>> {
    cargo.args(["build", "--quiet", "--release", "--target", TARGET, "--target-dir"]).arg(cargo_target);
    toolchain.apply(&mut cargo);
    succeed(&mut cargo)?;
    modules(&cargo_target.join(TARGET).join("release"))
}

/// Makes a component of a core module, with the manifest that lies beside its source.
fn wrap(module: &Path, name: &str, source: &Path, folder: &Path) -> Result<PathBuf> {
    let core = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let mut bytes = component::encode(&core).with_context(|| format!("policy '{name}'"))?;
    let manifest = source.join("policy.toml");
    if manifest.exists() {
        bytes = section::put(&bytes, PolicyToml::read(&manifest)?.json.as_bytes())?;
    }
    let component = folder.join(format!("{name}.wasm"));
    write_component(&component, &bytes)?;
    Ok(component)
}

/// Removes components of policies that no longer exist, so that nobody loads them.
fn remove_others(folder: &Path, names: &[String]) -> Result<()> {
    for stale in modules(folder)? {
        let known = stale.file_stem().is_some_and(|stem| names.iter().any(|name| stem == name.as_str()));
        if !known {
            std::fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
    }
    Ok(())
}

/// All .wasm files of a folder, sorted.
fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = entries
        .map(|entry| Ok(entry?.path()))
        .filter(|path: &Result<PathBuf>| match path {
            Ok(path) => path.extension().is_some_and(|extension| extension == "wasm"),
            Err(_) => true,
        })
        .collect::<Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// `reeve_policy_ksm_tuner.wasm` is the policy `ksm-tuner`.
fn policy_name(module: &Path) -> String {
    let stem = module.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    stem.strip_prefix("reeve-policy-").unwrap_or(&stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_names_become_policy_names() {
        assert_eq!(policy_name(Path::new("/t/reeve_policy_ksm_tuner.wasm")), "ksm-tuner");
        assert_eq!(policy_name(Path::new("spinner.wasm")), "spinner");
    }

    #[test]
    fn components_without_a_policy_are_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["kept.wasm", "gone.wasm", "note.txt"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        remove_others(folder.path(), &["kept".to_owned()]).expect("cleaned");
        assert!(folder.path().join("kept.wasm").exists() && folder.path().join("note.txt").exists());
        assert!(!folder.path().join("gone.wasm").exists());
    }
}
