//! Where the bytes of the disk are.

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::layout::Entry;

/// A stretch of the disk whose bytes are found in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where the first byte is: within the cluster for data and reserved zeros, the start of the cluster for compressed ones.
    pub(crate) entry: Entry,
    pub(crate) length: u64,
}

impl Qcow2 {
    /// How the bytes at `offset` of the disk are found, and for how many of the `limit` that are asked that holds.
    pub(crate) fn run(&self, offset: u64, limit: u64) -> Result<Run, ImageError> {
        self.run_within(offset, limit.min(self.header.size.saturating_sub(offset)))
    }

    /// The same without regard to the size of the disk, which snapshots and clusters that are cut off go beyond.
    pub(super) fn run_within(&self, offset: u64, limit: u64) -> Result<Run, ImageError> {
        let geometry = self.geometry;
        let index = geometry.l1_index(offset);
        let covered = (index as u64 + 1) * geometry.l2_covers();
        let limit = limit.min(covered - offset);
        let table = match self.l2_offset(self.l1.get(index).copied().unwrap_or(0))? {
            None => return Ok(Run { entry: Entry::Unallocated, length: limit }),
            Some(table) => self.l2_table(table)?,
        };
        let step = geometry.subcluster();
        let at = |offset: u64| {
            let word = geometry.l2_word(offset);
            let within = offset % geometry.cluster();
            let entry = geometry.entry(&table[word..word + geometry.words()], within);
            self.judge_entry(entry, offset - within)?;
            Ok::<_, ImageError>(match entry {
                Entry::Data { host } => Entry::Data { host: host + within },
                Entry::Zero { host } => Entry::Zero { host: host.map(|host| host + within) },
                other => other,
            })
        };
        let entry = at(offset)?;
        let mut length = step - offset % step;
        if let Entry::Compressed { .. } = entry {
            length = geometry.cluster() - offset % geometry.cluster();
            return Ok(Run { entry, length: length.min(limit) });
        }
        while length < limit {
            let follows = match (entry, at(offset + length)?) {
                (Entry::Data { host }, Entry::Data { host: next }) => next == host + length,
                (Entry::Zero { host: Some(host) }, Entry::Zero { host: Some(next) }) => next == host + length,
                (first, next) => first == next,
            };
            if !follows {
                break;
            }
            length += step;
        }
        Ok(Run { entry, length: length.min(limit) })
    }

    fn judge_entry(&self, entry: Entry, offset: u64) -> Result<(), ImageError> {
        match entry {
            Entry::Data { host } | Entry::Zero { host: Some(host) } => {
                self.judge_cluster(format_args!("the cluster of disk offset {offset:#x}"), host)
            }
            Entry::Compressed { host, .. } if host < self.geometry.cluster() || host >= self.end => {
                let problem = format!(
                    "the compressed cluster of disk offset {offset:#x} is at {host:#x}, not within the file"
                );
                Err(self.file.damaged(problem))
            }
            _ => Ok(()),
        }
    }
}
