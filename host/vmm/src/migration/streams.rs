//! Streams beside the first one of a migration, each with a thread of its own.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use reeve_migrate::{Controls, ReceiveStreams, SendStreams};
use uuid::Uuid;

use super::guests::{ArrivingPages, LeavingPages};
use super::stream::SILENCE;
use crate::sandbox::{self, ThreadRole};

/// How long a destination waits for a stream that its source speaks of. The source takes silence for longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The streams beside the first one, by which way memory goes over them.
pub(super) enum Way {
    /// To the other host.
    Out { streams: Arc<SendStreams>, migration: Uuid, pages: LeavingPages, controls: Arc<Controls> },
    /// From the other host.
    In { streams: Arc<ReceiveStreams>, pages: ArrivingPages },
    /// Post-copy that goes on has one stream.
    Never,
}

/// All of them, so that they end with the migration.
pub(super) struct Beside {
    way: Way,
    open: Vec<UnixStream>,
}

impl Beside {
    pub fn new(way: Way) -> Self {
        Self { way, open: Vec::new() }
    }

    /// Takes one stream more.
    pub fn add(&mut self, stream: OwnedFd) -> io::Result<()> {
        let too_many = || io::Error::other("there are as many streams as there can be");
        let stream = UnixStream::from(stream);
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(SILENCE))?;
        let ours = stream.try_clone()?;
        match &self.way {
            Way::Out { streams, migration, pages, controls } => {
                stream.set_read_timeout(Some(SILENCE))?;
                let ticket = streams.add().ok_or_else(too_many)?;
                let (migration, pages, controls) = (*migration, pages.clone(), Arc::clone(controls));
                sandbox::spawn("migration", ThreadRole::Migration, move || {
                    ticket.run(&stream, migration, &pages, &controls);
                    end(&stream);
                })?;
            }
            Way::In { streams, pages } => {
                // It may have nothing to say for long; who waits for it has patience of its own.
                stream.set_read_timeout(None)?;
                let ticket = streams.add().ok_or_else(too_many)?;
                let pages = pages.clone();
                sandbox::spawn("migration", ThreadRole::Migration, move || {
                    ticket.run(&stream, &pages);
                    end(&stream);
                })?;
            }
            Way::Never => return Err(too_many()),
        }
        self.open.push(ours);
        Ok(())
    }

    /// Breaks all of them: their threads end.
    pub fn interrupt(&self) {
        self.open.iter().for_each(end);
    }
}

fn end(stream: &UnixStream) {
    // One that is broken already is what is wanted.
    let _ = stream.shutdown(Shutdown::Both);
}
