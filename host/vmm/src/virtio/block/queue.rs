//! The block device's thread: requests from the queue, transfers to the engine, results back.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use virtio_bindings::virtio_blk::{VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP};
use vm_memory::Bytes;
use vmm_sys_util::epoll::EventSet;

use super::disk::{Disk, SECTOR};
use super::engine::{Direction, Engine, Transfer};
use super::metrics::BlockMetrics;
use super::request::{Operation, Range, Request};
use super::trouble::{Trouble, Verdict};
use super::waiting::Waiting;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const QUEUE: u64 = 0;
const ENGINE: u64 = 1;
/// Those of requests that wait are 2 and 3.
const GO_ON: u64 = 4;
const ID_LENGTH: usize = 20;
/// No image moves more bytes than a cluster when a part of them is written, and has no larger ones.
const CLUSTER: u64 = 2 << 20;
/// The kernel takes no longer buffer lists.
const MAX_BUFFERS: usize = libc::UIO_MAXIOV as usize;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    Ok = VIRTIO_BLK_S_OK as u8,
    Error = VIRTIO_BLK_S_IOERR as u8,
    Unsupported = VIRTIO_BLK_S_UNSUPP as u8,
}

/// What became of a request that was started.
enum Started {
    Done(Status, u32),
    Later(Transfer),
    /// It failed, and the machine is to stand still.
    Held,
}

struct InFlight {
    request: Request,
    length: u32,
    transfer: Transfer,
    begun: Instant,
}

/// Owns the queue while the device runs.
pub(super) struct BlockHandler {
    pub queue: DeviceQueue,
    pub engine: Engine,
    disk: Arc<Disk>,
    memory: Memory,
    metrics: Arc<BlockMetrics>,
    /// Requests in the engine; a token is the position.
    in_flight: Vec<Option<InFlight>>,
    free: Vec<usize>,
    /// Requests that limits hold back.
    waiting: Waiting,
    /// Requests that failed, to be made once more when the machine runs again; until then no other one is begun.
    pub held: VecDeque<Request>,
    trouble: Arc<Trouble>,
    /// Something was handed back since the driver was last told.
    unreported: bool,
    /// The driver was asked to notify of requests.
    resting: bool,
}

impl BlockHandler {
    pub(super) fn new(
        queue: DeviceQueue,
        engine: Engine,
        disk: Arc<Disk>,
        memory: Memory,
        metrics: Arc<BlockMetrics>,
        waiting: Waiting,
        trouble: Arc<Trouble>,
    ) -> Self {
        let depth = usize::from(queue.size());
        let in_flight = (0..depth).map(|_| None).collect();
        Self {
            queue,
            engine,
            disk,
            memory,
            metrics,
            in_flight,
            free: (0..depth).collect(),
            waiting,
            held: VecDeque::new(),
            trouble,
            unreported: false,
            resting: false,
        }
    }

    /// Takes requests while there are some and room for them, at most a ring full before other events get their turn. How many it were.
    fn take_requests(&mut self) -> Result<u16, QueueError> {
        let mut taken = 0;
        if self.resting {
            self.resting = false;
            self.queue.disable_notification(&self.memory)?;
        }
        while taken < self.queue.size()
            && self.may_take()
            && let Some(chain) = self.queue.pop(&self.memory)?
        {
            taken += 1;
            let request = Request::parse(chain, &self.memory, self.queue.index())?;
            if let Some(request) = self.waiting.admit(request) {
                self.start(request)?;
            }
        }
        self.submit()?;
        Ok(taken)
    }

    /// Whether a request can be begun, or wait for its turn, now. Where not, something else happens first.
    fn may_take(&self) -> bool {
        self.held.is_empty() && self.has_room()
    }

    /// True while one more request can be in the engine or wait for its turn.
    fn has_room(&self) -> bool {
        self.free.len() > self.waiting.len()
    }

    /// Starts what has waited long enough.
    fn start_due(&mut self) -> Result<(), QueueError> {
        while self.held.is_empty()
            && let Some(request) = self.waiting.due()
        {
            self.start(request)?;
        }
        self.submit()
    }

    /// Makes requests once more that failed before the machine stood still.
    fn make_again(&mut self) -> Result<(), QueueError> {
        for request in std::mem::take(&mut self.held) {
            match self.held.is_empty() {
                true => self.start(request)?,
                // One of them failed again.
                false => self.held.push_back(request),
            }
        }
        self.start_due()
    }

