//! Rules in the kernel, asked by sending packets: what has to pass passes, what has to be dropped is. Nothing is read back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing helper fails its test")]

mod apply;
mod connections;
mod fields;
mod learning;
mod rig;
mod rulesets;
