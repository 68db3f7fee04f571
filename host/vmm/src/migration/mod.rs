//! Migrations in a worker: a thread of their own speaks with the other side, and asks the event loop by [`Mailbox`] for all that
//! touches the machine. So there is one thread that changes the machine, and none that waits for the network and does.

mod guests;
mod late;
mod mailbox;
mod stream;
mod streams;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use reeve_migrate::{
    Capabilities, Controls, Limits, Offer, PreCopy, ReceiveStreams, SendStreams, Steered, Subject,
    TargetGuest as _,
};
use uuid::Uuid;

use crate::memory::Memory;
use crate::protocol::MigrationLimits;
use crate::sandbox::{self, ThreadRole};
use crate::virtio::block::{ArrivingDisk, LeavingDisk};
use guests::{Arriving, Daemon, Leaving, LeavingPages};
pub(crate) use late::{Faults, LatePages};
pub(crate) use mailbox::{Ask, Letter, Mailbox, Reply};
use stream::Stream;
use streams::{Beside, PATIENCE, Way};

/// A migration that runs.
pub(crate) struct Job {
    controls: Arc<Controls>,
    stream: UnixStream,
    beside: Beside,
}

/// Streams that memory goes over.
pub(crate) struct Streams {
    /// The one that everything else goes over too.
    pub first: OwnedFd,
    /// Those beside it, from the beginning on.
    pub beside: Vec<OwnedFd>,
    /// Most of all of them.
    pub most: u16,
}

impl Job {
    /// Starts to move a guest away; steered by the daemon, or by the worker's own strategy.
    pub fn send(
        migration: Uuid,
        name: &str,
        streams: Streams,
        limits: (MigrationLimits, bool),
        guest: (Memory, Vec<LeavingDisk>),
        mailbox: &Arc<Mailbox>,
    ) -> io::Result<Self> {
        let sending = SendStreams::new();
        let begun = Self::send_over(&sending, migration, name, streams, limits, guest, mailbox);
        // Those that have begun wait for rounds, not for their connections.
        begun.inspect_err(|_| sending.end())
    }

    fn send_over(
        sending: &Arc<SendStreams>,
        migration: Uuid,
        name: &str,
        streams: Streams,
        (limits, steered): (MigrationLimits, bool),
        (memory, disks): (Memory, Vec<LeavingDisk>),
        mailbox: &Arc<Mailbox>,
    ) -> io::Result<Self> {
        let Streams { first, beside, most } = streams;
        let (mut job, mut stream) = Self::new(first, limits_of(&limits))?;
        let controls = Arc::clone(&job.controls);
        let sending = Arc::clone(sending);
        let (pages, streams) = (LeavingPages(memory.clone()), Arc::clone(&sending));
        job.beside = Beside::new(Way::Out { streams, migration, pages, controls: Arc::clone(&controls) });
        job.add_streams(beside)?;
        let mut guest = Leaving::new(Arc::clone(mailbox), memory, disks);
        let subject = Subject { name: name.to_owned(), memory: guest.bytes() };
        let capabilities = within(Capabilities::OURS, most);
        let offer = Offer { migration, capabilities, subject };
        let mailbox = Arc::clone(mailbox);
        let mut own = PreCopy::new(Duration::from_micros(limits.max_downtime_us));
        own.compress = limits.compress;
        own.converge = limits.max_throttle > 0;
        let adviser = steered.then(|| Daemon::new(Arc::clone(&mailbox)));
        let mut strategy = Steered::new(adviser, own);
        sandbox::spawn("migration", ThreadRole::Migration, move || {
            let sent =
                reeve_migrate::send(&mut stream, &sending, &offer, &mut guest, &mut strategy, &controls);
            mailbox.tell(Ask::Sent(sent));
        })?;
        Ok(job)
    }

    /// Starts to take a guest in.
    pub fn receive(
        migration: Uuid,
        (stream, most): (OwnedFd, u16),
        (memory, disks): (Memory, Vec<ArrivingDisk>),
        late: Option<Arc<LatePages>>,
        mailbox: &Arc<Mailbox>,
    ) -> io::Result<Self> {
        let (mut job, mut stream) = Self::new(stream, Limits::default())?;
        let capabilities = within(Capabilities { post_copy: late.is_some(), ..Capabilities::OURS }, most);
        let mut guest = Arriving::new(Arc::clone(mailbox), memory, late, disks);
        let coming = ReceiveStreams::new(migration, guest.memory(), capabilities.streams, PATIENCE);
        job.beside = Beside::new(Way::In { streams: Arc::clone(&coming), pages: guest.shared() });
        let mailbox = Arc::clone(mailbox);
        sandbox::spawn("migration", ThreadRole::Migration, move || {
            let received = reeve_migrate::receive(&mut stream, &coming, migration, capabilities, &mut guest);
            mailbox.tell(Ask::Received(received));
        })?;
        Ok(job)
    }

