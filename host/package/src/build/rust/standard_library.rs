//! core, alloc and std for Wasm, built once into a sysroot of their own, so that policies build with plain cargo afterwards.

use std::path::{Path, PathBuf};

use super::cargo;
use super::toolchain::{TARGET, said};
use crate::build::BuildError;
use crate::build::command::run;

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

/// True when a sysroot has the standard library for Wasm.
pub(super) fn has_target(sysroot: &Path) -> bool {
    std::fs::read_dir(library_folder(sysroot)).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// The sysroot below `cache`; built if it is missing or of another compiler, which takes a minute.
pub(super) fn build_std(cache: &Path, compiler: &Path) -> Result<PathBuf, BuildError> {
    let version = said(compiler, &["-vV"])?;
    let root = cache.join("wasm-sysroot");
    let stamp = root.join("version");
    if has_target(&root) && std::fs::read_to_string(&stamp).is_ok_and(|built| built == version) {
        return Ok(root);
    }
    // Two builds at once each make their own, and the last one stays.
    let seed = cache.join(format!("wasm-seed-{}", std::process::id()));
    let built = seed.join("sysroot");
    compile_seed(&seed, compiler)?;
    collect(&seed, &built).map_err(|source| BuildError::write(&built, source))?;
    let settle = || {
        std::fs::write(built.join("version"), &version)?;
        if root.exists() {
            std::fs::remove_dir_all(&root)?;
        }
        std::fs::rename(&built, &root)?;
        std::fs::remove_dir_all(&seed)
    };
    settle().map_err(|source| BuildError::write(&root, source))?;
    Ok(root)
}

fn compile_seed(seed: &Path, compiler: &Path) -> Result<(), BuildError> {
    let write = || {
        std::fs::create_dir_all(seed.join("src"))?;
        std::fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
        std::fs::write(seed.join("Cargo.toml"), SEED_MANIFEST)
    };
    write().map_err(|source| BuildError::write(seed, source))?;
    let mut cargo = cargo(seed);
    cargo.args(["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    cargo.arg("--target-dir").arg(seed.join("target"));
    cargo.env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1");
    // Policies are optimised across crates, which needs the standard library's bitcode.
    cargo.env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run(&mut cargo)?;
    Ok(())
}

fn collect(seed: &Path, root: &Path) -> std::io::Result<()> {
    let library = library_folder(root);
    std::fs::create_dir_all(&library)?;
    for entry in std::fs::read_dir(seed.join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libseed") {
            std::fs::copy(entry.path(), library.join(&name))?;
        }
    }
    Ok(())
}
