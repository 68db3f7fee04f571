//! Jobs on the images of running domains' disks (guide 14.5.15 to 14.5.18).
//!
//! A job lives in the worker of its domain and ends with it. What becomes of the disk when it pivots is changed here too: the live
//! configuration by the domain's owner, the definition by an operation of two steps.

use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{BlockJobDemand, DomainError, Request, Turn};
use reeve_model::block_job::{BlockJob, BlockJobKind, BlockJobState, LimitBlockJob, StartBlockJob};
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::definition_change::replace;
use super::{Subject, disk};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step, Unnoted};

impl Actions {
    /// The jobs of the disks of a running domain: those that go on, and the last one of each disk.
    pub async fn block_jobs(&self, actor: &Actor, key: &str) -> Result<Vec<BlockJob>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        self.domains.block_jobs(subject.uuid).await.map_err(explain)
    }

    /// The job of a disk: the one that goes on, or the last one.
    pub async fn block_job(&self, actor: &Actor, key: &str, name: &str) -> Result<BlockJob, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let disk = self.running_disk(&subject, name)?;
        self.job_of(&subject, &disk.target).await
    }

    /// Begins a job on the images of a disk, and says how far it is at once.
    pub async fn start_block_job(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        start: StartBlockJob,
    ) -> Result<BlockJob, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let (turn, disk) = self.disk_turn(actor, &subject, name, Request::UpdateDevice).await?;
        if let Some((pool, _)) = self.volume_behind(&disk) {
            self.pool(actor, Verb::VolumeChange, &pool.to_string())?;
        }
        Box::pin(self.refuse_commit(&subject, &disk, &start.work)).await?;
        turn.start_block_job(&disk.target, start.work, start.bandwidth).await.map_err(explain)?;
        drop(turn);
        self.job_of(&subject, &disk.target).await
    }

    /// Gives a job another bandwidth.
    pub async fn limit_block_job(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        limit: LimitBlockJob,
    ) -> Result<BlockJob, Error> {
        self.demand_of_job(actor, key, name, BlockJobDemand::Limit(limit.bandwidth)).await
    }

    /// Gives a job up. A copy that is ready is whole and stays; the disk stays what it was.
    pub async fn abort_block_job(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
    ) -> Result<BlockJob, Error> {
        self.demand_of_job(actor, key, name, BlockJobDemand::Cancel).await
    }

    /// Lets the image that a job which is ready has filled take the place of the disk's, also in the definition.
    pub async fn pivot_block_job(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
    ) -> Result<BlockJob, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let (turn, disk) = self.disk_turn(actor, &subject, name, Request::PivotJob).await?;
        let job = self.job_of(&subject, &disk.target).await?;
        if !matches!(job.kind, BlockJobKind::Copy | BlockJobKind::ActiveCommit) {
            let message = format!(
                "the block job of disk '{}' of domain '{}' has no image to change over to",
                disk.target, subject.name
            );
            return Err(Error::new(ErrorCode::WrongState, message));
        }
        if job.state != BlockJobState::Ready {
            let message = format!(
                "the block job of disk '{}' of domain '{}' is not ready to change over",
                disk.target, subject.name
            );
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(format!(
                "'reeve domain blockjob {} {}' shows how far it is",
                subject.name, disk.target
            )));
        }
        let operation = Pivot {
            uuid: subject.uuid,
            actor: actor.clone(),
            before: disk.clone(),
            successor: job.successor.unwrap_or_default(),
            format: job.successor_format,
            turn: Some(turn),
        };
        self.perform(actor, operation).await?;
        self.job_of(&subject, &disk.target).await
    }

    async fn demand_of_job(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        demand: BlockJobDemand,
    ) -> Result<BlockJob, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let (turn, disk) = self.disk_turn(actor, &subject, name, Request::SteerJob).await?;
        if !self.job_of(&subject, &disk.target).await?.state.is_active() {
            return Err(no_job(&subject, &disk.target));
        }
        turn.demand_block_job(&disk.target, demand).await.map_err(explain)?;
        drop(turn);
        self.job_of(&subject, &disk.target).await
    }

    async fn disk_turn(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &Subject,
        name: &str,
        request: Request,
    ) -> Result<(Turn, Disk), Error> {
        self.permits(subject, request)?;
        let turn = self.turn(actor, subject.uuid, request).await?;
        let disk = self.running_disk(subject, name)?;
        Ok((turn, disk))
    }

    fn running_disk(&self, subject: &Subject, name: &str) -> Result<Disk, Error> {
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if snapshot.summary.id.is_none() {
            let (name, sentence) = (subject.name.clone(), "is not running".to_owned());
            return Err(explain(DomainError::WrongState { name, sentence }));
        }
        disk::find(&snapshot.config, name).cloned()
    }

    async fn job_of(&self, subject: &Subject, target: &str) -> Result<BlockJob, Error> {
        let jobs = self.domains.block_jobs(subject.uuid).await.map_err(explain)?;
        jobs.into_iter().find(|job| job.disk == target).ok_or_else(|| no_job(subject, target))
    }
}

