//! Reading the tree: source files, crates and their manifests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::Table;

/// Folders with source of this project.
const SOURCES: [&str; 5] = ["host", "tests", "scripts", "guest-sdk", "wit"];

/// All files below the source folders, relative to the root, sorted. Build output and hidden files are left out.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in SOURCES.map(|name| root.join(name)) {
        if folder.is_dir() {
            walk(&folder, &mut found)?;
        }
    }
    found.sort();
    Ok(found.into_iter().filter_map(|path| path.strip_prefix(root).map(Path::to_path_buf).ok()).collect())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// A crate of the project.
pub struct Crate {
    /// Its folder, relative to the root.
    pub folder: PathBuf,
    /// Its Cargo.toml.
    pub manifest: Table,
}

impl Crate {
    /// Name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Names of what it is built with; not what only its tests use.
    pub fn dependencies(&self) -> impl Iterator<Item = &str> {
        let tables = ["dependencies", "build-dependencies"];
        tables
            .into_iter()
            .filter_map(|key| self.manifest.get(key)?.as_table())
            .flat_map(|table| table.keys().map(String::as_str))
    }
}

/// The crates that are folders of `folder`, sorted.
pub fn crates(root: &Path, folder: &str) -> Result<Vec<Crate>> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Ok(found) };
    for entry in entries {
        let relative = Path::new(folder).join(entry?.file_name());
        if root.join(&relative).join("Cargo.toml").exists() {
            found.push(read_crate(root, &relative)?);
        }
    }
    found.sort_by(|left, right| left.folder.cmp(&right.folder));
    Ok(found)
}

/// Reads one crate's manifest.
pub fn read_crate(root: &Path, folder: &Path) -> Result<Crate> {
    let path = root.join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
    Ok(Crate { folder: folder.to_path_buf(), manifest })
}

/// A tree made for a test: pairs of path and content.
#[cfg(test)]
pub fn sample(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }
    root
}
