//! `<blockio>` and `<geometry>` of a disk (guide 20.16.1): what its guest is told about its blocks.

use serde::{Deserialize, Serialize};

/// `<blockio>`, in bytes, and `<geometry>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskBlocks {
    /// `logical_block_size`: least that the guest reads or writes at once; none is what the image wants.
    #[serde(default)]
    pub logical: Option<u32>,
    /// `physical_block_size`: least that is written without reading around it; none is the logical size.
    #[serde(default)]
    pub physical: Option<u32>,
    /// `discard_granularity`: what is freed is whole pieces of this size; none is the logical size.
    #[serde(default)]
    pub discard: Option<u32>,
    /// `<geometry>`.
    #[serde(default)]
    pub geometry: Option<DiskGeometry>,
}

/// `<geometry>`, for programs that count like old disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskGeometry {
    /// `cyls`.
    pub cylinders: u32,
    /// `heads`.
    pub heads: u32,
    /// `secs`: sectors of a track.
    pub sectors: u32,
    /// `trans`: `none`, `lba` or `auto`, for disks of IDE.
    #[serde(default)]
    pub translation: Option<String>,
}

impl DiskBlocks {
    /// Smallest block.
    const MIN: u32 = 512;
    /// Largest logical and physical block, as QEMU has it.
    const MAX: u32 = 2 << 20;

    /// True when the document does not have it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What in it can't be: the attribute and the reason.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let sizes = [("logical_block_size", self.logical), ("physical_block_size", self.physical)];
        for (name, size) in sizes {
            let Some(size) = size else { continue };
            if !size.is_power_of_two() || !(Self::MIN..=Self::MAX).contains(&size) {
                let most = Self::MAX;
                let message =
                    format!("blocks of {size} bytes do not exist; use a power of two from 512 to {most}");
                return Err((name, message));
            }
        }
        let logical = self.logical.unwrap_or(Self::MIN);
        if self.physical.is_some_and(|physical| physical < logical) {
            let message =
                format!("a physical block is no smaller than a logical one, of {logical} bytes; raise it");
            return Err(("physical_block_size", message));
        }
        if self.discard.is_some_and(|discard| discard == 0 || !discard.is_multiple_of(logical)) {
            let message = format!("what is freed at once is whole blocks of {logical} bytes; use a multiple");
            return Err(("discard_granularity", message));
        }
        Ok(())
    }
}