fn no_job(subject: &Subject, target: &str) -> Error {
    let message = format!("disk '{target}' of domain '{}' has no block job", subject.name);
    Error::new(ErrorCode::WrongState, message)
}

/// A disk changes over to the image that its job has filled.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pivot {
    uuid: Uuid,
    actor: Actor,
    /// The disk as it was.
    before: Disk,
    /// The path of what takes its place.
    successor: String,
    /// Its format.
    format: Option<String>,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Pivot {
    /// The disk of a configuration that this is about.
    fn disk<'a>(&self, config: &'a DomainConfig) -> Option<&'a Disk> {
        config.devices.disks.iter().find(|disk| disk.target == self.before.target)
    }
}

impl Operation for Pivot {
    const KIND: &'static str = "domain-block-pivot";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&PivotMachine, &PivotDefinition]
    }
}

/// The machine has the other image, and so has the live configuration.
struct PivotMachine;

#[async_trait]
impl Step<Pivot> for PivotMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, _actions: &Arc<Actions>, pivot: &mut Pivot) -> Result<(), Error> {
        let turn = pivot.turn.as_ref().expect("an interrupted pivot is not run again");
        turn.demand_block_job(&pivot.before.target, BlockJobDemand::Pivot).await.map_err(explain)
    }

    async fn undo(&self, _actions: &Arc<Actions>, _pivot: &mut Pivot) -> Result<(), Error> {
        // One that failed has changed nothing.
        Ok(())
    }

    /// Both images have the same content until the machine writes to one of them only, which the other is then stale of: so a machine that is
    /// gone may have pivoted, and the new image is right whether it had or not.
    fn after_crash(&self, actions: &Actions, pivot: &Pivot) -> Next {
        let live = actions.domains.snapshot(pivot.uuid).ok().filter(|found| found.summary.id.is_some());
        match live {
            None => Next::Forward,
            Some(found) => {
                let now = pivot.disk(&found.config).and_then(|disk| disk.source.path());
                if now == Some(pivot.successor.as_str()) { Next::Forward } else { Next::Back }
            }
        }
    }
}

/// The definition has it too, if it had the same image as the machine.
struct PivotDefinition;

#[async_trait]
impl Step<Pivot> for PivotDefinition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, pivot: &mut Pivot) -> Result<(), Error> {
        let Ok(Some(before)) = actions.domains.definition(pivot.uuid) else { return Ok(()) };
        let mut after = before.as_ref().clone();
        let place = after
            .devices
            .disks
            .iter_mut()
            .find(|disk| disk.target == pivot.before.target && is_same_source(disk, &pivot.before));
        let Some(place) = place else { return Ok(()) };
        let path = Some(pivot.successor.clone());
        let is_device = |path: &String| {
            std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
        };
        place.source = match is_device(&pivot.successor) {
            true => DiskSource::Block { path },
            false => DiskSource::File { path },
        };
        place.driver.format = pivot.format.clone();
        replace(actions, &pivot.actor, &before, after).await
    }

    fn unnoted(&self) -> Unnoted {
        // The machine has the other image.
        Unnoted::OnAnyway
    }

    async fn undo(&self, _actions: &Arc<Actions>, _pivot: &mut Pivot) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _pivot: &Pivot) -> Next {
        Next::Again
    }
}

/// Whether two disks are on one image; a volume of a definition was not looked up.
fn is_same_source(one: &Disk, other: &Disk) -> bool {
    match (&one.source, &other.source) {
        (DiskSource::Volume { pool, volume, .. }, DiskSource::Volume { pool: same, volume: other, .. }) => {
            (pool, volume) == (same, other)
        }
        (one, other) => one.path().is_some() && one.path() == other.path(),
    }
}
