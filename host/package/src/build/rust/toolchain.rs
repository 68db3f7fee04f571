//! Where a standard library for wasm32-unknown-unknown comes from, best first:
//! the running toolchain's own target, its `rust-src` (built once), Debian's rustc-web with rust-web-src (built once).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::standard_library::{build_std, has_target};
use crate::build::BuildError;
use crate::build::command::{command, run};

/// The target of every policy: no WASI, so no clock, no files and no randomness that a policy was not granted.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of stack that a policy gets. The linker's own choice is a mebibyte, and after every call a policy's memory is searched for what
/// it wrote.
const STACK: u32 = 128 << 10;

/// Names another compiler than /usr/bin/rustc to take in place of Debian's.
const COMPILER_VARIABLE: &str = "REEVE_WASM_RUSTC";

/// Linkers to try where the running toolchain ships none.
const SYSTEM_LINKERS: [&str; 3] = ["/usr/bin/wasm-ld-22", "/usr/bin/wasm-ld-19", "/usr/bin/wasm-ld"];

/// This machine cannot compile Rust for Wasm.
#[derive(Debug, thiserror::Error)]
pub enum NoToolchain {
    /// There is no standard library.
    #[error(
        "there is no standard library for {TARGET}. One of these provides it:\n  rustup target add {TARGET}\n  \
         rustup component add rust-src\n  \
         apt-get install --no-install-recommends rustc-web rust-web-src   (Debian 12)"
    )]
    Library,
    /// There is no linker.
    #[error("there is no linker for Wasm: neither rustup's rust-lld nor wasm-ld (apt-get install lld-19)")]
    Linker,
}

/// A compiler that can build policies.
#[derive(Debug)]
pub struct Toolchain {
    /// Said to the person who waits.
    pub origin: &'static str,
    compiler: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    linker: Option<PathBuf>,
}

/// What a machine has, apart from what to make of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// `rustup target add` was done.
    InstalledTarget,
    /// `rustup component add rust-src` was done.
    RustSrc,
    /// Debian's compiler with its sources.
    Debian,
}

impl Toolchain {
    /// Finds one, building the standard library below `cache` if need be.
    pub fn find(cache: &Path) -> Result<Self, BuildError> {
        let running = running_compiler();
        let debian = debian_compiler();
        match Source::of_this_machine()? {
            Some(Source::InstalledTarget) => {
                Ok(Self { origin: "the installed target", compiler: None, sysroot: None, linker: None })
            }
            Some(Source::RustSrc) => Ok(Self {
                origin: "rust-src",
                compiler: None,
                sysroot: Some(build_std(cache, &running)?),
                linker: None,
            }),
            Some(Source::Debian) => Ok(Self {
                origin: "Debian's rust-web-src",
                sysroot: Some(build_std(cache, &debian)?),
                linker: Some(linker(&running)?),
                compiler: Some(debian),
            }),
            None => Err(NoToolchain::Library.into()),
        }
    }

    /// Makes a cargo build use it.
    pub fn apply(&self, cargo: &mut Command) {
        if let Some(compiler) = &self.compiler {
            cargo.env("RUSTC", compiler);
        }
        let mut flags = format!("-Clink-arg=-zstack-size={STACK}");
        if let Some(sysroot) = &self.sysroot {
            flags.push_str(&format!(" --sysroot={}", sysroot.display()));
        }
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

impl Source {
    /// What this machine has; none if it cannot build policies in Rust.
    pub fn of_this_machine() -> Result<Option<Self>, BuildError> {
        let forced = std::env::var_os(COMPILER_VARIABLE).is_some();
        let debian = debian_compiler();
        let debian_sysroot = if debian.exists() { Some(sysroot(&debian)?) } else { None };
        Ok(choose(&sysroot(&running_compiler())?, debian_sysroot.as_deref(), forced))
    }
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

fn running_compiler() -> PathBuf {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()).into()
}

fn debian_compiler() -> PathBuf {
    std::env::var_os(COMPILER_VARIABLE).map_or_else(|| "/usr/bin/rustc".into(), PathBuf::from)
}

fn sysroot(compiler: &Path) -> Result<PathBuf, BuildError> {
    Ok(said(compiler, &["--print", "sysroot"])?.into())
}

/// What a compiler says of itself.
pub(super) fn said(compiler: &Path, arguments: &[&str]) -> Result<String, BuildError> {
    let said = run(command(compiler, Path::new(".")).args(arguments))?;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").exists()
}

/// rustup ships a linker that speaks Wasm; Debian's package is the fallback.
fn linker(running: &Path) -> Result<PathBuf, BuildError> {
    let version = said(running, &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let shipped = sysroot(running)?.join("lib/rustlib").join(host).join("bin/rust-lld");
    let mut linkers = std::iter::once(shipped).chain(SYSTEM_LINKERS.map(PathBuf::from));
    linkers.find(|path| path.exists()).ok_or_else(|| NoToolchain::Linker.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysroot_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
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
