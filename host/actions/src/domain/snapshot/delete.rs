//! Deleting snapshots: those within images by their tables, those with images of their own by merging these (`chains.rs`, `merge.rs`).
//!
//! What can't be deleted is refused before anything is touched. Then one snapshot goes after the other, children first, each of
//! them piece by piece; a daemon that starts goes on with the piece at which the one before died.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::save_image::{Purpose, SaveImage};
use reeve_domain::{Request, Turn};
use reeve_model::snapshot::{DeleteSnapshot, Snapshot, SnapshotMemory};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::JournalRow;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chains::{Chains, Work};
use super::{DiskImage, Kept, descendants, find, paths, remove_file};
use crate::domain::Subject;
use crate::journal::{Next, Operation, Step};
use crate::{Actions, blocking};

impl Actions {
    /// Deletes a snapshot, or those that come from it; the names that are gone.
    pub async fn delete_snapshot(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        how: DeleteSnapshot,
    ) -> Result<Vec<String>, Error> {
        let subject = self.subject(actor, Verb::DomainSnapshot, key)?;
        if how.children && how.children_only {
            let message = "a snapshot is deleted with its children, or they are without it";
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let kept = self.kept(subject.uuid).await?;
        find(&subject, &kept, name)?;
        let mut names = match how.children || how.children_only {
            true => descendants(&kept, name),
            false => Vec::new(),
        };
        // Children first: what is left when something fails is a tree.
        names.reverse();
        if !how.children_only {
            names.push(name.to_owned());
        }
        let mut doomed = Vec::new();
        for name in &names {
            let Kept { snapshot, memory, .. } = find(&subject, &kept, name)?;
            let mut one = Doomed { name: name.clone(), taken: snapshot.created, ..Doomed::default() };
            if !how.metadata {
                one.images = self.images_of(&subject, snapshot).await?;
                one.memory = memory.clone().or_else(|| memory_of(&subject, snapshot));
            }
            doomed.push(one);
        }
        if !how.metadata {
            self.plan_merges(&subject, &kept, &mut doomed).await?;
        }
        let delete = DeleteSnapshots {
            uuid: subject.uuid,
            doomed,
            done: 0,
            actor: Some(actor.clone()),
            turn: Some(turn),
        };
        self.perform(actor, delete).await?;
        Ok(names)
    }

    /// Images that have a snapshot within.
    async fn images_of(&self, subject: &Subject, snapshot: &Snapshot) -> Result<Vec<DiskImage>, Error> {
        let config = match &snapshot.domain {
            Some(config) => config.clone(),
            None => self.domains.snapshot(subject.uuid).map_err(crate::error::explain)?.config,
        };
        let mut config = config;
        self.find_volumes(&mut config).await?;
        paths(&config, snapshot.internal_disks())
    }

    /// Works out what becomes of the images of external snapshots, one after the other.
    async fn plan_merges(
        &self,
        subject: &Subject,
        kept: &[Kept],
        doomed: &mut [Doomed],
    ) -> Result<(), Error> {
        let is_external = |name: &str| {
            find(subject, kept, name).is_ok_and(|kept| kept.snapshot.external_disks().next().is_some())
        };
        if !doomed.iter().any(|one| is_external(&one.name)) {
            return Ok(());
        }
        let (now, others) =
            (self.images_now(subject.uuid).await?, self.images_of_others(subject.uuid).await?);
        let kept = self.find_images(&subject.name, kept).await?;
        let all = kept.clone();
        let overlays = self.on_storage(|storage| Ok(storage.overlays())).await?;
        let mut chains = blocking(move || {
            let mut chains = Chains::find(&now, &others, &all)?;
            chains.find_unused(overlays)?;
            Ok(chains)
        })
        .await?;
        for one in doomed {
            let snapshot = find(subject, &kept, &one.name)?.snapshot.clone();
            let (after, work) = blocking(move || {
                let work = chains.delete(&snapshot)?;
                Ok((chains, work))
            })
            .await?;
            chains = after;
            if !work.is_empty() && self.managed_image(subject.uuid).exists() {
                let message = format!(
                    "domain '{}' has a managed save, which goes on in the images as they are",
                    subject.name
                );
                return Err(Error::new(ErrorCode::WrongState, message).with_hint(
                    "start the domain, or remove what was saved with 'reeve domain managedsave-remove'",
                ));
            }
            self.refuse_jobs(subject.uuid, &work).await?;
            one.work = work;
        }
        Ok(())
    }
}

/// The file that somebody named for the memory of a snapshot, where it is that still.
fn memory_of(subject: &Subject, snapshot: &Snapshot) -> Option<PathBuf> {
    let SnapshotMemory::External { file } = &snapshot.memory else { return None };
    let image = SaveImage::open(Path::new(file), Purpose::Read).ok()?;
    (image.uuid() == subject.uuid).then(|| PathBuf::from(file))
}

/// A snapshot that goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Doomed {
    name: String,
    taken: i64,
    images: Vec<DiskImage>,
    memory: Option<PathBuf>,
    #[serde(default)]
    work: Vec<Work>,
}

