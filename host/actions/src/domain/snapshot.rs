//! Snapshots of domains (guide 14.15.2): what is kept of them, shown.
//!
//! ```text
//!   document, options ─▶ plan: what becomes of each disk, where the memory goes
//!     ─▶ journal [ files │ definition │ machine: memory, images, change-over │ metadata │ go on ]
//! ```
//! The data of a snapshot is in images, and in save images of the host's own (decisions/0017); the store has its document, and which
//! one is current. Whatever changes them has the turn of the domain.

mod chains;
mod commit;
mod delete;
mod images;
mod leftovers;
mod merge;
mod plan;
mod quiesce;
mod redefine;
mod revert;
mod take;

use std::collections::BTreeSet;
use std::path::PathBuf;

use reeve_model::domain::DomainConfig;
use reeve_model::domain_disk::DomainDisk;
use reeve_model::snapshot::{Snapshot, SnapshotRow};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::DomainSnapshotRow;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Subject, cant_be_read};
use crate::error::explain;
use crate::{Actions, document};

pub(crate) use delete::DeleteSnapshots;
pub(crate) use revert::Revert;
pub(crate) use take::TakeSnapshot;

/// A snapshot as it is kept.
#[derive(Debug, Clone)]
struct Kept {
    snapshot: Snapshot,
    /// The file of the host's own that has the guest's memory.
    memory: Option<PathBuf>,
    current: bool,
}

impl Kept {
    fn name(&self) -> &str {
        &self.snapshot.name
    }

    fn parent(&self) -> Option<&str> {
        self.snapshot.parent.as_deref()
    }
}

/// The image of a disk that has a snapshot, or gets one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DiskImage {
    target: String,
    path: PathBuf,
}

impl Actions {
    /// Snapshots of a domain by name.
    pub async fn domain_snapshots(&self, actor: &Actor, key: &str) -> Result<Vec<SnapshotRow>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let kept = self.kept(subject.uuid).await?;
        Ok(rows(&subject.name, &kept))
    }

    /// The document of a snapshot.
    pub async fn snapshot_xml(&self, actor: &Actor, key: &str, name: &str) -> Result<String, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let kept = self.kept(subject.uuid).await?;
        Ok(document::format_snapshot(&find(&subject, &kept, name)?.snapshot))
    }

    /// Whether anything is kept of snapshots of a domain.
    pub(super) async fn has_snapshots(&self, uuid: Uuid) -> Result<bool, Error> {
        let rows = self.store(move |store| store.domain_snapshots(uuid)).await?;
        Ok(!rows.is_empty())
    }

    /// Forgets all snapshots of a domain that is no more, also those that can't be read; what is in its images stays.
    pub(super) async fn forget_snapshots(&self, uuid: Uuid) -> Result<(), Error> {
        for row in self.store(move |store| store.domain_snapshots(uuid)).await? {
            remove_file(row.memory.map(PathBuf::from)).await?;
        }
        self.store(move |store| store.put_domain_snapshots(uuid, &[])).await
    }

    /// All that is kept of the snapshots of a domain, by name.
    async fn kept(&self, uuid: Uuid) -> Result<Vec<Kept>, Error> {
        let rows = self.store(move |store| store.domain_snapshots(uuid)).await?;
        let read = |row: DomainSnapshotRow| {
            let snapshot = document::parse_snapshot(&row.xml, false)?;
            Ok(Kept { snapshot, memory: row.memory.map(PathBuf::from), current: row.current })
        };
        rows.into_iter().map(read).collect()
    }

    /// What a domain has now, and what it starts with; volumes are found.
    async fn images_now(&self, uuid: Uuid) -> Result<Vec<DomainConfig>, Error> {
        let live = self.domains.snapshot(uuid).map_err(explain)?;
        let live = live.summary.id.is_some().then_some(live.config);
        let definition = self.domains.definition(uuid).map_err(explain)?;
        let mut now: Vec<DomainConfig> =
            live.into_iter().chain(definition.map(|definition| definition.as_ref().clone())).collect();
        for config in &mut now {
            self.find_volumes(config).await?;
        }
        Ok(now)
    }

    /// What all other domains and their snapshots have; images of theirs are not touched. Refused while a definition can't be read: nobody
    /// knows what it has.
    async fn images_of_others(&self, uuid: Uuid) -> Result<Vec<DomainConfig>, Error> {
        if let Some(unread) = self.definitions.unread().first() {
            let error = cant_be_read(unread);
            let message =
                format!("images can't be removed or merged, for others may have them: {}", error.message);
            return Err(Error { message, ..error });
        }
        let mut configs = Vec::new();
        for other in self.domains.list().into_iter().map(|row| row.uuid) {
            if other == uuid {
                continue;
            }
            configs.extend(self.domains.snapshot(other).ok().map(|found| found.config));
            let definition = self.domains.definition(other).ok().flatten();
            configs.extend(definition.map(|definition| definition.as_ref().clone()));
            for Kept { snapshot, .. } in self.kept(other).await? {
                configs.extend(snapshot.domain.into_iter().chain(snapshot.inactive));
            }
        }
        for config in &mut configs {
            for disk in &mut config.devices.disks {
                // What can't be found nobody has.
                let _ = self.find_disk(&config.name, disk).await;
            }
        }
        Ok(configs)
    }

    /// The same snapshots, whose disks say where their volumes are: the external ones all.
    async fn find_images(&self, domain: &str, kept: &[Kept]) -> Result<Vec<Kept>, Error> {
        let external = kept.iter().flat_map(|kept| kept.snapshot.external_disks());
        let external: BTreeSet<String> = external.map(str::to_owned).collect();
        let mut kept = kept.to_vec();
        for Kept { snapshot, .. } in &mut kept {
            for config in [&mut snapshot.domain, &mut snapshot.inactive].into_iter().flatten() {
                for disk in &mut config.devices.disks {
                    let shown = DomainDisk::from(&*disk);
                    let found = self.find_disk(domain, disk).await;
                    // Where no snapshot is about it, what can't be found nobody has.
                    if external.iter().any(|name| shown.is_named(name)) {
                        found?;
                    }
                }
            }
        }
        Ok(kept)
    }

    /// Keeps these snapshots of a domain, and no others.
    async fn keep(&self, uuid: Uuid, kept: &[Kept]) -> Result<(), Error> {
        let row = |kept: &Kept| DomainSnapshotRow {
            name: kept.name().to_owned(),
            xml: document::format_snapshot(&kept.snapshot),
            memory: kept.memory.as_ref().map(|path| path.display().to_string()),
            current: kept.current,
        };
        let rows: Vec<_> = kept.iter().map(row).collect();
        self.store(move |store| store.put_domain_snapshots(uuid, &rows)).await
    }
}

