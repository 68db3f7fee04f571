//! The kernel's networking, in namespaces of the tests' own: what was done is looked at by other means, sysfs and iproute2.
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

mod bridges;
mod filters;
mod frames;
mod links;
mod look;
mod macvtaps;
mod namespaces;
mod routes;
mod settings;
mod shaping;
mod taps;
