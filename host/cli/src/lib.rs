//! The `reeve` command line: a file per command.
//!
//! A command asks the daemon through `reeve-client`, and hands what it got to [`output`], which draws it as a table for
//! people, or as JSON or XML for programs. Errors become a sentence, a hint and an exit code in one place, [`exit`].
#![forbid(unsafe_code)]

mod args;
mod completions;
mod context;
mod domain;
mod editor;
mod events;
pub mod exit;
mod iface;
mod image;
mod network;
mod node;
mod nodedev;
mod nwfilter;
mod output;
mod policy;
mod pool;
mod progress;
mod secret;
mod terminal;
mod virsh;
mod vol;
mod xml;

use std::process::ExitCode;

pub use args::{Cli, Command, DaemonArgs, Place};

/// Runs a client command to its end. `Command::Daemon` is not one: the binary runs it.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(&anyhow::Error::new(error).context("cannot start the async runtime"));
        }
    };
    let context = context::Context::new(&cli.place, cli.output);
    let outcome = runtime.block_on(dispatch(cli.command, context));
    // A console may still have a read of standard input under way; it ends with the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn dispatch(command: Command, mut context: context::Context) -> anyhow::Result<()> {
    match command {
        Command::Domain(command) => command.run(&mut context).await,
        Command::Network(command) => command.run(&mut context).await,
        Command::Pool(command) => command.run(&mut context).await,
        Command::Vol(command) => command.run(&mut context).await,
        Command::Secret(command) => command.run(&mut context).await,
        Command::Nodedev(command) => command.run(&mut context).await,
        Command::Nwfilter(command) => command.run(&mut context).await,
        Command::Iface(command) => command.run(&mut context).await,
        Command::Policy(command) => command.run(&mut context).await,
        Command::Node(command) => command.run(&mut context).await,
        Command::Events(command) => command.run(&mut context).await,
        Command::Image(command) => command.run(&mut context),
        Command::Xml(command) => command.run(&mut context),
        Command::Completions(command) => command.run(&mut context),
        Command::Daemon(_) => anyhow::bail!("the daemon is started by the reeve binary, not by a client"),
    }
}
