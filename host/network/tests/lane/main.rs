//! Networks, ports and host interfaces in network namespaces of the tests' own, with a real dnsmasq, real rules and real packets.
//!
//! ```text
//!   guest namespace eth0 ── veth ── virbr0 ── host namespace ── veth ── outside namespace
//! ```
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

mod bed;
mod faults;
mod guests;
mod interfaces;
mod nat;
mod ports;
mod restart;
mod serving;
mod shaping;
