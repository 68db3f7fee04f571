//! The conversation with who serves the directory: vhost-user, of which it is the back-end and this is the front-end.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use std::{io, thread};

use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost::vhost_user::{Frontend, VhostUserFrontend as _};
use vhost::{VhostBackend as _, VhostUserMemoryRegionInfo, VringConfigData};
use virtio_queue::QueueT;
use vm_memory::{GuestAddress, GuestMemoryBackend};
use vmm_sys_util::eventfd::EventFd;

use crate::virtio::Memory;
use crate::virtio::queue::DeviceQueue;
use crate::virtio::transport::TRANSPORT_FEATURES;

/// How long who serves the directory may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why a directory is not served.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// It can't be talked to.
    #[error("who serves the directory does not answer as it should: {0}")]
    Conversation(#[from] vhost::Error),
    /// It can't do what the device is to offer.
    #[error("who serves the directory can't do what its device offers (features {missing:#x} are missing)")]
    Features {
        /// What it lacks.
        missing: u64,
    },
    /// The socket is none.
    #[error("the socket of who serves the directory can't be used: {0}")]
    Socket(#[from] io::Error),
    /// The driver's rings are in no guest memory.
    #[error("a queue is in no guest memory")]
    Rings,
}

/// Who serves the directory.
pub(super) struct Backend {
    frontend: Frontend,
    socket: UnixStream,
    /// Queues work when they are told to, not as soon as they are there.
    enables: bool,
}

impl Backend {
    /// Says hello. For the time before the process is restricted: it makes a thread.
    pub fn greet(socket: OwnedFd, queues: u64) -> Result<Self, FsError> {
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(false)?;
        let mut backend =
            Self { frontend: Frontend::from_stream(socket.try_clone()?, queues), socket, enables: false };
        let watched = backend.socket.try_clone()?;
        let (done, waits) = sync_channel::<()>(1);
        thread::scope(|scope| {
            let watching = scope.spawn(move || {
                if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    cut(&watched);
                }
            });
            let agreed = backend.agree();
            drop(done);
            // A scope ends before its threads have quite ended, and a process that is to be restricted has none of them any more.
            let _ = watching.join();
            agreed
        })?;
        Ok(backend)
    }

    fn agree(&mut self) -> Result<(), FsError> {
        self.frontend.set_owner()?;
        let features = self.frontend.get_features()?;
        let missing = TRANSPORT_FEATURES & !features;
        if missing != 0 {
            return Err(FsError::Features { missing });
        }
        self.enables = features & VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits() != 0;
        if self.enables {
            // Acknowledgements are not among them: its answers are waited for where there is no other way.
            let offered = self.frontend.get_protocol_features()?;
            self.frontend.set_protocol_features(offered & VhostUserProtocolFeatures::MQ)?;
        }
        Ok(())
    }

    /// A copy for the device's thread.
    pub fn try_clone(&self) -> io::Result<Self> {
        let (frontend, socket) = (self.frontend.clone(), self.socket.try_clone()?);
        Ok(Self { frontend, socket, enables: self.enables })
    }

    /// Lets it work on queues, from the positions where they are. Each calls its event when requests are done.
    pub fn begin(
        &mut self,
        features: u64,
        memory: &Memory,
        queues: &[DeviceQueue],
        calls: &[EventFd],
    ) -> Result<(), FsError> {
        let enabling = if self.enables { VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits() } else { 0 };
        self.frontend.set_features(features | enabling)?;
        let regions = memory.iter().map(VhostUserMemoryRegionInfo::from_guest_region);
        self.frontend.set_mem_table(&regions.collect::<Result<Vec<_>, _>>()?)?;
        for (queue, call) in queues.iter().zip(calls) {
            let (index, rings) = (usize::from(queue.index()), queue.rings());
            let at = |address| {
                let place = memory.get_host_address(GuestAddress(address));
                place.map(|place| place as u64).map_err(|_| FsError::Rings)
            };
            let places = VringConfigData {
                queue_max_size: rings.max_size(),
                queue_size: rings.size(),
                flags: 0,
                desc_table_addr: at(rings.desc_table())?,
                used_ring_addr: at(rings.used_ring())?,
                avail_ring_addr: at(rings.avail_ring())?,
                log_addr: None,
            };
            self.frontend.set_vring_num(index, rings.size())?;
            self.frontend.set_vring_base(index, rings.next_avail())?;
            self.frontend.set_vring_addr(index, &places)?;
            self.frontend.set_vring_call(index, call)?;
            self.frontend.set_vring_kick(index, queue.event())?;
        }
        for queue in queues.iter().filter(|_| self.enables) {
            self.frontend.set_vring_enable(usize::from(queue.index()), true)?;
        }
        Ok(())
    }

    /// Stops work on a queue, and says which request would have been next. It answers when none is in flight.
    pub fn end(&self, queue: u16) -> Result<u16, FsError> {
        // The position is its lower half.
        Ok(self.frontend.get_vring_base(usize::from(queue))? as u16)
    }

    /// Ends the conversation, whoever waits for an answer.
    pub fn cut(&self) {
        cut(&self.socket);
    }
}

impl AsRawFd for Backend {
    /// Readable when it has gone, or says what it was not asked.
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn cut(socket: &UnixStream) {
    // It fails only where the other end is gone, and then nobody waits.
    let _ = socket.shutdown(std::net::Shutdown::Both);
}
