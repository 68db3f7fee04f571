//! Every verb of the product, once.
#![forbid(unsafe_code)]

pub mod policy_port;
