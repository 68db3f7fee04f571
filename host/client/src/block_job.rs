//! Verbs on the jobs of disks. `domain` is a name or a UUID, `disk` a target or a path.

use hyper::Method;
use reeve_model::block_job::{BlockJob, LimitBlockJob, StartBlockJob};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Jobs of the disks of a running domain: those that go on, and the last one of each disk.
    pub async fn block_jobs(&self, domain: &str) -> Result<Vec<BlockJob>, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "block-jobs"]), Payload::Empty).await
    }

    /// The job of a disk: the one that goes on, or the last one.
    pub async fn block_job(&self, domain: &str, disk: &str) -> Result<BlockJob, ClientError> {
        self.call(Method::GET, job(domain, disk), Payload::Empty).await
    }

    /// Begins a job on the images of a disk.
    pub async fn start_block_job(
        &self,
        domain: &str,
        disk: &str,
        start: &StartBlockJob,
    ) -> Result<BlockJob, ClientError> {
        self.call(Method::POST, job(domain, disk), Payload::json(start)?).await
    }

    /// Gives the job of a disk another bandwidth.
    pub async fn limit_block_job(
        &self,
        domain: &str,
        disk: &str,
        limit: LimitBlockJob,
    ) -> Result<BlockJob, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "block-job", "bandwidth"]);
        self.call(Method::PUT, target, Payload::json(&limit)?).await
    }

    /// Gives the job of a disk up.
    pub async fn abort_block_job(&self, domain: &str, disk: &str) -> Result<BlockJob, ClientError> {
        self.call(Method::DELETE, job(domain, disk), Payload::Empty).await
    }

    /// Lets the image that a job has filled take the place of the disk's.
    pub async fn pivot_block_job(&self, domain: &str, disk: &str) -> Result<BlockJob, ClientError> {
        let target = Target::new(&["domains", domain, "disks", disk, "block-job", "pivot"]);
        self.call(Method::POST, target, Payload::Empty).await
    }
}

fn job(domain: &str, disk: &str) -> Target {
    Target::new(&["domains", domain, "disks", disk, "block-job"])
}
