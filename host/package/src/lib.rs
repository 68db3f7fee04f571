//! A policy as a file and as a project: its manifest and the grants it asks for. Knows no engine: what is decided here needs no
//! compiler of Wasm.
#![forbid(unsafe_code)]

pub mod contract;
pub mod grant;
pub mod manifest;
pub mod suggest;
