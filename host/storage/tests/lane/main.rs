//! Pools and volumes on real directories, file systems and disks: loop devices of this machine (lane C).
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

mod bed;
mod contract;
mod convert;
mod full;
mod hostile;
mod images;
mod kinds;
mod volumes;
mod walks;
