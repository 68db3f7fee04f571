//! Debian packages that a test reads but nobody has to install: downloaded and unpacked once below the target folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::binary;

/// Package that stands for the newest kernel for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";
const BUSYBOX: &str = "busybox-static";
/// Written last, so that an unpacking that was cut short is done again.
const COMPLETE: &str = "complete";

/// A kernel with its modules, and a static busybox.
#[derive(Debug, Clone)]
pub struct Debian {
    root: PathBuf,
}

impl Debian {
    /// Looks below the target folder, and downloads what is not there. Fails without apt, package lists or a network.
    pub fn obtain() -> anyhow::Result<Self> {
        let binary = binary()?;
        let target = binary.ancestors().nth(2).context("the binary is in target/PROFILE/")?;
        let directory = target.join("lane-b");
        let debian = Self { root: directory.join("root") };
        if !directory.join(COMPLETE).exists() {
            std::fs::create_dir_all(&directory)?;
            let kernel = kernel_package(&directory)?;
            unpack(&directory, &[&kernel, BUSYBOX])?;
        }
        Ok(debian)
    }

    /// Packages unpacked into a directory of their own, called `set`, and nothing that they depend on.
    pub fn packages(&self, set: &str, names: &[&str]) -> anyhow::Result<PathBuf> {
        let directory = self.root.with_file_name(set);
        if !directory.join(COMPLETE).exists() {
            std::fs::create_dir_all(&directory)?;
            unpack(&directory, names)?;
        }
        Ok(directory.join("root"))
    }

    /// The kernel's bzImage.
    pub fn kernel(&self) -> anyhow::Result<PathBuf> {
        only_one(&self.root.join("boot"), "vmlinuz-")
    }

    /// A module, e.g. `virt/lib/irqbypass.ko`.
    pub fn module(&self, path: &str) -> anyhow::Result<PathBuf> {
        Ok(only_one(&self.root.join("lib/modules"), "")?.join("kernel").join(path))
    }

    /// Modules by their names, each after those that it needs; as [`Self::module`] takes them.
    pub fn modules(&self, names: &[&str]) -> anyhow::Result<Vec<String>> {
        let home = only_one(&self.root.join("lib/modules"), "")?.join("kernel");
        let mut known = BTreeMap::new();
        find_modules(&home, &home, &mut known)?;
        let mut ordered = Vec::new();
        for name in names {
            order_module(&home, &known, name, &mut ordered)?;
        }
        Ok(ordered)
    }

    /// The static busybox.
    pub fn busybox(&self) -> PathBuf {
        self.root.join("bin/busybox")
    }
}

/// Downloads packages and unpacks them below `root`.
fn unpack(directory: &Path, packages: &[&str]) -> anyhow::Result<()> {
    run(directory, "apt-get", &[&["download", "-q"], packages].concat())?;
    for package in with_extension(directory, "deb")? {
        run(directory, "dpkg", &["-x", &package.to_string_lossy(), "root"])?;
        std::fs::remove_file(package)?;
    }
    Ok(std::fs::write(directory.join(COMPLETE), packages.join(" "))?)
}

/// What a module is called in others' lists: file names have `-` where those have `_`.
fn module_name(file: &str) -> String {
    file.replace('-', "_")
}

fn find_modules(home: &Path, directory: &Path, known: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_modules(home, &path, known)?;
        } else if path.extension().is_some_and(|extension| extension == "ko")
            && let Some(name) = path.file_stem()
        {
            let relative = path.strip_prefix(home)?.to_string_lossy().into_owned();
            known.insert(module_name(&name.to_string_lossy()), relative);
        }
    }
    Ok(())
}

fn order_module(
    home: &Path,
    known: &BTreeMap<String, String>,
    name: &str,
    ordered: &mut Vec<String>,
) -> anyhow::Result<()> {
    let path = known.get(&module_name(name)).with_context(|| format!("there is no module {name}"))?;
    if ordered.contains(path) {
        return Ok(());
    }
    let bytes = std::fs::read(home.join(path))?;
    let mark = b"\0depends=";
    let start = bytes.windows(mark.len()).position(|part| part == mark).map(|at| at + mark.len());
    let list = start.and_then(|start| bytes[start..].split(|byte| *byte == 0).next()).unwrap_or_default();
    let list = String::from_utf8_lossy(list).into_owned();
    for needed in list.split(',').filter(|needed| !needed.is_empty()) {
        order_module(home, known, needed, ordered)?;
    }
    ordered.push(path.clone());
    Ok(())
}

/// What the package of the newest kernel is called today.
fn kernel_package(directory: &Path) -> anyhow::Result<String> {
    let depends = run(directory, "apt-cache", &["depends", KERNEL])?;
    let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    Ok(format!("linux-image-{}", name.with_context(|| format!("{KERNEL} names no kernel"))?))
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn run(directory: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a test prepares its machine as a user does")]
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .with_context(|| format!("{program} can't be run"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program} failed: {}", errors.trim().replace('\n', "; "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn with_extension(directory: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
}

fn only_one(directory: &Path, prefix: &str) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{} can't be listed", directory.display()))?;
    let found = entries.iter().find(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    Ok(found.with_context(|| format!("nothing in {} starts with '{prefix}'", directory.display()))?.path())
}
