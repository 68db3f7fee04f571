//! Deleting snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_model::snapshot::{DeleteSnapshot, Snapshot};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DiskImage, Kept, descendants, find, paths, remove_file};
use crate::Actions;
use crate::domain::Subject;
use crate::journal::{Next, Operation, Step};

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
            let images = match how.metadata {
                true => Vec::new(),
                false => self.images_of(&subject, snapshot).await?,
            };
            let memory = memory.clone().filter(|_| !how.metadata);
            doomed.push(Doomed { name: name.clone(), taken: snapshot.created, images, memory });
        }
        self.perform(actor, DeleteSnapshots { uuid: subject.uuid, doomed, turn: Some(turn) }).await?;
        Ok(names)
    }

    /// Images that have a snapshot within.
    async fn images_of(&self, subject: &Subject, snapshot: &Snapshot) -> Result<Vec<DiskImage>, Error> {
        if snapshot.is_external() {
            let message = format!(
                "snapshot '{}' of domain '{}' is external: it is not deleted while images are put on its own",
                snapshot.name, subject.name
            );
            let hint = format!(
                "merge the images with 'reeve domain blockcommit' while the domain runs, or 'reeve image commit' while it is off, then forget it with 'reeve domain snapshot-delete {} {} --metadata'",
                subject.name, snapshot.name
            );
            return Err(Error::new(ErrorCode::Unsupported, message).with_hint(hint));
        }
        let config = match &snapshot.domain {
            Some(config) => config.clone(),
            None => self.domains.snapshot(subject.uuid).map_err(crate::error::explain)?.config,
        };
        let mut config = config;
        self.find_volumes(&mut config).await?;
        paths(&config, snapshot.internal_disks())
    }
}

/// A snapshot that goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Doomed {
    name: String,
    taken: i64,
    images: Vec<DiskImage>,
    memory: Option<PathBuf>,
}

/// Snapshots are deleted.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteSnapshots {
    uuid: Uuid,
    doomed: Vec<Doomed>,
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
        for doomed in &delete.doomed {
            let Doomed { name, taken, images, memory } = doomed;
            actions.drop_from_images(delete.turn.as_ref(), delete.uuid, images, name, *taken).await?;
            remove_file(memory.clone()).await?;
            let mut kept = actions.kept(delete.uuid).await?;
            forget(&mut kept, name);
            actions.keep(delete.uuid, &kept).await?;
        }
        Ok(())
    }

    async fn undo(&self, _actions: &Arc<Actions>, _delete: &mut DeleteSnapshots) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _delete: &DeleteSnapshots) -> Next {
        Next::Again
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
