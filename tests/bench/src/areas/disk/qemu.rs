//! QEMU with the same guest.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use reeve_tests::{Guest, wait};

use super::super::qemu::{machine, program};
use super::{Done, MEMORY_MIB, PATIENCE, answers, command_line};

/// QEMU on KVM.
pub struct Qemu;

impl Qemu {
    /// None where it is not installed.
    pub fn find() -> Option<Self> {
        let version = program().arg("--version").output().ok()?;
        version.status.success().then_some(Self)
    }

    /// Runs the guest until it powers off.
    pub fn run(&self, guest: &Guest, disk: &Path) -> Result<Vec<Done>> {
        let directory = tempfile::tempdir()?;
        let console = directory.path().join("console");
        let drive = format!("if=none,id=disk,file={},format=raw,cache=none,aio=io_uring", disk.display());
        let mut command = machine(MEMORY_MIB);
        command.args(["-object", "iothread,id=thread", "-drive", &drive]);
        command.args(["-device", "virtio-blk-pci,drive=disk,iothread=thread,disable-legacy=on"]);
        command.arg("-kernel").arg(guest.kernel()).args(["-append", &command_line()]);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        let mut qemu = command.stdin(Stdio::null()).spawn().context("QEMU can't be started")?;
        let ended =
            wait::until("QEMU ends", PATIENCE, || qemu.try_wait().is_ok_and(|status| status.is_some()));
        if ended.is_err() {
            qemu.kill()?;
        }
        let status = qemu.wait()?;
        ended?;
        ensure!(status.success(), "QEMU ended with {status}");
        answers(&std::fs::read_to_string(&console)?)
    }
}
