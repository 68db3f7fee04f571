//! `cargo xtask guest`: the freestanding test guest, with nothing but the stable host toolchain.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::project::{Project, succeed};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the guest; the path of its ELF file, target/guest/reeve-guest.elf.
pub fn run(project: &Project) -> Result<PathBuf> {
    let folder = project.target("guest");
    // Linking needs the flags of tests/guest/.cargo/config.toml, which cargo reads from its working folder.
    succeed(
        project
            .cargo("tests/guest")
            .args(["build", "--quiet", "--release", "--target", TARGET, "--target-dir"])
            .arg(&folder),
    )?;
    let built = folder.join(TARGET).join("release/reeve-guest");
    let elf = folder.join("reeve-guest.elf");
    let partial = folder.join("reeve-guest.elf.partial");
    std::fs::copy(&built, &partial).with_context(|| format!("cannot copy {}", built.display()))?;
    std::fs::rename(&partial, &elf).with_context(|| format!("cannot write {}", elf.display()))?;
    Ok(elf)
}
