//! The `reeve` binary: configuration, wiring, telemetry, shutdown. One binary is the daemon, the client, the worker and the sniffer.
#![forbid(unsafe_code)]

mod config;
mod daemon;
mod peers;
mod shutdown;
mod sniffer;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use reeve_cli::{Cli, Command};

fn main() -> ExitCode {
    // A worker is one machine and nothing else: no async runtime, no command line, no configuration.
    if std::env::args_os().nth(1).is_some_and(|word| word == wiring::WORKER) {
        return reeve_vmm::worker::main();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == sniffer::WORD) {
        return sniffer::main();
    }
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    match &cli.command {
        Command::Daemon(args) => match daemon::run(&cli.place.root, args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => reeve_cli::exit::report(&error),
        },
        _ => reeve_cli::run(cli),
    }
}
