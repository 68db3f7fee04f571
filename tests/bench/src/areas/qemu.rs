//! QEMU on KVM, the peer of machines.

use std::process::Command;

const PROGRAM: &str = "qemu-system-x86_64";
/// The host's, without a register that KVM under another hypervisor may show and not let be set.
const CPU: &str = "host,-arch-capabilities";

/// The program without arguments.
#[expect(clippy::disallowed_methods, reason = "a bench runs the peer as a user does")]
pub fn program() -> Command {
    Command::new(PROGRAM)
}

/// A machine of that memory that has no devices but those that follow.
pub fn machine(memory_mib: u64) -> Command {
    let mut command = program();
    command.args(["-accel", "kvm", "-M", "q35", "-cpu", CPU, "-display", "none", "-monitor", "none"]);
    command.args(["-no-reboot", "-nic", "none", "-m", &memory_mib.to_string()]);
    command
}