    /// Goes on to give the pages of a guest to the destination that runs it.
    pub fn send_rest(
        migration: Uuid,
        stream: OwnedFd,
        limits: MigrationLimits,
        memory: Memory,
        mailbox: &Arc<Mailbox>,
    ) -> io::Result<Self> {
        let (job, stream) = Self::new(stream, limits_of(&limits))?;
        let controls = Arc::clone(&job.controls);
        let mut guest = Leaving::new(Arc::clone(mailbox), memory, Vec::new());
        let subject = Subject { name: String::new(), memory: guest.bytes() };
        let offer = Offer { migration, capabilities: Capabilities::OURS, subject };
        let mailbox = Arc::clone(mailbox);
        sandbox::spawn("migration", ThreadRole::Migration, move || {
            let sent = reeve_migrate::send_rest(stream, &offer, &mut guest, &controls);
            mailbox.tell(Ask::Sent(Ok(sent)));
        })?;
        Ok(job)
    }

    /// Goes on to take the missing pages of a guest that runs here.
    pub fn receive_rest(
        migration: Uuid,
        stream: OwnedFd,
        memory: Memory,
        late: Arc<LatePages>,
        mailbox: &Arc<Mailbox>,
    ) -> io::Result<Self> {
        let (job, stream) = Self::new(stream, Limits::default())?;
        let mut guest = Arriving::new(Arc::clone(mailbox), memory, Some(late), Vec::new());
        let mailbox = Arc::clone(mailbox);
        sandbox::spawn("migration", ThreadRole::Migration, move || {
            let received = reeve_migrate::receive_rest(stream, migration, &mut guest);
            mailbox.tell(Ask::Received(Ok(received)));
        })?;
        Ok(job)
    }

    fn new(stream: OwnedFd, limits: Limits) -> io::Result<(Self, Stream)> {
        // Whatever kind of stream socket it is, reading and writing are the same.
        let stream = UnixStream::from(stream);
        let ours = stream.try_clone()?;
        let controls = Arc::new(Controls::new(limits));
        let stream = Stream::new(stream, Arc::clone(&controls))?;
        let beside = Beside::new(Way::Never);
        Ok((Self { controls, stream: ours, beside }, stream))
    }

    /// Takes more streams beside the first one.
    pub fn add_streams(&mut self, streams: Vec<OwnedFd>) -> io::Result<()> {
        streams.into_iter().try_for_each(|stream| self.beside.add(stream))
    }

    /// Other limits from now on.
    pub fn limit(&self, limits: &MigrationLimits) {
        self.controls.set(|now| *now = limits_of(limits));
    }

    /// Stops the guest at once.
    pub fn stop_now(&self) {
        self.controls.stop_now();
    }

    /// Lets the guest go on at the destination; an error says why it can't.
    pub fn switch_now(&self) -> Result<(), &'static str> {
        self.controls.switch_to_post_copy()
    }

    /// Breaks the stream.
    pub fn interrupt(&self) {
        // One that is broken already is what is wanted.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Ends it before the point of no return.
    pub fn abort(&self, reason: &str) {
        self.controls.abort(reason);
    }

    /// Why it ends, where somebody ended it.
    pub fn aborted(&self) -> Option<String> {
        self.controls.aborted()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // The thread may wait for the other side, which may wait for this one.
        self.interrupt();
        self.beside.interrupt();
    }
}

/// No more streams than the operator of this host allows.
fn within(capabilities: Capabilities, most: u16) -> Capabilities {
    Capabilities { streams: capabilities.streams.min(most.max(1)), ..capabilities }
}

fn limits_of(limits: &MigrationLimits) -> Limits {
    Limits {
        max_downtime: Duration::from_micros(limits.max_downtime_us),
        bandwidth: limits.bandwidth,
        max_throttle: limits.max_throttle.min(99),
        max_rounds: limits.max_rounds,
        post_copy: limits.post_copy,
        post_copy_after: limits.post_copy_after,
        post_copy_bandwidth: limits.post_copy_bandwidth,
    }
}
