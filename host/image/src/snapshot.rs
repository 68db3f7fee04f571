//! Snapshots within an image; only qcow2 has them.

use time::OffsetDateTime;

use crate::error::ImageError;
use crate::image::Image;
use crate::qcow2::Snapshot;

impl Image {
    /// Snapshots within the image, in the order they were made.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, ImageError> {
        self.qcow2("asked for snapshots")?.snapshots()
    }

    /// Makes a snapshot of the disk within the image. Its name must be new.
    pub fn create_snapshot(&mut self, name: &str, now: OffsetDateTime) -> Result<Snapshot, ImageError> {
        self.qcow2_mut("snapshotted")?.create_snapshot(name, now)
    }

    /// Makes the disk what it was at a snapshot, named by its id or name; its size too.
    pub fn apply_snapshot(&mut self, wanted: &str) -> Result<(), ImageError> {
        self.qcow2_mut("reverted")?.apply_snapshot(wanted)
    }

    /// Deletes a snapshot, named by its id or name, and gives back what only it had.
    pub fn delete_snapshot(&mut self, wanted: &str) -> Result<(), ImageError> {
        self.qcow2_mut("changed")?.delete_snapshot(wanted)
    }
}
