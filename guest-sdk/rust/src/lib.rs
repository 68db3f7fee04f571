//! Write Reeve policies in Rust.
//!
//! A policy is a type with the [`Policy`] trait; every hook has a default body, so you write only the ones you want, and name
//! them once in [`policy!`]. The component exports exactly those, and imports only what you call.
//!
//! ```
//! use reeve_sdk::prelude::*;
//!
//! /// No domain may have more than 64 vCPUs.
//! struct AtMost64;
//!
//! impl Policy for AtMost64 {
//!     fn domain_define(_ctx: &Context, domain: &DomainConfig) -> Decision {
//!         match domain.vcpus() {
//!             0..=64 => allow(),
//!             n => deny(format!("{n} vCPUs; this host allows 64 at most")),
//!         }
//!     }
//! }
//!
//! reeve_sdk::policy!(AtMost64: domain_define);
//! # fn main() {}
//! ```
//!
//! `reeve policy build` makes the component of it, from a crate for `wasm32-unknown-unknown` that is a `cdylib`. Off wasm32 a policy
//! is an ordinary crate: `cargo test` runs its hooks against the domains and the host of [`testing`].
#![forbid(unsafe_op_in_unsafe_fn)]

// The export macros name this crate by its own name, also from within (doc tests, tests).
extern crate self as reeve_sdk;

#[cfg(any(target_arch = "wasm32", test))]
mod arena;
#[allow(missing_docs, clippy::all)]
mod bindings;
mod config;
mod export;
pub mod filter;
pub mod hooks;
pub mod log;
pub mod migration;
#[cfg(not(target_arch = "wasm32"))]
mod native;
pub mod networks;
mod policy;
pub mod prelude;
pub mod storage;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod verdict;

#[cfg(target_arch = "wasm32")]
pub use bindings::reeve::clock::{clock, timer};
#[cfg(target_arch = "wasm32")]
pub use bindings::reeve::domain::{config as domain, domains};
pub use bindings::reeve::events::events;
#[cfg(target_arch = "wasm32")]
pub use bindings::reeve::kv::store as kv;
#[cfg(target_arch = "wasm32")]
pub use bindings::reeve::node::{host, ksm};
pub use bindings::reeve::types::errors::{Code, Error};
pub use bindings::reeve::types::policy::{
    Actor, Context, DiskCache, Edit, Failure, InterfaceSource, Verdict,
};
pub use config::ConfigError;
pub use hooks::ksm_tune::exports::reeve::tune::ksm_tune::{Adjustment, Snapshot as KsmSnapshot, Wake};
pub use hooks::task::exports::reeve::hooks::task::{Occasion, Timing};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{clock, domain, domains, host, ksm, kv, timer};
pub use policy::Policy;
pub use verdict::{Decision, allow, deny, rewrite};

/// Every policy allocates from the arena; off wasm32 the program's own allocator stays.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: arena::Arena = arena::Arena::new();

#[doc(hidden)]
pub use export::__keep;
#[doc(hidden)]
pub use wit_bindgen;
