//! The daemon's end of a worker's control socket: many requests at once, answers by number, events as they come.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reeve_sys::process::Process;
use reeve_vmm::protocol::{
    self, Answer, Call, Decoder, ErrorCode, Event, Failure, Hello, Message, MigrationOrder, Request,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::driver::DriverError;

/// How long a worker may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take where it reads or fills all of a guest's memory, or waits for what the guest has its disks do.
const BULK: Duration = Duration::from_secs(3600);
/// Events that may wait for their reader.
const EVENTS: usize = 64;
/// How long the end of a process may follow the end of its connection.
const LAST_BREATH: Duration = Duration::from_secs(2);
/// Room for the descriptors of one frame.
const RIGHTS: usize = rustix::cmsg_space!(ScmRights(protocol::MAX_FDS));

type Outcome = Result<(Answer, Vec<OwnedFd>), DriverError>;

/// What a connection brings.
#[derive(Debug)]
pub(super) enum News {
    /// The worker says something.
    Event(Event),
    /// The connection ended; with how the process ended, where that is known. The last one.
    Gone(String),
}

/// A connection to a worker. The worker does not mind its end.
pub(super) struct Client {
    socket: Arc<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    sending: tokio::sync::Mutex<()>,
    news: Mutex<Option<mpsc::Receiver<News>>>,
    reader: tokio::task::JoinHandle<()>,
}

/// Requests without an answer; none once the connection has ended.
type Waiting = Option<HashMap<u64, oneshot::Sender<Outcome>>>;

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Client {
    /// Opens the conversation. Events from before it are not told again.
    pub async fn hello(
        stream: std::os::unix::net::UnixStream,
        process: Option<Arc<Process>>,
    ) -> Result<(Self, Hello), DriverError> {
        let broken = |error: io::Error| DriverError::Lost(format!("its socket can't be used: {error}"));
        stream.set_nonblocking(true).map_err(broken)?;
        let socket = Arc::new(UnixStream::from_std(stream).map_err(broken)?);
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (sender, news) = mpsc::channel(EVENTS);
        let reader = Reader { socket: socket.clone(), waiting: waiting.clone(), process, news: sender };
        let client = Self {
            socket,
            waiting,
            next: AtomicU64::new(1),
            sending: tokio::sync::Mutex::new(()),
            news: Mutex::new(Some(news)),
            reader: tokio::spawn(reader.run()),
        };
        let call = Call::Hello { version: protocol::VERSION, events_after: u64::MAX };
        match client.call(call, Vec::new()).await? {
            (Answer::Hello(hello), _) => Ok((client, *hello)),
            (other, _) => Err(DriverError::Worker(format!("its worker answers Hello with {other:?}"))),
        }
    }

    /// What the connection brings; once.
    pub fn news(&self) -> Option<mpsc::Receiver<News>> {
        lock(&self.news).take()
    }

    /// Asks for something that is answered with nothing.
    pub async fn ask(&self, call: Call) -> Result<(), DriverError> {
        self.call(call, Vec::new()).await.map(drop)
    }

    /// Asks for something, with descriptors that are closed here when they are sent.
    pub async fn call(&self, call: Call, fds: Vec<OwnedFd>) -> Outcome {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let what = describe(&call);
        let patience = patience(&call);
        let frame =
            protocol::encode(&Request { id, call }).map_err(|e| DriverError::Worker(e.to_string()))?;
        let (told, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(id, told),
            None => return Err(gone()),
        };
        let outcome = tokio::time::timeout(patience, async {
            self.send(&frame, &fds).await.map_err(|_| gone())?;
            drop(fds);
            answer.await.unwrap_or_else(|_| Err(gone()))
        });
        outcome.await.unwrap_or_else(|_| {
            if let Some(waiting) = &mut *lock(&self.waiting) {
                waiting.remove(&id);
            }
            Err(DriverError::Deadline { what, seconds: patience.as_secs() })
        })
    }

    /// Has something done after all that was asked for before, without waiting until it is.
    pub async fn post(&self, call: Call) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        if let Ok(frame) = protocol::encode(&Request { id, call }) {
            // One whose worker has gone is done with.
            let _ = tokio::time::timeout(PATIENCE, self.send(&frame, &[])).await;
        }
    }

    /// One frame at a time, the descriptors with its first byte.
    async fn send(&self, frame: &[u8], fds: &[OwnedFd]) -> io::Result<()> {
        let _turn = self.sending.lock().await;
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < frame.len() {
            let rights: &[BorrowedFd<'_>] = if sent == 0 { &fds } else { &[] };
            let rest = &frame[sent..];
            sent +=
                self.socket.async_io(Interest::WRITABLE, || send_some(&self.socket, rest, rights)).await?;
        }
        Ok(())
    }
}

/// How long a worker may take for an answer. An order whose time is over is carried out all the same when the worker comes to it: what can
/// take long has long, and only what changes nothing that anybody else relies on has to be quick.
fn patience(call: &Call) -> Duration {
    match call {
        // Memory is locked and filled at once where a document says so.
        Call::Launch { .. }
        | Call::Restore { .. }
        | Call::Reset
        | Call::Migrate { order: MigrationOrder::Receive { .. } }
        // These wait for transfers that are under way, or read and write images.
        | Call::Save
        | Call::Dump { .. }
        | Call::BlockJob { .. }
        | Call::AttachDevice { .. }
        | Call::DetachDevice { .. }
        | Call::ResizeDisk { .. }
        | Call::SwitchDisks { .. }
        | Call::ChangeMedium { .. }
        | Call::SnapshotDisks { .. }
        | Call::DropDiskSnapshots { .. } => BULK,
        _ => PATIENCE,
    }
}

fn send_some(stream: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); RIGHTS];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one frame"));
    }
    let flags = SendFlags::NOSIGNAL;
    Ok(rustix::net::sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, flags)?)
}

