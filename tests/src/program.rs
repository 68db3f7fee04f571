//! The machine that tests run on: its programs, and a file system that is soon full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program of the machine and gives what it printed.
pub fn program(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut tries = 0;
    let done = loop {
        #[expect(clippy::disallowed_methods, reason = "a test uses the machine as an operator does")]
        let done = Command::new(name).args(arguments).output()?;
        // qemu-img measures how fast it derives keys, and gives up where others have the processor meanwhile.
        let measured = !String::from_utf8_lossy(&done.stderr).contains("Unable to get accurate CPU usage");
        tries += 1;
        if measured || tries == 50 {
            break done;
        }
    };
    anyhow::ensure!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}

/// A file system of a few megabytes, gone with the test.
#[derive(Debug)]
pub struct Small(PathBuf);

impl Small {
    /// Mounts it at a directory that is made for it.
    pub fn mount(at: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(at)?;
        program("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", &at.display().to_string()])?;
        Ok(Self(at.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it as much space as anybody needs here.
    pub fn grow(&self) -> anyhow::Result<()> {
        program("mount", &["-o", "remount,size=256m", &self.0.display().to_string()]).map(drop)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What fails here fails in a test that is over.
        let _ = program("umount", &["-l", &self.0.display().to_string()]);
    }
}