/// Snapshots are deleted.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteSnapshots {
    uuid: Uuid,
    doomed: Vec<Doomed>,
    /// How much of the work on the first of them is done.
    #[serde(default)]
    done: usize,
    #[serde(default)]
    actor: Option<Actor>,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for DeleteSnapshots {
    const KIND: &'static str = "domain-snapshot-delete";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&Contents]
    }
}

/// What they have is gone, and what is kept of each after it.
struct Contents;

#[async_trait]
impl Step<DeleteSnapshots> for Contents {
    fn name(&self) -> &'static str {
        "contents"
    }

    async fn run(&self, actions: &Arc<Actions>, delete: &mut DeleteSnapshots) -> Result<(), Error> {
        if delete.turn.is_none() {
            delete.turn = Some(actions.turn(&Actor::Daemon, delete.uuid, Request::Configure).await?);
        }
        let (Some(turn), Some(doomed)) = (&delete.turn, delete.doomed.first()) else { return Ok(()) };
        let Doomed { name, taken, images, memory, work } = doomed;
        if let Some(next) = work.get(delete.done) {
            let actor = delete.actor.as_ref().unwrap_or(&Actor::Daemon);
            if delete.done == 0 {
                actions.mark_deleting(delete.uuid, name).await?;
            }
            actions.do_work(turn, actor, next).await?;
            delete.done += 1;
            return Ok(());
        }
        actions.drop_from_images(Some(turn), delete.uuid, images, name, *taken).await?;
        remove_file(memory.clone()).await?;
        let mut kept = actions.kept(delete.uuid).await?;
        forget(&mut kept, name);
        actions.keep(delete.uuid, &kept).await?;
        delete.doomed.remove(0);
        delete.done = 0;
        Ok(())
    }

    fn goes_on(&self, delete: &DeleteSnapshots) -> bool {
        !delete.doomed.is_empty()
    }

    async fn undo(&self, _actions: &Arc<Actions>, _delete: &mut DeleteSnapshots) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _delete: &DeleteSnapshots) -> Next {
        Next::Again
    }
}

impl Actions {
    /// Goes on with a deletion that an earlier daemon left. Merges take as long as their images are large, and nothing else waits for them; nor
    /// does anybody get at the domain before they are done.
    pub(crate) async fn settle_delete(self: &Arc<Self>, row: &JournalRow) -> Result<bool, Error> {
        let left = serde_json::from_str::<DeleteSnapshots>(&row.data).ok();
        let merges = left.filter(|left| left.doomed.iter().any(|doomed| !doomed.work.is_empty()));
        let Some(DeleteSnapshots { uuid, .. }) = merges else {
            return self.settle::<DeleteSnapshots>(row).await;
        };
        let turn = self.turn(&Actor::Daemon, uuid, Request::Configure).await?;
        let (actions, row) = (Arc::clone(self), row.clone());
        tokio::spawn(async move {
            let settled =
                actions.settle_with(&row, |delete: &mut DeleteSnapshots| delete.turn = Some(turn)).await;
            if let Err(error) = settled {
                tracing::warn!(operation = row.id, %error, "an interrupted deletion of snapshots could not be finished");
            }
        });
        Ok(true)
    }

    /// Notes that the images of a snapshot are not what they were: nobody goes back to it any more, and it can be deleted again.
    async fn mark_deleting(&self, uuid: Uuid, name: &str) -> Result<(), Error> {
        let mut kept = self.kept(uuid).await?;
        if let Some(kept) = kept.iter_mut().find(|kept| kept.name() == name) {
            let external: Vec<String> = kept.snapshot.external_disks().map(str::to_owned).collect();
            let disks = kept.snapshot.disks.iter_mut();
            disks.filter(|disk| external.contains(&disk.name)).for_each(|disk| disk.deleting = true);
        }
        self.keep(uuid, &kept).await
    }
}

/// Takes a snapshot out of the tree: its children become its parent's, and that is the current one where it was.
fn forget(kept: &mut Vec<Kept>, name: &str) {
    let Some(at) = kept.iter().position(|kept| kept.name() == name) else { return };
    let gone = kept.remove(at);
    for other in kept {
        if other.parent() == Some(name) {
            other.snapshot.parent.clone_from(&gone.snapshot.parent);
        }
        other.current |= gone.current && gone.parent() == Some(other.name());
    }
}