    /// What becomes of a request that failed.
    fn judge(&self, is_read: bool, error: &io::Error) -> Verdict {
        let verdict = Verdict::new(self.disk.options().errors, is_read, error);
        if verdict == Verdict::Stop {
            BlockMetrics::add(&self.metrics.errors, 1);
            self.trouble.stop(error);
        }
        verdict
    }

    fn start(&mut self, mut request: Request) -> Result<(), QueueError> {
        let length = request.data.len();
        match self.begin(&mut request)? {
            Started::Done(status, written) => self.finish(&request, status, written),
            Started::Held => {
                self.held.push_back(request);
                Ok(())
            }
            Started::Later(transfer) => {
                let token = self.free.pop().expect("requests are taken only while there is room");
                self.in_flight[token] = Some(InFlight { request, length, transfer, begun: Instant::now() });
                self.go_on(token)
            }
        }
    }

    /// Does what can be done at once and prepares the transfer of the rest.
    fn begin(&mut self, request: &mut Request) -> Result<Started, QueueError> {
        let options = self.disk.options();
        let done = |status| Ok(Started::Done(status, 0));
        match request.operation {
            Operation::Read => self.begin_transfer(request, Direction::Read),
            Operation::Write | Operation::WriteZeroes | Operation::Discard if options.readonly => {
                done(Status::Error)
            }
            Operation::Write => self.begin_transfer(request, Direction::Write),
            Operation::Flush if !self.disk.flushes() => done(Status::Ok),
            Operation::Flush => Ok(self.begin_flush()),
            Operation::Id => {
                let mut id = [0; ID_LENGTH];
                let serial = options.serial.bytes();
                id.iter_mut().zip(serial).for_each(|(target, byte)| *target = byte);
                let written = request.data.write(&self.memory, &id);
                Ok(Started::Done(Status::Ok, written as u32))
            }
            Operation::Discard if !options.discard => done(Status::Unsupported),
            Operation::Discard | Operation::WriteZeroes => {
                let whole = request.data.clone();
                match request.ranges(&self.memory) {
                    Some(ranges) => {
                        let cleared = self.clear(request.operation, &ranges)?;
                        if matches!(cleared, Started::Held) {
                            request.data = whole;
                        }
                        Ok(cleared)
                    }
                    None => done(Status::Unsupported),
                }
            }
            Operation::Unknown => done(Status::Unsupported),
        }
    }

    /// An image that has references to write orders them; everything else is one order to the kernel, and others go on meanwhile.
    fn begin_flush(&self) -> Started {
        let begun = Instant::now();
        let Some(flushed) = self.disk.flush_image() else {
            let place = self.disk.in_file(0);
            return Started::Later(Transfer { direction: Direction::Flush, place, buffers: Vec::new() });
        };
        match flushed.map_err(|error| self.judge(false, &error)) {
            Err(Verdict::Report) => Started::Done(Status::Error, 0),
            Err(Verdict::Stop) => Started::Held,
            Ok(()) | Err(Verdict::Ignore) => {
                self.count(Direction::Flush, 0, begun);
                Started::Done(Status::Ok, 0)
            }
        }
    }

    fn begin_transfer(&mut self, request: &mut Request, direction: Direction) -> Result<Started, QueueError> {
        let length = u64::from(request.data.len());
        let range = request.sector.checked_mul(SECTOR).filter(|offset| self.contains(*offset, length));
        let Some(offset) = range.filter(|offset| self.is_whole(*offset, length)) else {
            return Ok(Started::Done(Status::Error, 0));
        };
        let buffers = request.data.iovecs(&self.memory);
        if buffers.is_empty() {
            return Ok(Started::Done(Status::Ok, 0));
        }
        if buffers.len() <= MAX_BUFFERS
            && let Some(place) = self.disk.place_of(direction, &buffers, offset, length)
        {
            return Ok(Started::Later(Transfer { direction, place, buffers }));
        }
        if self.disk.bounces_alone() || direction == Direction::Write && self.reads_from(offset, length) {
            self.settle()?;
        }
        let begun = Instant::now();
        let whole = request.data.clone();
        let data = &mut request.data;
        let memory = &self.memory;
        let (result, written) = if direction == Direction::Read {
            let taken = self.disk.read_around(offset, length, |bytes| {
                data.write(memory, bytes);
            });
            (taken, length as u32)
        } else {
            let filled = self.disk.write_around(offset, length, |bytes| {
                data.read(memory, bytes);
            });
            (filled, 0)
        };
        Ok(match result {
            Ok(()) => {
                self.count(direction, length, begun);
                Started::Done(Status::Ok, written)
            }
            Err(error) => match self.judge(direction == Direction::Read, &error) {
                Verdict::Report => Started::Done(Status::Error, 0),
                Verdict::Ignore => Started::Done(Status::Ok, written),
                Verdict::Stop => {
                    request.data = whole;
                    Started::Held
                }
            },
        })
    }

