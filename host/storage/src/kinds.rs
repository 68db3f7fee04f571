//! A file a kind of pool.

pub(crate) mod dir;
pub(crate) mod disk;
pub(crate) mod fs;
pub(crate) mod iscsi;
pub(crate) mod logical;
pub(crate) mod netfs;
pub(crate) mod scsi;
mod units;
