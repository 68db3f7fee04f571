//! The host machine: inventory, statistics, KSM.
#![forbid(unsafe_code)]
