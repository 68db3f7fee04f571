//! The Wasm policy engine.
#![forbid(unsafe_code)]