/// Reads frames until the connection ends.
struct Reader {
    socket: Arc<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    process: Option<Arc<Process>>,
    news: mpsc::Sender<News>,
}

impl Reader {
    async fn run(self) {
        let mut decoder = Decoder::new(protocol::MAX_ANSWER_FDS);
        let why = loop {
            match self.fill(&mut decoder).await {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
            if let Err(error) = self.deliver(&mut decoder).await {
                break Some(error);
            }
        };
        *lock(&self.waiting) = None;
        let end = self.last_breath().await;
        let sentence = match why {
            Some(error) => format!("{end}: {error}"),
            None => end,
        };
        // Nobody may be listening any more.
        let _ = self.news.send(News::Gone(sentence)).await;
    }

    async fn fill(&self, decoder: &mut Decoder) -> Result<bool, String> {
        let filled = self.socket.async_io(Interest::READABLE, || match decoder.fill(&*self.socket) {
            Ok(more) => Ok(Ok(more)),
            Err(protocol::FrameError::Socket(error)) => Err(error),
            Err(wrong) => Ok(Err(wrong)),
        });
        filled.await.map_err(|error| error.to_string())?.map_err(|wrong| wrong.to_string())
    }

    async fn deliver(&self, decoder: &mut Decoder) -> Result<(), String> {
        while let Some(frame) = decoder.next_frame().map_err(|error| error.to_string())? {
            match protocol::decode(&frame.body).map_err(|error| error.to_string())? {
                Message::Answer { id, result } => {
                    let waiting = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
                    if let Some(waiting) = waiting {
                        // The caller may have stopped waiting.
                        let _ = waiting.send(result.map(|answer| (answer, frame.fds)).map_err(refused));
                    }
                }
                Message::Event { event, .. } => {
                    if self.news.send(News::Event(event)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// How the process ended; it may take a moment longer than its socket.
    async fn last_breath(&self) -> String {
        let Some(process) = &self.process else {
            return "its worker closed the connection".to_owned();
        };
        let ended = tokio::time::timeout(LAST_BREATH, ended(process)).await;
        match (ended, process.reap()) {
            (Ok(()), Some(exit)) => format!("its worker (pid {}) ended by {exit}", process.pid()),
            (Ok(()), None) => format!("its worker (pid {}) ended", process.pid()),
            (Err(_), _) => format!("its worker (pid {}) closed the connection", process.pid()),
        }
    }
}

/// Waits for the end of a process.
#[expect(deprecated, reason = "what follows `with_interest` is unsafe; a pidfd upholds what it asks for")]
pub(super) async fn ended(process: &Process) {
    if let Ok(pidfd) = process.pidfd().try_clone_to_owned()
        && let Ok(pidfd) = AsyncFd::with_interest(pidfd, Interest::READABLE)
    {
        // It can only fail when the runtime ends.
        let _ = pidfd.readable().await;
    }
}

pub(super) fn refused(failure: Failure) -> DriverError {
    match failure.code {
        ErrorCode::Unsupported | ErrorCode::NotFound => DriverError::Unsupported(failure.message),
        ErrorCode::Config | ErrorCode::Kernel | ErrorCode::Image => DriverError::Rejected(failure.message),
        // What is going on in the machine does not let it do this: nothing is broken.
        ErrorCode::State => DriverError::NotNow(failure.message),
        ErrorCode::BadRequest | ErrorCode::Version | ErrorCode::Host => DriverError::Worker(failure.message),
    }
}

fn gone() -> DriverError {
    DriverError::Lost("its worker closed the connection".to_owned())
}

fn describe(call: &Call) -> &'static str {
    match call {
        Call::Hello { .. } => "a greeting",
        Call::Launch { .. } => "a launch",
        Call::Restore { .. } => "a restore",
        Call::Save => "a save",
        Call::Dump { .. } => "a dump",
        Call::SaveStatus => "a question for its save",
        Call::CancelSave => "the end of a save",
        Call::Pause => "a pause",
        Call::Resume => "a resume",
        Call::Reset => "a reset",
        Call::PowerButton => "the power button",
        Call::Wake => "a wake-up",
        Call::Quit => "a request to end",
        Call::Status => "a question for its state",
        Call::Config => "a question for its configuration",
        Call::Migrate { .. } => "a migration",
        Call::Stats => "a question for its counters",
        Call::SetBalloon { .. } => "a balloon target",
        Call::SetStatsPeriod { .. } => "a period of statistics",
        Call::InjectNmi => "an interrupt",
        Call::SetVcpus { .. } => "another number of vCPUs",
        Call::AddIothread { .. } => "a new I/O thread",
        Call::RemoveIothread { .. } => "the end of an I/O thread",
        Call::RequestMemory { .. } => "memory to plug",
        Call::OpenConsole { .. } => "a request for a console",
        Call::OpenChannel { .. } => "a request for a channel",
        Call::AttachDevice { .. } => "a new device",
        Call::DetachDevice { .. } => "the removal of a device",
        Call::ResizeDisk { .. } => "a new size of a disk",
        Call::LimitDisk { .. } => "other limits of a disk",
        Call::SwitchDisks { .. } => "a change of images",
        Call::ChangeMedium { .. } => "another medium",
        Call::SnapshotDisks { .. } => "a snapshot",
        Call::DropDiskSnapshots { .. } => "the removal of a snapshot",
        Call::SetLink { .. } => "a change of a link",
        Call::AnswerDial { .. } => "a connection of its guest",
        Call::BlockJob { .. } => "a block job",
        Call::BlockJobs => "a question for its block jobs",
        Call::Release => "its release",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use reeve_vmm::protocol::BlockJobOrder;

    use super::*;

    #[test]
    fn what_may_wait_for_slow_disks_or_much_memory_has_long() {
        let job = Call::BlockJob { alias: "virtio-disk0".to_owned(), order: BlockJobOrder::Pivot };
        let orders = [Call::Save, Call::Dump { live: true }, Call::Reset, job];
        assert!(orders.iter().all(|call| patience(call) == BULK));
        assert!([Call::Stats, Call::Pause, Call::CancelSave].iter().all(|call| patience(call) == PATIENCE));
    }

    #[tokio::test]
    async fn a_worker_that_heaps_descriptors_on_a_frame_is_given_up() {
        let (ours, worker) = std::os::unix::net::UnixStream::pair().unwrap();
        worker.set_nonblocking(true).unwrap();
        let worker = UnixStream::from_std(worker).unwrap();
        let file = tempfile::tempfile().unwrap();
        // It says that 1 MiB follows, and sends a byte of it.
        send_some(&worker, &[0, 0, 16, 0, b'"'], &[file.as_fd(), file.as_fd()]).unwrap();
        let error = Client::hello(ours, None).await.map(drop).unwrap_err();
        assert!(matches!(error, DriverError::Lost(_)), "{error}");
    }
}
