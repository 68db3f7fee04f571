//! Sockets between guest and host.

use serde::{Deserialize, Serialize};

use super::FdIndex;

/// Sockets between programs of the guest and programs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VsockConfig {
    /// Address of the guest, from 3. It need be no other guest's.
    pub cid: u32,
    /// Where programs of the host come: a unix stream socket that listens.
    pub fd: FdIndex,
}

impl VsockConfig {
    /// Addresses that a guest can have: those below have a meaning, and the last one means any.
    pub const CIDS: std::ops::Range<u32> = 3..u32::MAX;

    /// Why it can't be.
    pub(super) fn fault(&self) -> Option<String> {
        let (first, end) = (Self::CIDS.start, Self::CIDS.end - 1);
        (!Self::CIDS.contains(&self.cid))
            .then(|| format!("address {} can't be a guest's: use {first} to {end}", self.cid))
    }
}
