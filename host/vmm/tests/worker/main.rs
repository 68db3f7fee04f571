//! Worker processes with real guests on real KVM, seen as a daemon sees them.
#![allow(clippy::disallowed_methods, reason = "tests start processes and wait")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is test code outside of test functions too"
)]

mod adoption;
mod cable;
mod channels;
mod dump;
mod guard;
mod harness;
mod lifecycle;
mod machine;
mod memory;
mod migration;
mod networks;
mod offloads;
mod plug;
mod post_copy;
mod refusals;
mod sandbox;
mod save;
mod shared;
mod switch;
mod vcpus;
mod virtio;
mod vsock;
