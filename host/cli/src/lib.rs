//! The reeve command line.
#![forbid(unsafe_code)]
