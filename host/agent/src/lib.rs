//! The host's side of the guest agent's protocol (qemu-ga; guide 10.2).
//!
//! ```text
//!   host                                                              guest
//!     0xff {"execute":"guest-sync-delimited","arguments":{"id":N}}  ──>    whatever the agent had half read is void
//!          <── answers to those before … 0xff {"return":N}
//!     {"execute":"guest-ping"}  ──>
//!          <── {"return":{}}
//! ```
//!
//! One JSON object a line in both directions. The channel remembers what was said to somebody who went away, so a
//! conversation begins with a number that only this one knows, and again after every answer that did not come in time.
//!
//! The guest is hostile. Every answer has a size and a time that it must keep; text from it has no control characters and an end;
//! a number it says is never a size of ours. What the guest claims about itself is its claim.
#![forbid(unsafe_code)]

mod commands;
mod conversation;
mod error;
mod files;
mod text;
mod wire;

pub use commands::{DiskPlace, Executed, Filesystem, Program, ShutdownMode};
pub use conversation::{Agent, MAX_ANSWER};
pub use error::AgentError;
pub use files::{FileHandle, FileMode, Piece};

/// What the guest calls the channel of its agent.
pub const CHANNEL: &str = "org.qemu.guest_agent.0";
