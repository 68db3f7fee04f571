//! libvirt XML documents to and from the model.
//!
//! A document travels through three steps, each in one place:
//!
//! ```text
//! text ──tree──▶ elements with positions ──readers──▶ model          (domain::parse, device::parse)
//!                        │                              │
//!                        └──audit, by the grammar──▶ warnings
//! model ──writers──▶ elements in libvirt's order ──print──▶ text     (domain::format)
//! ```
//!
//! - Nothing is dropped in silence. What the model has no field for is kept as XML in `Extra` and written back; what the
//!   grammar does not know, or the native driver does not act on, is a [`Warning`].
//! - Networks, filters and host interfaces come from the host's own hand: an element of theirs that has to be in force as a
//!   whole (a filter's rule, a DHCP host) is refused when part of it is not understood.
//! - Comments are kept inside kept parts only; between typed elements they go. Whitespace between elements is not kept.
//! - Documents come from outside: size, depth and counts are bounded, DTDs and entities are refused, no input panics.
//!
//! This is the only crate that uses quick-xml.
#![forbid(unsafe_code)]

mod audit;
pub mod capabilities;
mod check;
pub mod cpu;
pub mod device;
pub mod domain;
mod error;
mod escape;
pub mod filter;
mod grammar;
pub mod host_interface;
mod kind;
#[cfg(test)]
mod lossless_tests;
pub mod metadata;
pub mod network;
pub mod node_device;
pub mod pool;
mod print;
mod reader;
pub mod secret;
pub mod snapshot;
mod suggest;
mod tree;
pub mod volume;
mod write;

pub use check::{Checked, check, decode};
pub use error::{ParseOptions, Parsed, Warning, WarningKind, XmlError};
pub use escape::escape;
pub use kind::{Kind, UnknownKind};
