//! A policy as a file and as a project: manifest, grants, components, templates and builds. Knows no engine: nothing here
//! compiles or runs Wasm.
//!
//! ```text
//! guest-sdk/, wit/ ─embedded─► new ─► project ─build/LANG─► component + section `reeve.policy` (manifest)
//! ```
#![forbid(unsafe_code)]

pub mod build;
pub mod component;
pub mod contract;
mod embedded;
pub mod grant;
mod lang;
pub mod manifest;
pub mod new;
mod policy_toml;
mod project;
pub mod section;
pub mod suggest;
mod tools;
mod world;

pub use build::build;
pub use lang::Lang;
pub use manifest::Manifest;
pub use policy_toml::{Mistake, PolicyToml, PolicyTomlError};
pub use project::Project;
pub use tools::Tools;
pub use world::{WORLD, World, WorldError, world};
