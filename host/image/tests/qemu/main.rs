//! Against qemu-img: what is written here passes its check and compares equal, what it writes reads back the same here.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod chain;
mod convert;
mod create;
mod random;
mod tool;
