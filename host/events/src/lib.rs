//! Typed event bus with bounded replay.
#![forbid(unsafe_code)]
