//! A whole host emulated by qemu, with an AMD processor that has SVM: its stock `kvm_amd` runs stock guests where the
//! KVM of the machine that tests can't.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::command::binary;
use crate::cpio::Archive;
use crate::debian::run;
use crate::{Debian, wait};

const EMULATOR: &str = "qemu-system-x86_64";
const MACHINE: [&str; 12] = [
    "-accel",
    "tcg,thread=multi",
    "-M",
    "q35",
    "-cpu",
    "max,+svm",
    "-smp",
    "2",
    "-m",
    "2048",
    "-nic",
    "none",
];
/// Mitigations cost an emulated processor much and win nothing. A program that is always at the same addresses is translated once, and starts
/// five times as fast after that.
const CMDLINE: &str = "console=ttyS0 quiet panic=-1 nokaslr norandmaps mitigations=off";
const KVM_MODULES: [&str; 3] = ["virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko"];

/// A host that is put together for one test.
#[derive(Debug)]
pub struct EmulatedHost {
    kernel: PathBuf,
    files: Archive,
}

impl EmulatedHost {
    /// A host whose first program is the shell script `init`. It finds busybox, `reeve` with its libraries and the KVM
    /// modules (in /modules) there.
    pub fn new(debian: &Debian, init: &str) -> anyhow::Result<Self> {
        run(Path::new("/"), EMULATOR, &["--version"])?;
        let files = archive(debian, init, &KVM_MODULES)?;
        let mut host = Self { kernel: debian.kernel()?, files };
        let program = binary()?;
        host.built("bin/reeve", &program)?;
        host.built("bin/reeve-worker", &program.with_file_name("reeve-worker"))?;
        Ok(host)
    }

    /// Adds a program that was built here, without what only a debugger reads, which is most of it.
    pub fn built(&mut self, name: &str, path: &Path) -> anyhow::Result<()> {
        let stripped = tempfile::NamedTempFile::new()?;
        let (from, to) = (path.to_string_lossy(), stripped.path().to_string_lossy());
        run(Path::new("/"), "strip", &["--strip-all", "-o", &to, &from])?;
        self.program(name, stripped.path(), Path::new("/"))
    }

    /// Adds a program with the libraries that it needs: those below `root`, where it has them, or this machine's.
    pub fn program(&mut self, name: &str, path: &Path, root: &Path) -> anyhow::Result<()> {
        add_program(&mut self.files, name, path, root)
    }

    /// Adds modules, to be loaded in this order after those for KVM.
    pub fn modules(&mut self, debian: &Debian, paths: &[String]) -> anyhow::Result<()> {
        for (index, path) in paths.iter().enumerate() {
            self.files.copy(&format!("modules/more-{index:02}.ko"), &debian.module(path)?)?;
        }
        Ok(())
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.files.file(name, content);
    }

    /// Runs it until it powers itself off, and gives what it wrote to its console. `patience` is for all of it.
    pub fn run(self, patience: Duration) -> anyhow::Result<String> {
        let directory = tempfile::Builder::new().prefix("reeve-host-").tempdir()?;
        let (initrd, console) = (directory.path().join("initrd"), directory.path().join("console"));
        std::fs::write(&initrd, self.files.finish())?;
        #[expect(clippy::disallowed_methods, reason = "the host of the test is a program of this one")]
        let mut command = Command::new(EMULATOR);
        command.args(MACHINE).args([
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
            "-append",
            CMDLINE,
        ]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&initrd);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        let mut host = command.stdin(Stdio::null()).spawn().context("the emulator can't be started")?;
        let ended = wait::until("the emulated host powers off", patience, || {
            host.try_wait().is_ok_and(|status| status.is_some())
        });
        if ended.is_err() {
            host.kill()?;
            host.wait()?;
        }
        let written = String::from_utf8_lossy(&std::fs::read(&console)?).replace('\r', "");
        ended.with_context(|| format!("console of the emulated host:\n{written}"))?;
        Ok(written)
    }
}

/// Adds a program with the libraries that it needs to an initial RAM disk: those below `root`, where it has them, or this machine's.
pub fn add_program(files: &mut Archive, name: &str, path: &Path, root: &Path) -> anyhow::Result<()> {
    files.copy(name, path)?;
    let place = |directory: &str| root.join(directory).display().to_string();
    let places = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map(place).join(":");
    let places = format!("LD_LIBRARY_PATH={places}");
    let linked = run(Path::new("/"), "env", &[&places, "ldd", &path.to_string_lossy()])?;
    anyhow::ensure!(!linked.contains("not found"), "{} lacks libraries: {linked}", path.display());
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let path = Path::new(library);
        let inside = path.strip_prefix(root).or_else(|_| path.strip_prefix("/"))?.to_string_lossy();
        if !files.has(&inside) {
            files.copy(&inside, path)?;
        }
    }
    Ok(())
}

/// An initial RAM disk of busybox, a script and modules in /modules, numbered in the order in which they load.
pub fn archive(debian: &Debian, init: &str, modules: &[impl AsRef<str>]) -> anyhow::Result<Archive> {
    let mut archive = Archive::default();
    ["dev", "proc", "run", "sys", "tmp"].into_iter().for_each(|name| archive.directory(name));
    archive.file("init", init.as_bytes());
    archive.copy("bin/busybox", &debian.busybox())?;
    for (index, path) in modules.iter().enumerate() {
        archive.copy(&format!("modules/{index:02}.ko"), &debian.module(path.as_ref())?)?;
    }
    Ok(archive)
}
