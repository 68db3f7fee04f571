//! Against qemu-img: what is written here passes its check and compares equal, what it writes reads back the same here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panic and says why it is skipped"
)]

mod chain;
mod convert;
mod create;
mod luks;
mod peer;
mod random;
mod tool;
