//! What an interrupted or deleted snapshot leaves: a save that a worker is still at, snapshots within images.

use std::path::PathBuf;
use std::time::Duration;

use reeve_domain::{Request, Turn};
use reeve_model::{Actor, Error};
use uuid::Uuid;

use super::{DiskImage, images};
use crate::error::explain;
use crate::{Actions, blocking};

/// How long a save that was given up may take to end.
const SAVE_ENDS: Duration = Duration::from_secs(20);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

impl Actions {
    /// Ends a save or dump that nobody waits for, e.g. one that the daemon before this one had begun, so that its worker hears of other things
    /// and writes to no file that is removed.
    pub(in crate::domain) async fn give_up_save(&self, uuid: Uuid) {
        let end = tokio::time::Instant::now() + SAVE_ENDS;
        // Where none is under way there is nothing to give up.
        while self.domains.cancel_save(uuid).await.is_ok() && tokio::time::Instant::now() < end {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes the snapshot of a name and time within images, which a machine has or nobody.
    pub(super) async fn drop_from_images(
        &self,
        turn: Option<&Turn>,
        uuid: Uuid,
        images: &[DiskImage],
        name: &str,
        taken: i64,
    ) -> Result<(), Error> {
        if images.is_empty() {
            return Ok(());
        }
        let has_machine = self.domains.phase(uuid).is_ok_and(|phase| phase.has_machine());
        let config = self.domains.snapshot(uuid).ok().map(|found| found.config).filter(|_| has_machine);
        let held = |image: &&DiskImage| {
            let disks = config.iter().flat_map(|config| &config.devices.disks);
            let mut own = disks.filter(|disk| disk.target == image.target);
            own.any(|disk| disk.source.path().map(PathBuf::from).as_ref() == Some(&image.path))
        };
        let (held, free): (Vec<&DiskImage>, Vec<&DiskImage>) = images.iter().partition(held);
        if !held.is_empty() {
            let targets = held.iter().map(|image| image.target.clone()).collect();
            match turn {
                Some(turn) => turn.drop_disk_snapshots(targets, name, taken).await.map_err(explain)?,
                None => {
                    let turn = self.turn(&Actor::Daemon, uuid, Request::UpdateDevice).await?;
                    turn.drop_disk_snapshots(targets, name, taken).await.map_err(explain)?;
                }
            }
        }
        let (free, name): (Vec<DiskImage>, String) = (free.into_iter().cloned().collect(), name.to_owned());
        blocking(move || images::remove(&free, &name, taken)).await
    }
}
