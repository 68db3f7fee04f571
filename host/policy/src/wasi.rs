//! WASI 0.2, by grant and in parts: clocks, randomness, standard streams and directories. There are no sockets in it, and no
//! environment of the daemon's.
//!
//! | grant                | interfaces                  | what a policy gets                                               |
//! |----------------------|-----------------------------|------------------------------------------------------------------|
//! | `wasi:clocks`        | `wasi:clocks/*`             | the host's clocks, recorded and replayed; sleeping ends at the deadline |
//! | `wasi:random`        | `wasi:random/*`             | a generator seeded anew for every call; the seed is recorded and replayed |
//! | `wasi:cli`           | `wasi:cli/*`                | no arguments, no environment, no input; output goes to the policy's log |
//! | `fs:read path=/d`    | `wasi:filesystem/*`         | the directory under its own name, to read                        |
//! | `fs:write path=/d`   | `wasi:filesystem/*`         | the same, to read and change                                     |
//!
//! `wasi:io` is what the others hand out their streams and timers with; it gives nothing by itself and takes no grant. Files are not
//! recorded: a session of a policy that reads files replays only where the files are the same.

mod clocks;
mod stdio;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use reeve_model::Verb;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks as clock, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::call::CallState;
use crate::grants::Grants;
use crate::imports::Interface;
use crate::loader::{LoadError, hex};

pub(crate) use stdio::Lines;

/// The version of all its packages.
const VERSION: &str = "0.2.12";

/// Streams, timers and open files of one call.
const RESOURCES: usize = 10_000;

/// Random bytes a policy gets at once.
const RANDOM_BYTES: u64 = 1 << 20;

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

fn table(state: &mut CallState) -> &mut ResourceTable {
    state.ctx().table
}

const fn interface(
    name: &'static str,
    link: fn(&mut Linker<CallState>) -> wasmtime::Result<()>,
) -> Interface {
    Interface { name, version: VERSION, link: Some(link) }
}

/// Every interface there is.
pub(crate) const INTERFACES: [Interface; 20] = [
    interface("wasi:io/error", |linker| io::error::add_to_linker::<_, Io>(linker, table)),
    interface("wasi:io/poll", |linker| io::poll::add_to_linker::<_, Io>(linker, table)),
    interface("wasi:io/streams", |linker| io::streams::add_to_linker::<_, Io>(linker, table)),
    interface("wasi:clocks/wall-clock", |linker| {
        clock::wall_clock::add_to_linker::<_, WasiClocks>(linker, CallState::clocks)
    }),
    interface("wasi:clocks/monotonic-clock", |linker| {
        clock::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, CallState::clocks)
    }),
    interface("wasi:random/random", |linker| {
        random::random::add_to_linker::<_, WasiRandom>(linker, CallState::random)
    }),
    interface("wasi:random/insecure", |linker| {
        random::insecure::add_to_linker::<_, WasiRandom>(linker, CallState::random)
    }),
    interface("wasi:random/insecure-seed", |linker| {
        random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, CallState::random)
    }),
    interface("wasi:cli/environment", |linker| {
        cli::environment::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:cli/exit", |linker| cli::exit::add_to_linker::<_, WasiCli>(linker, CallState::cli)),
    interface("wasi:cli/stdin", |linker| cli::stdin::add_to_linker::<_, WasiCli>(linker, CallState::cli)),
    interface("wasi:cli/stdout", |linker| cli::stdout::add_to_linker::<_, WasiCli>(linker, CallState::cli)),
    interface("wasi:cli/stderr", |linker| cli::stderr::add_to_linker::<_, WasiCli>(linker, CallState::cli)),
    interface("wasi:cli/terminal-input", |linker| {
        cli::terminal_input::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:cli/terminal-output", |linker| {
        cli::terminal_output::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:cli/terminal-stdin", |linker| {
        cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:cli/terminal-stdout", |linker| {
        cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:cli/terminal-stderr", |linker| {
        cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, CallState::cli)
    }),
    interface("wasi:filesystem/types", |linker| {
        filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, CallState::filesystem)
    }),
    interface("wasi:filesystem/preopens", |linker| {
        filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, CallState::filesystem)
    }),
];

/// What a call has of WASI, made when it first asks for some of it.
#[derive(Default)]
pub(crate) struct Wasi {
    context: Option<Box<WasiCtx>>,
    lines: Lines,
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // An exhausted budget ends the call at the policy's next call of an interface that can say so, or at its deadline.
        let _ = self.count();
        self.write_out(false);
        if self.wasi.context.is_none() {
            let context = context(self);
            self.table.set_max_capacity(RESOURCES);
            self.wasi.context = Some(Box::new(context));
        }
        let context = self.wasi.context.get_or_insert_with(|| Box::new(WasiCtx::builder().build()));
        WasiCtxView { ctx: context, table: &mut self.table }
    }
}

impl CallState {
    /// Puts what was written to standard streams into the log; the last line, too, when the call is at its `end`.
    pub(crate) fn write_out(&self, end: bool) {
        for (level, line) in self.wasi.lines.take(end) {
            self.write_line(level, &line);
        }
    }
}

fn context(state: &CallState) -> WasiCtx {
    let grants = &state.active.grants;
    let mut builder = WasiCtxBuilder::new();
    builder.max_random_size(RANDOM_BYTES);
    state.wasi.lines.attach(&mut builder, state);
    clocks::attach(&mut builder, &state.tape);
    if grants.permits(Verb::WasiRandom, "") {
        let seed = state.tape.observe("wasi:random/random.seed", || hex(&rand::random::<[u8; 32]>()));
        let mut seeds = StdRng::from_seed(seed.ok().and_then(|seed| unhex(&seed)).unwrap_or_default());
        builder
            .insecure_random(StdRng::from_rng(&mut seeds))
            .insecure_random_seed(u128::from_le_bytes(part(&mut seeds)));
        builder.secure_random(seeds);
    }
    for (directory, writable) in grants.directories() {
        let perms = if writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        if let Err(error) = builder.preopened_dir(&directory, directory.as_str(), perms) {
            let policy = state.policy();
            tracing::warn!(policy, "policy '{policy}' cannot be given '{directory}': {error:#}");
        }
    }
    builder.build()
}

fn part(generator: &mut StdRng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rand::Rng::fill_bytes(generator, &mut bytes);
    bytes
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Refuses grants of what is no directory, or is reached through a link that could point elsewhere tomorrow.
pub(crate) fn check_directories(policy: &str, grants: &Grants) -> Result<(), LoadError> {
    for (path, _) in grants.directories() {
        let refused =
            |reason: String| LoadError::Directory { policy: policy.to_owned(), path: path.clone(), reason };
        let real = Path::new(&path).canonicalize().map_err(|error| refused(error.to_string()))?;
        if real != Path::new(&path) {
            return Err(refused(format!("it is a link to '{}', grant that", real.display())));
        }
        if !real.is_dir() {
            return Err(refused("it is no directory".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{hex, unhex};

    #[test]
    fn a_seed_survives_the_tape() {
        let seed: [u8; 32] = rand::random();
        assert_eq!(unhex(&hex(&seed)), Some(seed));
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"zz".repeat(32)), None);
    }
}
