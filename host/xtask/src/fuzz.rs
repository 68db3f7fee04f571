//! `cargo xtask fuzz`: the targets of tests/fuzz under cargo-fuzz, one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::project::{Project, shown, succeed};

const FOLDER: &str = "tests/fuzz";
/// The installed cargo-fuzz, below cargo's target folder.
const TOOL: &str = "tools/bin/cargo-fuzz";
/// Most memory of a target, MiB: nothing hostile may ask for more.
const MEMORY_MIB: u32 = 2048;
/// Longest run of one input, seconds.
const PATIENCE: u32 = 20;

/// Documents of the tests that a target starts from, besides its own in tests/fuzz/seeds.
const FIXTURES: [(&str, &[&str]); 3] = [
    ("xml_domain", &["tests/fixtures", "host/xml/tests/documents"]),
    ("xml_network", &["host/xml/tests/documents"]),
    ("xml_check", &["tests/fixtures", "host/xml/tests/documents"]),
];

/// Targets that need a feature of the fuzz crate, and which.
const FEATURES: [(&str, &str); 5] = [
    ("artifact", "oci"),
    ("component", "policy"),
    ("edits", "actions"),
    ("grants", "policy"),
    ("manifest", "policy"),
];

/// What is asked for.
pub struct Options {
    /// One target; none runs all.
    pub target: Option<String>,
    /// How long each target runs.
    pub seconds: u32,
    /// Whether cargo-fuzz may be installed.
    pub install: bool,
}

/// Runs the targets. The first that finds something ends the task; cargo-fuzz says how to reproduce it.
pub fn run(project: &Project, options: &Options) -> Result<()> {
    let all = targets(project)?;
    let chosen = match &options.target {
        Some(name) if all.contains(name) => std::slice::from_ref(name),
        Some(name) => bail!("there is no fuzz target '{name}'; there are {}", all.join(", ")),
        None => &all[..],
    };
    let tool = tool(project, options.install)?;
    let nightly = has_nightly();
    if !nightly {
        eprintln!("rustup has no nightly toolchain: fuzzing without AddressSanitizer");
    }
    for target in chosen {
        println!("fuzz: {target}, {} s", options.seconds);
        succeed(&mut fuzz(project, &tool, target, options.seconds, nightly)?)
            .with_context(|| format!("fuzz target '{target}' found something or was not built"))?;
    }
    println!("fuzz: {} targets, nothing found", chosen.len());
    Ok(())
}

/// The names of the targets: the files of their folder.
fn targets(project: &Project) -> Result<Vec<String>> {
    let folder = project.path(FOLDER).join("targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default();
        names.push(stem.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Finds cargo-fuzz, installing it if need be.
fn tool(project: &Project, install: bool) -> Result<PathBuf> {
    let tool = project.target(TOOL);
    if tool.exists() {
        return Ok(tool);
    }
    let mut cargo = project.cargo("");
    cargo.args(["install", "cargo-fuzz", "--locked", "--root"]).arg(project.target("tools"));
    let line = shown(&cargo);
    ensure!(install, "cargo-fuzz is missing and not installed as you asked; the command is: {line}");
    eprintln!("installing: {line}");
    succeed(&mut cargo)?;
    Ok(tool)
}

fn has_nightly() -> bool {
    let version = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    version.is_ok_and(|output| output.status.success())
}

fn fuzz(project: &Project, tool: &Path, target: &str, seconds: u32, nightly: bool) -> Result<Command> {
    let corpus = project.target("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let mut command = Command::new(tool);
    command.args(["run", "--fuzz-dir"]).arg(project.path(FOLDER));
    command.arg("--target-dir").arg(project.target("fuzz"));
    command.args(["--sanitizer", if nightly { "address" } else { "none" }]);
    if let Some((_, feature)) = FEATURES.iter().find(|(name, _)| *name == target) {
        command.args(["--features", feature]);
    }
    command.arg(target).arg(corpus);
    command.args(seeds(project, target));
    command.arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    command.arg(format!("-timeout={PATIENCE}"));
    command.current_dir(project.root());
    // cargo-fuzz builds with the flags of its own and the cargo that it is given, not with the one that runs this task.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO", "RUSTC"] {
        command.env_remove(variable);
    }
    command.env("RUSTUP_TOOLCHAIN", if nightly { "nightly" } else { "stable" });
    Ok(command)
}

/// Folders with inputs to start from, those that there are.
fn seeds(project: &Project, target: &str) -> Vec<PathBuf> {
    let fixtures = FIXTURES.iter().filter(|(name, _)| *name == target).flat_map(|(_, folders)| *folders);
    let own = project.path(FOLDER).join("seeds").join(target);
    fixtures.map(|folder| project.path(folder)).chain([own]).filter(|folder| folder.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_every_seed_has_one() {
        let project = Project::locate().expect("the checkout");
        let targets = targets(&project).expect("readable");
        let manifest = std::fs::read_to_string(project.path(FOLDER).join("Cargo.toml")).expect("readable");
        for target in &targets {
            let needed = FEATURES.iter().find(|(name, _)| name == target);
            let feature = needed
                .map_or_else(String::new, |(_, feature)| format!("required-features = [\"{feature}\"]\n"));
            let entry = format!("path = \"targets/{target}.rs\"\n{feature}test = false");
            assert!(manifest.contains(&entry), "{target}");
        }
        let seeds = std::fs::read_dir(project.path(FOLDER).join("seeds")).expect("readable");
        for folder in seeds.flatten() {
            let name = folder.file_name().to_string_lossy().into_owned();
            assert!(targets.contains(&name), "{name}");
        }
        for (name, folders) in FIXTURES {
            assert!(targets.iter().any(|target| target == name), "{name}");
            assert!(folders.iter().all(|folder| project.path(folder).is_dir()), "{name}");
        }
    }
}
