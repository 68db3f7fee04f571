//! Locks itself in as a worker does and then tries to read /etc/passwd, for tests: `attempt off|kill`.
#![allow(clippy::print_stdout, reason = "its output is its result")]

use reeve_vmm::config::{SandboxConfig, SeccompMode};
use reeve_vmm::sandbox::{self, ThreadFilter, ThreadRole};

fn main() -> anyhow::Result<()> {
    let seccomp = match std::env::args().nth(1).as_deref() {
        Some("kill") => SeccompMode::Kill,
        _ => SeccompMode::Off,
    };
    sandbox::enter(&SandboxConfig { uid: Some(65534), gid: Some(65534), seccomp, landlock: true })?;
    ThreadFilter::new(seccomp, ThreadRole::EventLoop)?.apply()?;
    match std::fs::read("/etc/passwd") {
        Ok(_) => println!("opened"),
        Err(error) => println!("refused: {error}"),
    }
    Ok(())
}