    /// Whether a read of the clusters of these bytes is in flight, from where they may not be any more when some of it is written.
    fn reads_from(&self, offset: u64, length: u64) -> bool {
        let clusters = |start: u64, length: u64| (start / CLUSTER, (start + length).div_ceil(CLUSTER));
        let (first, end) = clusters(offset, length);
        let is_of_these = |flight: &InFlight| {
            let start = flight.request.sector.saturating_mul(SECTOR);
            let (its_first, its_end) = clusters(start, u64::from(flight.length));
            its_first < end && first < its_end
        };
        self.in_flight.iter().flatten().any(is_of_these)
    }

    /// DISCARD and WRITE_ZEROES. Transfers in flight are waited for, so that none of them lands on a freed block.
    fn clear(&mut self, operation: Operation, ranges: &[Range]) -> Result<Started, QueueError> {
        let done = |status| Ok(Started::Done(status, 0));
        let possible = |range: &Range| {
            self.contains(range.offset, range.length) && self.is_whole(range.offset, range.length)
        };
        if !ranges.iter().all(possible) {
            return done(Status::Error);
        }
        self.settle()?;
        for range in ranges.iter().filter(|range| range.length > 0) {
            let may_free = range.unmap && self.disk.options().discard && self.disk.frees_to_zeros();
            let free = operation == Operation::Discard || may_free;
            let punched = if free { self.disk.punch(range.offset, range.length) } else { Ok(()) };
            let result = match punched {
                Ok(()) if free => Ok(()),
                Err(error) if operation == Operation::Discard => Err(error),
                _ => self.disk.zero(range.offset, range.length),
            };
            match result {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                    return done(Status::Unsupported);
                }
                Err(error) => match self.judge(false, &error) {
                    Verdict::Report => return done(Status::Error),
                    Verdict::Ignore => {}
                    Verdict::Stop => return Ok(Started::Held),
                },
            }
        }
        done(Status::Ok)
    }

    /// Whether a range is whole blocks as the guest was told of them.
    fn is_whole(&self, offset: u64, length: u64) -> bool {
        let granule = self.disk.granule();
        offset.is_multiple_of(granule) && length.is_multiple_of(granule)
    }

    fn contains(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.disk.capacity())
    }

    /// Gives the transfer of `token`, or what is left of it, to the engine.
    fn go_on(&mut self, token: usize) -> Result<(), QueueError> {
        loop {
            let Some(flight) = &self.in_flight[token] else { return Ok(()) };
            let Some(result) = self.engine.start(&self.disk, token as u64, &flight.transfer) else {
                return Ok(());
            };
            if self.completed(token, result)? {
                return Ok(());
            }
        }
    }

    /// Takes a result of the engine. False when the transfer was cut short and must go on.
    fn completed(&mut self, token: usize, result: io::Result<usize>) -> Result<bool, QueueError> {
        let Some(Some(flight)) = self.in_flight.get_mut(token) else { return Ok(true) };
        let direction = flight.transfer.direction;
        let error = match result {
            Ok(0) if direction != Direction::Flush => Some(io::ErrorKind::UnexpectedEof.into()),
            Ok(done) => {
                flight.transfer.advance(done);
                if !flight.transfer.buffers.is_empty() {
                    return Ok(false);
                }
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => Some(error),
        };
        let Some(InFlight { request, length, begun, .. }) = self.in_flight[token].take() else {
            return Ok(true);
        };
        self.free.push(token);
        // Both also after an error: part of the data may be there.
        match direction {
            Direction::Read => request.data.note_written(&self.memory),
            Direction::Write => {
                self.disk.written().note(request.sector.saturating_mul(SECTOR), u64::from(length));
            }
            Direction::Flush => {}
        }
        let verdict = error.map(|error| self.judge(direction == Direction::Read, &error));
        let status = match verdict {
            Some(Verdict::Stop) => {
                self.held.push_back(request);
                return Ok(true);
            }
            Some(Verdict::Report) => Status::Error,
            Some(Verdict::Ignore) | None => Status::Ok,
        };
        let ok = status == Status::Ok;
        if ok {
            self.count(direction, u64::from(length), begun);
        }
        let written = if ok && direction == Direction::Read { length } else { 0 };
        self.finish(&request, status, written)?;
        Ok(true)
    }

    fn count(&self, direction: Direction, length: u64, begun: Instant) {
        let metrics = &self.metrics;
        let (requests, time) = match direction {
            Direction::Read => {
                BlockMetrics::add(&metrics.read_bytes, length);
                (&metrics.read_requests, &metrics.read_time_ns)
            }
            Direction::Write => {
                BlockMetrics::add(&metrics.write_bytes, length);
                (&metrics.write_requests, &metrics.write_time_ns)
            }
            Direction::Flush => (&metrics.flush_requests, &metrics.flush_time_ns),
        };
        BlockMetrics::add(requests, 1);
        BlockMetrics::add(time, u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    /// Hands a request back with its status.
    fn finish(&mut self, request: &Request, status: Status, written: u32) -> Result<(), QueueError> {
        if status != Status::Ok {
            BlockMetrics::add(&self.metrics.errors, 1);
        }
        self.memory
            .write_obj(status as u8, request.status)
            .expect("the status byte was checked to be guest memory");
        self.unreported = true;
        self.queue.complete(&self.memory, request.head, written + 1)
    }

    /// Hands started transfers to the kernel. When it refuses, what is in flight waits for the next attempt.
    fn submit(&mut self) -> Result<(), QueueError> {
        while let Err(error) = self.engine.submit() {
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // The kernel has no room for more until completions are taken; another round tries again.
                _ => {
                    self.queue.kick();
                    return self.take_completions();
                }
            }
        }
        Ok(())
    }

    /// Takes every completion there is, also after one that the queue did not take; returns the first error.
    fn take_completions(&mut self) -> Result<(), QueueError> {
        let (mut outcome, mut goes_on) = (Ok(()), false);
        while let Some((token, result)) = self.engine.completion() {
            let token = token as usize;
            let taken = match self.completed(token, result) {
                Ok(false) => {
                    goes_on = true;
                    self.go_on(token)
                }
                Ok(true) => Ok(()),
                Err(error) => Err(error),
            };
            outcome = outcome.and(taken);
        }
        // Whoever only looked hands nothing else to the kernel. When that refuses, another round tries again.
        if goes_on && self.engine.submit().is_err() {
            self.queue.kick();
        }
        outcome
    }

    /// Waits until nothing is in flight.
    fn settle(&mut self) -> Result<(), QueueError> {
        while self.free.len() < self.in_flight.len() {
            // An error leaves the completions that are there; the next round waits again.
            let _ = self.engine.wait();
            self.take_completions()?;
        }
        Ok(())
    }

    fn notify(&mut self) -> Result<(), QueueError> {
        if std::mem::take(&mut self.unreported) { self.queue.notify(&self.memory) } else { Ok(()) }
    }
}

impl Handler for BlockHandler {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        self.waiting.register(poll)?;
        poll.add(self.trouble.event().as_raw_fd(), EventSet::IN, GO_ON)?;
        poll.add(self.queue.event().as_raw_fd(), EventSet::IN, QUEUE)?;
        match self.engine.descriptor() {
            Some(descriptor) => poll.add(descriptor, EventSet::IN, ENGINE),
            None => Ok(()),
        }
    }

    fn handle(&mut self, token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        if token == QUEUE {
            drain(self.queue.event());
        } else if token == GO_ON {
            drain(self.trouble.event());
            self.make_again()?;
        } else if self.waiting.takes(token) {
            self.start_due()?;
        } else {
            self.take_completions()?;
        }
        self.take_requests()?;
        self.notify()
    }

    fn can_look(&self) -> bool {
        true
    }

    fn look(&mut self) -> Result<bool, QueueError> {
        let free = self.free.len();
        self.take_completions()?;
        let ended = self.free.len() != free;
        let began = self.may_take() && self.queue.has_pending(&self.memory) && self.take_requests()? > 0;
        self.notify()?;
        Ok(ended || began)
    }

    /// A driver whose requests can't be taken need not notify of them.
    fn rest(&mut self) -> Result<bool, QueueError> {
        if self.resting || !self.may_take() {
            return Ok(false);
        }
        self.resting = true;
        self.queue.enable_notification(&self.memory)
    }

    fn quiesce(&mut self) {
        // Who waits for this waits for no limit.
        for request in self.waiting.take_all() {
            // An error is the queue's, which is looked at below.
            let _ = self.start(request);
        }
        let _ = self.submit();
        // A queue that cannot take results any more is one the driver broke; the transfers themselves are waited for.
        while self.settle().is_err() {}
        // What can't be made to last is in the file all the same; a flush of the guest would have been told.
        let _ = self.disk.put_down();
        let _ = self.notify();
    }
}
