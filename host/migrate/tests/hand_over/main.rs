//! Guests of memory and a state that are moved over real sockets which are cut, damaged or left by their owner at every
//! place there is; afterwards exactly one side runs the guest, with everything in it.
#![allow(clippy::unwrap_used, reason = "this is test code outside of test functions too")]

mod cells;
mod disks;
mod guests;
mod hostile;
mod late;
mod moves;
mod streams;
mod wire;
