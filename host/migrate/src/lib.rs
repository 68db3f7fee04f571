//! Live migration of a guest between two workers, over any connected stream: rounds of memory while the guest runs, then
//! its state, then the hand-over. What it moves is behind [`SourceGuest`] and [`TargetGuest`]; it knows no hypervisor.
//!
//! ```text
//!   source                                      destination
//!     Hello{versions, capabilities, memory} ──>            checks that it has a machine of that shape
//!                          <── Welcome{version, capabilities}      or Refuse{reason}
//!     Pages… RoundEnd ──>                       <── RoundAck        once a round; the guest runs on the source
//!     ── the guest stands still ──
//!     Pages… RoundEnd ──>                       <── RoundAck
//!     State… StateEnd ──>                       <── Ready           whole, loaded, not running
//!     ── the source gives the guest up, durably: the point of no return ──
//!     Go ──>                                    <── Running
//! ```
//!
//! In post-copy the guest runs before all of its memory is there:
//!
//! ```text
//!     ── the guest stands still ──
//!     Missing… MissingEnd State… StateEnd ──>            what is touched while it is loaded is wanted
//!     Pages… ──>                                <── Want…
//!                                               <── Ready
//!     ── the point of no return ──
//!     Go ──>                                    <── Running
//!     Pages… ──>                                <── Want…           until nothing is missing
//!                                               <── Whole
//!   over another stream, where the first one broke after the point of no return:
//!     Resume{as Hello} ──>                      <── Resumed{pages}  and on with Want
//! ```
//!
//! Memory goes over several streams where both sides can ([`SendStreams`], [`ReceiveStreams`]); everything else over the first one:
//!
//! ```text
//!   first    Streams{3} ──>   Pages… ──>            ╷ RoundEnd ──>   <── RoundAck ╷  Pages… ──>
//!   second   Join{1} ──>      Pages… RoundMark ──>  ╵                             ╵  Pages… RoundMark ──>
//!   third    Join{2} ──>      Pages… RoundMark ──>  ╵                             ╵  Pages… RoundMark ──>
//! ```
//!
//! Nobody says RoundEnd before all have said RoundMark, and nobody takes a page of the next round before all are at the end of this one, so
//! that a page which comes again over another stream is never put under its older self.
//!
//! Disks that both hosts don't share go with the guest where both sides can: module `disks` has the frames.
//!
//! A frame is a header of 12 bytes (kind, three bytes that check kind and length, length, CRC-32 of kind and
//! payload; little endian) and a payload of
//! at most [`MAX_PAYLOAD`] bytes. Everything a peer sends is judged before it counts: kinds out of turn, lengths, checksums,
//! addresses outside of the guest's memory, pages sent twice in a round, totals that don't match. Pages travel as runs;
//! a run of zeros travels as its length. Whoever can't go on says `Abort{reason}` if it still can.
//!
//! # Exactly one side runs the guest
//!
//! The source decides, once: [`SourceGuest::give_up`] makes it durable that the guest is no longer its own. Before that the
//! guest is the source's, after that the destination's. What a side does when the link or the other side is gone:
//!
//! | source was at | destination was at | source | destination |
//! |---|---|---|---|
//! | rounds, guest running | receiving | goes on running | discards |
//! | rounds, a stream beside the first one lost | receiving | goes on running | discards |
//! | stopped, sending the rest | receiving | lets the guest run again | discards |
//! | state sent, waiting for Ready | receiving, loading | lets the guest run again | discards |
//! | state sent, waiting for Ready | Ready sent | lets the guest run again | waits paused, asks, hears "kept": discards |
//! | Ready received, giving up fails | Ready sent | lets the guest run again | waits paused, asks, hears "kept": discards |
//! | given up, Go not sent or lost | Ready sent | keeps the paused copy until it hears how it went | waits paused, asks, hears "given up": runs |
//! | given up, Go sent | running | ends its paused copy | runs |
//! | given up, post-copy, pages missing | running | keeps the paused copy until the stream is mended | stands where it misses a page |
//! | given up, post-copy, Whole lost | running, whole | keeps the paused copy until it hears how it went | runs |
//! | given up, post-copy | ended after it ran | the guest is lost; ends its paused copy | gone |
//! | ended after it gave up, post-copy | running, pages missing | gone | the guest is lost; ends it |
//! | given up | ended before it ran | takes the guest back when the destination's host promises that its copy never ran | gone |
//!
//! Asking goes another way than the stream (the daemons talk to each other), and as long as nobody answers the destination
//! waits: it never runs on a guess, and the source never runs a guest that it gave up on a guess. [`send`] and [`receive`]
//! return where that is left to the caller: [`Sent::Unconfirmed`] and [`Received::Undecided`], in post-copy [`Sent::Interrupted`] and
//! [`Received::Interrupted`].
//!
//! # Who decides how
//!
//! After each round a [`Strategy`] says what comes next; [`PreCopy`] is what the host has of its own, and [`Steered`] asks somebody
//! else within a bounded time. Operators' limits and commands ([`Controls`]) hold whatever a strategy says.
#![forbid(unsafe_code)]

mod controls;
mod disks;
mod error;
mod frame;
mod greeting;
mod late;
mod link;
mod memory_map;
mod missing;
mod pages;
mod receive;
mod receive_streams;
mod send;
mod send_disks;
mod send_streams;
mod serve;
mod steer;
mod steered;
mod strategy;

pub use controls::{Controls, Limits};
pub use disks::{DiskShape, MAX_BLOCK, Piece, SECTOR, SourceDisks, TargetDisks};
pub use error::{GuestError, MigrateError};
pub use frame::MAX_PAYLOAD;
pub use greeting::{Capabilities, MAX_STREAMS, VERSION};
pub use late::{Begin, Happened, LateMemory};
pub use memory_map::{MemoryMap, PAGE};
pub use missing::Missing;
pub use receive::{Received, TargetGuest, receive, receive_rest};
pub use receive_streams::{ReceiveStreams, ReceiveTicket, TargetPages};
pub use send::{Offer, Phase, Sent, SourceGuest, WithinRound, send};
pub use send_disks::DiskStats;
pub use send_streams::{SendStreams, SendTicket, SourcePages};
pub use serve::{LateStats, send_rest};
pub use steered::{Advice, Adviser, Steered, StrategyAnswer, StrategyQuestion};
pub use strategy::{Packed, Plan, PreCopy, RoundStats, Step, Strategy, Subject};