/// Removes a file of a snapshot, if there is one.
async fn remove_file(memory: Option<PathBuf>) -> Result<(), Error> {
    let Some(path) = memory else { return Ok(()) };
    crate::blocking(move || {
        let removed = std::fs::remove_file(&path).and_then(|()| images::sync_directory(&path));
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("'{}' can't be removed: {error}", path.display());
                Err(Error::new(ErrorCode::Internal, message))
            }
            _ => Ok(()),
        }
    })
    .await
}

/// The snapshot of a name.
fn find<'a>(subject: &Subject, kept: &'a [Kept], name: &str) -> Result<&'a Kept, Error> {
    kept.iter().find(|kept| kept.name() == name).ok_or_else(|| {
        let message = format!("domain '{}' has no snapshot '{name}'", subject.name);
        let hint = format!("'reeve domain snapshot-list {}' shows what it has", subject.name);
        Error::new(ErrorCode::NotFound, message).with_hint(hint)
    })
}

/// Names of all that come from a snapshot, those before their children.
fn descendants(kept: &[Kept], name: &str) -> Vec<String> {
    let mut found = vec![name.to_owned()];
    let mut at = 0;
    while at < found.len() {
        let of = found[at].clone();
        // A snapshot has one parent, so none is found twice, unless somebody wrote a circle.
        let children =
            kept.iter().filter(|kept| kept.parent() == Some(&of)).map(|kept| kept.name().to_owned());
        let new: Vec<_> = children.filter(|child| !found.contains(child)).collect();
        found.extend(new);
        at += 1;
    }
    found.remove(0);
    found
}

fn rows(domain: &str, kept: &[Kept]) -> Vec<SnapshotRow> {
    let row = |one: &Kept| SnapshotRow {
        name: one.name().to_owned(),
        domain: domain.to_owned(),
        description: one.snapshot.description.clone(),
        state: one.snapshot.state,
        created: one.snapshot.created,
        parent: one.snapshot.parent.clone(),
        current: one.current,
        external: one.snapshot.is_external(),
        children: kept.iter().filter(|other| other.parent() == Some(one.name())).count(),
        descendants: descendants(kept, one.name()).len(),
    };
    kept.iter().map(row).collect()
}

/// Where the images of disks are, by target; those that have a path.
fn paths<'a>(
    config: &'a DomainConfig,
    targets: impl Iterator<Item = &'a str>,
) -> Result<Vec<DiskImage>, Error> {
    let image = |target: &str| {
        let disk = config.devices.disks.iter().find(|disk| disk.target == target);
        let path = disk.and_then(|disk| disk.source.path());
        let path = path.ok_or_else(|| {
            let message = format!("domain '{}' had no disk '{target}' with an image then", config.name);
            Error::new(ErrorCode::WrongState, message)
        })?;
        Ok(DiskImage { target: target.to_owned(), path: PathBuf::from(path) })
    };
    targets.map(image).collect()
}
