//! The worker: one machine and nothing else. The daemon starts it with a listening control socket on descriptor 3.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    reeve_vmm::worker::main()
}
