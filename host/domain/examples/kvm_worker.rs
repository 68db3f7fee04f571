//! A worker process and nothing else, for tests: a listening control socket on descriptor 3.

fn main() -> std::process::ExitCode {
    reeve_vmm::worker::main()
}
