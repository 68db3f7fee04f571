//! The areas, a file each.

mod boot;
mod density;
mod disk;
mod filter;
mod hooks;
mod host;
mod list;
mod migration;
mod policy;
mod qemu;
mod storage;

use anyhow::Result;
use clap::ValueEnum;

use crate::row::Row;

/// What is measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Area {
    /// One hook decision, chains, and hooks under attack.
    Hooks,
    /// Booting, overhead and churn of real domains.
    Boot,
    /// Listing thousands of domains.
    List,
    /// Replay, fan-out and reload of policies.
    Policy,
    /// Packet filters and the start of a network.
    Filter,
    /// Disk images.
    Storage,
    /// A guest's disk.
    Disk,
    /// Many idle domains.
    Density,
    /// Moving guests between hosts.
    Migration,
}

impl Area {
    /// Every area, in the order they are measured.
    pub const ALL: [Self; 9] = [
        Self::Hooks,
        Self::Boot,
        Self::List,
        Self::Policy,
        Self::Filter,
        Self::Storage,
        Self::Disk,
        Self::Density,
        Self::Migration,
    ];

    /// Measures the area.
    pub async fn measure(self) -> Result<Vec<Row>> {
        match self {
            Self::Hooks => hooks::measure().await,
            Self::Boot => boot::measure().await,
            Self::List => list::measure().await,
            Self::Policy => policy::measure().await,
            Self::Filter => filter::measure().await,
            Self::Storage => storage::measure().await,
            Self::Disk => disk::measure().await,
            Self::Density => density::measure().await,
            Self::Migration => migration::measure().await,
        }
    }
}
