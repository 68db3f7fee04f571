//! The `reeve` binary: configuration, wiring, telemetry, shutdown. One binary is the daemon, the client and the sniffer; workers have one of their own.
#![forbid(unsafe_code)]

mod config;
mod daemon;
mod peers;
mod shutdown;
mod sniffer;
mod telemetry;
mod wiring;
mod worker_program;

use std::process::ExitCode;

use reeve_cli::{Cli, Command};

fn main() -> ExitCode {
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
