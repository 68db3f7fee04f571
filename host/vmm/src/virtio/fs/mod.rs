//! Directories of the host in the guest (virtio 1.2, 5.11), served by another process: virtiofsd, which speaks vhost-user.
//!
//! ```text
//!   guest ── queue notify, ioeventfd ──────────────────────────> virtiofsd ── open, read, write ──> the directory
//!     ^                                                            │  ^
//!     │ MSI-X                                                      │  │ socket: where memory is, where queues are, start, stop
//!   Interrupt <── eventfd of the queue ── FsHandler (thread) <─────┘  └── Backend
//! ```
//!
//! The device itself has the configuration space and the way of interrupts; it sees no request. Its thread talks to who serves the directory, and may
//! do nothing else (`ThreadRole::Backend`).
//!
//! Who serves it is trusted less than this process. It has guest memory, as files that it can't shorten, and the eventfds of the queues. What it says is a
//! number at most, a queue's position, which is checked by nobody because nothing here goes by it. It is waited for [`backend::PATIENCE`]; then
//! the socket is cut. Once it is gone, or has said what was not asked, the device needs a reset that does not help: the guest goes on without the directory,
//! and the daemon is told.
//!
//! Its state is its own (which files are open, what the guest calls them): a machine with such a device is neither saved nor migrated.

mod backend;
mod control;
mod device;
mod queue;

pub use backend::FsError;
pub use control::FsControl;
pub use device::{Filesystem, Options};
