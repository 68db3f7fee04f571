//! Is an image what it should be, and can it be made so.

use serde::Serialize;

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::qcow2::{Count, Qcow2};

/// What is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: the file may be open for reading only.
    Nothing,
    /// Space that nobody uses is given back.
    Leaks,
    /// Counts too. Which cluster an entry refers to is never changed: what points nowhere stays so.
    All,
}

/// What a check found, after what was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Clusters that take space for nothing.
    pub leaks: u64,
    /// What may lose data.
    pub corruptions: u64,
    /// Leaks that were given back.
    pub leaks_fixed: u64,
    /// Corruptions that were repaired.
    pub corruptions_fixed: u64,
    /// The first of what was found, a sentence each, from before the repair.
    pub problems: Vec<String>,
    /// Clusters of the disk.
    pub total_clusters: u64,
    /// Clusters that the image has itself.
    pub allocated_clusters: u64,
    /// Clusters that do not follow the one before in the file.
    pub fragmented_clusters: u64,
    /// Clusters that are compressed.
    pub compressed_clusters: u64,
    /// Where the last cluster ends in the file.
    pub image_end_offset: u64,
}

impl Check {
    /// Nothing is wrong any more.
    pub fn is_clean(&self) -> bool {
        self.leaks == 0 && self.corruptions == 0
    }
}

/// Checks an image and repairs what is asked. The file must be open for writing to repair it.
pub fn check(file: ImageFile, format: Format, repair: Repair) -> Result<Check, ImageError> {
    if format != Format::Qcow2 {
        return Err(file.refused("checked", "only qcow2 images can, and it is raw"));
    }
    let mut image = Qcow2::open_damaged(file, repair != Repair::Nothing)?;
    let before = image.count()?;
    let corruptions = |count: &Count| count.miscounts + count.broken;
    let rebuild = repair == Repair::All && (before.miscounts > 0 || before.broken_blocks);
    // Giving back by counts that are wrong elsewhere would be guessing.
    let give_back = repair != Repair::Nothing && before.leaks > 0 && corruptions(&before) == 0;
    if rebuild {
        image.rebuild_refcounts()?;
    } else if give_back {
        image.repair_leaks(&before)?;
    }
    let after = if rebuild || give_back { image.count()? } else { Count::default() };
    let now = if rebuild || give_back { &after } else { &before };
    if repair == Repair::All && corruptions(now) == 0 {
        image.unmark()?;
    }
    Ok(Check {
        leaks: now.leaks,
        corruptions: corruptions(now),
        leaks_fixed: before.leaks.saturating_sub(now.leaks),
        corruptions_fixed: corruptions(&before).saturating_sub(corruptions(now)),
        problems: before.problems.clone(),
        total_clusters: image.geometry.clusters(image.header.size),
        allocated_clusters: now.allocated,
        fragmented_clusters: now.fragmented,
        compressed_clusters: now.compressed,
        image_end_offset: now.end << image.geometry.cluster_bits,
    })
}
