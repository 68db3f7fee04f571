//! Where a standard library for wasm32-unknown-unknown comes from, best first:
//! the running toolchain's own target, its `rust-src` (built once), Debian's rustc-web with rust-web-src (built once).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::{Project, output, succeed};

/// The target of every policy: no WASI, so no clock, no files and no randomness that a policy was not granted.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Names another compiler than /usr/bin/rustc to take in place of Debian's.
const COMPILER_VARIABLE: &str = "REEVE_WASM_RUSTC";

/// Linkers to try where the running toolchain ships none.
const SYSTEM_LINKERS: [&str; 3] = ["/usr/bin/wasm-ld-22", "/usr/bin/wasm-ld-19", "/usr/bin/wasm-ld"];

/// The seed that makes cargo build the standard library: an empty crate with the policies' profile.
const SEED_MANIFEST: &str = r#"[package]
name = "seed"
version = "0.0.0"
edition = "2024"

[profile.release]
panic = "abort"
opt-level = "s"
codegen-units = 1

[workspace]
"#;

/// A compiler that can build policies.
pub struct Toolchain {
    /// Said to the person who waits.
    pub origin: &'static str,
    compiler: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    linker: Option<PathBuf>,
}

/// What a machine has, apart from what to make of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Source {
    /// `rustup target add` was done.
    InstalledTarget,
    /// `rustup component add rust-src` was done.
    RustSrc,
    /// Debian's compiler with its sources.
    Debian,
}

impl Toolchain {
    /// Finds one, building the standard library if need be.
    pub fn find(project: &Project) -> Result<Self> {
        let running = PathBuf::from(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let debian = debian_compiler();
        match source()? {
            Some(Source::InstalledTarget) => {
                Ok(Self { origin: "the installed target", compiler: None, sysroot: None, linker: None })
            }
            Some(Source::RustSrc) => Ok(Self {
                origin: "rust-src",
                compiler: None,
                sysroot: Some(build_std(project, &running)?),
                linker: None,
            }),
            Some(Source::Debian) => Ok(Self {
                origin: "Debian's rust-web-src",
                sysroot: Some(build_std(project, &debian)?),
                linker: Some(linker(&running)?),
                compiler: Some(debian),
            }),
            None => bail!(
                "there is no standard library for {TARGET}. One of these provides it:\n  \
                 rustup target add {TARGET}\n  rustup component add rust-src\n  \
                 apt-get install --no-install-recommends rustc-web rust-web-src   (Debian 12)"
            ),
        }
    }

    /// Makes a cargo build use it.
    pub fn apply(&self, cargo: &mut Command) {
        if let Some(compiler) = &self.compiler {
            cargo.env("RUSTC", compiler);
        }
        if let Some(sysroot) = &self.sysroot {
            let flag = format!("--sysroot={}", sysroot.display());
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flag);
        }
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

/// What this machine has; `setup` asks before it installs Debian's.
pub fn source() -> Result<Option<Source>> {
    let running = PathBuf::from(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let forced = std::env::var_os(COMPILER_VARIABLE).is_some();
    let debian = debian_compiler();
    let debian_sysroot = if debian.exists() { Some(sysroot(&debian)?) } else { None };
    Ok(choose(&sysroot(&running)?, debian_sysroot.as_deref(), forced))
}

/// The choice itself, by what the sysroots hold.
fn choose(running: &Path, debian: Option<&Path>, forced: bool) -> Option<Source> {
    if !forced && has_target(running) {
        return Some(Source::InstalledTarget);
    }
    if !forced && has_sources(running) {
        return Some(Source::RustSrc);
    }
    debian.filter(|sysroot| has_sources(sysroot)).map(|_| Source::Debian)
}

fn debian_compiler() -> PathBuf {
    std::env::var_os(COMPILER_VARIABLE).map_or_else(|| "/usr/bin/rustc".into(), PathBuf::from)
}

fn sysroot(compiler: &Path) -> Result<PathBuf> {
    Ok(output(Command::new(compiler).args(["--print", "sysroot"]))?.into())
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn has_target(sysroot: &Path) -> bool {
    std::fs::read_dir(library_folder(sysroot)).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").exists()
}

/// rustup ships a linker that speaks Wasm; Debian's package is the fallback.
fn linker(running: &Path) -> Result<PathBuf> {
    let version = output(Command::new(running).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let shipped = sysroot(running)?.join("lib/rustlib").join(host).join("bin/rust-lld");
    std::iter::once(shipped).chain(SYSTEM_LINKERS.map(PathBuf::from)).find(|path| path.exists()).context(
        "there is no linker for Wasm: neither rustup's rust-lld nor wasm-ld (apt-get install lld-19)",
    )
}

/// Builds core, alloc and std once into a sysroot of their own, so that policies build with plain cargo afterwards.
fn build_std(project: &Project, compiler: &Path) -> Result<PathBuf> {
    let version = output(Command::new(compiler).arg("-vV"))?;
    let root = project.target("wasm-sysroot");
    let stamp = root.join("version");
    if has_target(&root) && std::fs::read_to_string(&stamp).is_ok_and(|built| built == version) {
        return Ok(root);
    }
    eprintln!("building the Wasm standard library once, with {}", version.lines().next().unwrap_or_default());
    let seed = project.target("wasm-seed");
    std::fs::create_dir_all(seed.join("src"))?;
    std::fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
    std::fs::write(seed.join("Cargo.toml"), SEED_MANIFEST)?;
    succeed(
        project
            .cargo("")
            .current_dir(&seed)
            .args(["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
            .arg("--target-dir")
            .arg(seed.join("target"))
            .env("RUSTC", compiler)
            .env("RUSTC_BOOTSTRAP", "1")
            // Policies are optimised across crates, which needs the standard library's bitcode.
            .env("RUSTFLAGS", "-Cembed-bitcode=yes"),
    )?;
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    let library = library_folder(&root);
    std::fs::create_dir_all(&library)?;
    for entry in std::fs::read_dir(seed.join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libseed") {
            std::fs::copy(entry.path(), library.join(&name))?;
        }
    }
    std::fs::write(stamp, version)?;
    std::fs::remove_dir_all(&seed)?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysroot_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        folder
    }

    const SOURCES: &str = "lib/rustlib/src/rust/library/Cargo.lock";
    const LIBRARY: &str = "lib/rustlib/wasm32-unknown-unknown/lib/libcore-1.rlib";

    #[test]
    fn the_best_source_wins() {
        let (bare, sources) = (sysroot_with(&[]), sysroot_with(&[SOURCES]));
        let both = sysroot_with(&[SOURCES, LIBRARY]);
        assert_eq!(choose(both.path(), None, false), Some(Source::InstalledTarget));
        assert_eq!(choose(sources.path(), None, false), Some(Source::RustSrc));
        assert_eq!(choose(bare.path(), Some(sources.path()), false), Some(Source::Debian));
        assert_eq!(choose(bare.path(), Some(bare.path()), false), None);
        assert_eq!(choose(bare.path(), None, false), None);
    }

    #[test]
    fn a_named_compiler_goes_before_the_running_one() {
        let (both, sources) = (sysroot_with(&[SOURCES, LIBRARY]), sysroot_with(&[SOURCES]));
        assert_eq!(choose(both.path(), Some(sources.path()), true), Some(Source::Debian));
    }
}
