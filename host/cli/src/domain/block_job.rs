//! `reeve domain blockcommit`, `blockpull`, `blockcopy` and `blockjob` (guide 14.5.15 to 14.5.18).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use reeve_model::Bytes;
use reeve_model::block_job::{
    BlockJob, BlockJobKind, BlockJobState, BlockJobWork, LimitBlockJob, StartBlockJob,
};
use reeve_model::domain::{Device, DiskSource};
use serde::Serialize;

use super::disk::Named;
use crate::context::{Context, read_document};
use crate::output::Show;

/// From one look at a job to the next.
const EVERY: Duration = Duration::from_millis(100);

/// How to wait for a job.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Wait until the job has ended, or is ready
    #[arg(long)]
    wait: bool,
    /// Say how far it is; implies --wait
    #[arg(long)]
    verbose: bool,
    /// Give the job up when it takes longer than so many seconds; implies --wait
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Don't wait until a job that is given up has ended: always waited for here, for scripts written for virsh
    #[arg(long = "async")]
    without_waiting: bool,
}

/// How fast a job may be.
#[derive(Debug, Args)]
pub(crate) struct Speed {
    /// MiB a second at most; 0 is any number
    #[arg(long, value_name = "MIB")]
    bandwidth: Option<u64>,
    /// The bandwidth is in bytes a second
    #[arg(long)]
    bytes: bool,
}

impl Speed {
    fn per_second(&self) -> Bytes {
        bandwidth(self.bandwidth.unwrap_or(0), self.bytes)
    }
}

fn bandwidth(number: u64, bytes: bool) -> Bytes {
    Bytes(if bytes { number } else { number.saturating_mul(1 << 20) })
}

/// Options of `reeve domain blockcommit`.
#[derive(Debug, Args)]
#[command(after_help = "\
What images of a chain have goes into one below them while the guest runs; then they are needed no more. Nobody but this domain may use the
image that all goes into. Images go by their paths, or by target and depth: vda[1] is the backing file of the active image.

Examples:
  reeve domain blockcommit web vda --base /srv/base.img --top /srv/snap2.qcow2 --wait --verbose
  reeve domain blockcommit web vda --active --pivot          the base becomes the disk
  reeve domain blockcommit web vda --active --shallow --pivot --delete")]
pub struct Blockcommit {
    #[command(flatten)]
    disk: Named,
    #[command(flatten)]
    speed: Speed,
    /// The image that all goes into; the last of the chain where nothing is said
    #[arg(long, value_name = "IMAGE", conflicts_with = "shallow")]
    base: Option<String>,
    /// The topmost image that goes into it; the active one where nothing is said
    #[arg(long, value_name = "IMAGE")]
    top: Option<String>,
    /// Into the image right below the topmost
    #[arg(long)]
    shallow: bool,
    /// The active image goes into it too
    #[arg(long)]
    active: bool,
    /// Remove the files that are needed no more
    #[arg(long)]
    delete: bool,
    /// With --active: change over to the base once it has all; implies --active and --wait
    #[arg(long, conflicts_with = "keep_overlay")]
    pivot: bool,
    /// With --active: keep the overlay as it is once the base has all; implies --active and --wait
    #[arg(long)]
    keep_overlay: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Blockcommit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let work = BlockJobWork::Commit {
            top: self.top,
            base: self.base,
            shallow: self.shallow,
            active: self.active || self.pivot || self.keep_overlay,
            delete: self.delete,
        };
        let then = match (self.pivot, self.keep_overlay) {
            (true, _) => Then::Pivot,
            (_, true) => Then::Finish,
            _ => Then::Leave,
        };
        begin(context, self.disk, work, &self.speed, &self.waiting, then).await
    }
}

/// Options of `reeve domain blockpull`.
#[derive(Debug, Args)]
#[command(after_help = "\
What the active image lacks is brought into it from the images below while the guest runs; then it needs them no more.

Examples:
  reeve domain blockpull web vda --wait                       the image stands alone afterwards
  reeve domain blockpull web vda --base /srv/base.img --wait  base <- active")]
pub struct Blockpull {
    #[command(flatten)]
    disk: Named,
    #[command(flatten)]
    speed: Speed,
    /// The image that stays its backing file; none where nothing is said
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// The same, as virsh takes it
    #[arg(value_name = "BASE", conflicts_with = "base")]
    base_by_place: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Blockpull {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let work = BlockJobWork::Pull { base: self.base.or(self.base_by_place) };
        begin(context, self.disk, work, &self.speed, &self.waiting, Then::Leave).await
    }
}

/// Options of `reeve domain blockcopy`.
#[derive(Debug, Args)]
#[command(after_help = "\
The disk is copied into another image while the guest runs. Once the copy has all, what the guest writes goes to both until it is decided
which one goes on: --pivot takes the copy, --finish keeps the disk.

Examples:
  reeve domain blockcopy web vda /fast/web.qcow2 --wait --verbose --pivot
  reeve domain blockcopy web vda --dest /backup/web.img --raw --wait --finish
  reeve domain blockcopy web vda --dest /srv/new.qcow2 --shallow --reuse-external --pivot")]
pub struct Blockcopy {
    #[command(flatten)]
    disk: Named,
    /// Path of the copy
    #[arg(value_name = "DEST", required_unless_present_any = ["dest", "xml"])]
    destination: Option<String>,
    /// The same, as virsh names the option
    #[arg(long, value_name = "PATH", conflicts_with_all = ["destination", "xml"])]
    dest: Option<String>,
    /// File with a <disk> document that says where the copy goes and in which format
    #[arg(long, value_name = "FILE", conflicts_with_all = ["destination", "format", "raw", "blockdev"])]
    xml: Option<PathBuf>,
    #[command(flatten)]
    speed: Speed,
    /// Only what the active image has itself: the copy has the same backing file
    #[arg(long)]
    shallow: bool,
    /// The copy is there already, as an image of at least the same size
    #[arg(long)]
    reuse_external: bool,
    /// The copy is a block device
    #[arg(long)]
    blockdev: bool,
    /// The copy is raw
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    /// Format of the copy: raw or qcow2; that of the disk where nothing is said
    #[arg(long)]
    format: Option<String>,
    /// Change over to the copy once it has all; implies --wait
    #[arg(long, conflicts_with = "finish")]
    pivot: bool,
    /// Stop copying once the copy has all, and keep the disk; implies --wait
    #[arg(long)]
    finish: bool,
    /// The job ends with the machine: always so, for scripts written for virsh
    #[arg(long)]
    transient_job: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Blockcopy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let said = self.destination.or(self.dest);
        let (destination, block_device, format) = match (&self.xml, said) {
            (Some(file), _) => from_document(&read_document(file)?)?,
            (None, said) => {
                let format = if self.raw { Some("raw".to_owned()) } else { self.format };
                (said.unwrap_or_default(), self.blockdev, format)
            }
        };
        let work = BlockJobWork::Copy {
            destination,
            block_device,
            format,
            shallow: self.shallow,
            reuse_external: self.reuse_external,
        };
        let then = match (self.pivot, self.finish) {
            (true, _) => Then::Pivot,
            (_, true) => Then::Finish,
            _ => Then::Leave,
        };
        begin(context, self.disk, work, &self.speed, &self.waiting, then).await
    }
}

/// Where a `<disk>` document says that a copy goes.
fn from_document(text: &str) -> anyhow::Result<(String, bool, Option<String>)> {
    let Device::Disk(disk) = reeve_xml::device::parse(text)? else {
        anyhow::bail!("the document of a copy is a <disk>");
    };
    let format = disk.driver.format.clone();
    match disk.source {
        DiskSource::File { path: Some(path) } => Ok((path, false, format)),
        DiskSource::Block { path: Some(path) } => Ok((path, true, format)),
        _ => anyhow::bail!("the <disk> of a copy names a file or a block device in its <source>"),
    }
}

/// Options of `reeve domain blockjob`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain blockjob web vda                how far the job is, or how the last one ended
  reeve domain blockjob web vda 50             50 MiB a second at most
  reeve domain blockjob web vda --pivot        change over to the image that the job has filled
  reeve domain blockjob web vda --abort")]
pub struct Blockjob {
    #[command(flatten)]
    disk: Named,
    /// MiB a second at most from now on; 0 is any number
    #[arg(value_name = "MIB", conflicts_with_all = ["abort", "pivot", "info"])]
    bandwidth: Option<u64>,
    /// The bandwidth is in bytes a second; with --info, as it is shown
    #[arg(long)]
    bytes: bool,
    /// Show how far it is: what is done where nothing else is said
    #[arg(long, conflicts_with_all = ["abort", "pivot"])]
    info: bool,
    /// Show it for programs
    #[arg(long)]
    raw: bool,
    /// Give it up; a copy that has all stays
    #[arg(long)]
    abort: bool,
    /// Change over to the image that it has filled
    #[arg(long, conflicts_with = "abort")]
    pivot: bool,
    /// Don't wait until a job that is given up has ended: always waited for here, for scripts written for virsh
    #[arg(long = "async")]
    without_waiting: bool,
}

impl Blockjob {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (domain, disk) = (&self.disk.target.domain, &self.disk.disk);
        let client = &context.client;
        let job = if self.abort {
            client.abort_block_job(domain, disk).await?
        } else if self.pivot {
            client.pivot_block_job(domain, disk).await?
        } else if let Some(number) = self.bandwidth {
            let limit = LimitBlockJob { bandwidth: bandwidth(number, self.bytes) };
            client.limit_block_job(domain, disk, limit).await?
        } else {
            client.block_job(domain, disk).await?
        };
        context.show(&Job { job, raw: self.raw, bytes: self.bytes, aborted: self.abort })
    }
}

/// What follows once a job is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Leave,
    Pivot,
    Finish,
}

async fn begin(
    context: &mut Context,
    disk: Named,
    work: BlockJobWork,
    speed: &Speed,
    waiting: &Waiting,
    then: Then,
) -> anyhow::Result<()> {
    let (domain, disk) = (disk.target.domain, disk.disk);
    let start = StartBlockJob { work, bandwidth: speed.per_second() };
    let mut job = context.client.start_block_job(&domain, &disk, &start).await?;
    // A pivot gives the disk another path; its target stays.
    let disk = job.disk.clone();
    let waits = waiting.wait || waiting.verbose || waiting.timeout.is_some() || then != Then::Leave;
    let begun = Instant::now();
    let mut shown = None;
    while waits && job.state == BlockJobState::Running {
        if waiting.verbose && shown != Some(percent(&job)) {
            shown = Some(percent(&job));
            context.note(&format!("{}: [{:>3} %]", name(job.kind), percent(&job)));
        }
        if waiting.timeout.is_some_and(|seconds| begun.elapsed() >= Duration::from_secs(seconds)) {
            context.client.abort_block_job(&domain, &disk).await?;
            anyhow::bail!("{} of disk '{disk}' was given up: it took longer than it may", name(job.kind));
        }
        tokio::time::sleep(EVERY).await;
        job = context.client.block_job(&domain, &disk).await?;
    }
    if job.state == BlockJobState::Ready {
        job = match then {
            Then::Leave => job,
            Then::Pivot => context.client.pivot_block_job(&domain, &disk).await?,
            Then::Finish => context.client.abort_block_job(&domain, &disk).await?,
        };
    }
    let failed = job.state == BlockJobState::Failed;
    let cause = job.error.clone().filter(|_| failed);
    let given_up = then == Then::Leave && waits && job.state == BlockJobState::Cancelled;
    if failed || given_up {
        let how = if failed { "failed" } else { "was given up" };
        let sentence = format!("{} of disk '{disk}' {how}", name(job.kind));
        return Err(match cause {
            Some(cause) => anyhow::anyhow!(cause).context(sentence),
            None => anyhow::anyhow!(sentence),
        });
    }
    context.show(&Begun(job))
}

/// A job in one line, after those of a migration.
pub(super) fn line(job: &BlockJob) -> String {
    format!("{:<19}{} [{} %] {}", format!("Disk {}:", job.disk), name(job.kind), percent(job), state(job))
}

fn percent(job: &BlockJob) -> u64 {
    (job.done.0.min(job.total.0) * 100).checked_div(job.total.0).unwrap_or(100)
}

/// As virsh calls them.
fn name(kind: BlockJobKind) -> &'static str {
    match kind {
        BlockJobKind::Pull => "Block Pull",
        BlockJobKind::Commit => "Block Commit",
        BlockJobKind::ActiveCommit => "Active Block Commit",
        BlockJobKind::Copy => "Block Copy",
    }
}

fn state(job: &BlockJob) -> &'static str {
    match (job.state, job.pivoted) {
        (BlockJobState::Running, _) => "running",
        (BlockJobState::Ready, _) => "ready",
        (BlockJobState::Completed, true) => "completed, the disk has changed over",
        (BlockJobState::Completed, false) => "completed",
        (BlockJobState::Failed, _) => "failed",
        (BlockJobState::Cancelled, _) => "given up",
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Begun(BlockJob);

impl Show for Begun {
    const ELEMENT: &'static str = "block-job";

    fn human(&self) -> String {
        let job = &self.0;
        format!("{} of disk '{}': {}", name(job.kind), job.disk, state(job))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Job {
    job: BlockJob,
    #[serde(skip)]
    raw: bool,
    #[serde(skip)]
    bytes: bool,
    /// Somebody has just given it up.
    #[serde(skip)]
    aborted: bool,
}

impl Job {
    fn state(&self) -> &'static str {
        match self.job.state {
            BlockJobState::Completed if self.aborted && !self.job.pivoted => {
                "given up, the copy has all and stays"
            }
            _ => state(&self.job),
        }
    }
}

impl Show for Job {
    const ELEMENT: &'static str = "block-job";

    fn human(&self) -> String {
        let job = &self.job;
        let limit = job.bandwidth.0;
        if self.raw {
            let (kind, state) = (name(job.kind), self.state());
            let limit = if self.bytes { limit } else { limit >> 20 };
            return format!(
                " type={kind}\n state={state}\n bandwidth={limit}\n cur={}\n end={}",
                job.done.0, job.total.0
            );
        }
        let mut lines = vec![format!("{}: [{:>3} %] {}", name(job.kind), percent(job), self.state())];
        match (limit, self.bytes) {
            (0, _) => {}
            (limit, true) => lines.push(format!("    Bandwidth limit: {limit} bytes/s")),
            (limit, false) => {
                lines.push(format!("    Bandwidth limit: {:.3} MiB/s", limit as f64 / f64::from(1 << 20)));
            }
        }
        lines.extend(job.successor.as_ref().map(|path| format!("    Copy: {path}")));
        lines.extend(job.error.as_ref().map(|error| format!("    Error: {error}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_shown_as_virsh_does_and_says_how_it_ended() {
        let job = BlockJob {
            disk: "vda".to_owned(),
            kind: BlockJobKind::Copy,
            state: BlockJobState::Running,
            error: None,
            done: Bytes(3 << 20),
            total: Bytes(8 << 20),
            bandwidth: Bytes(5 << 20),
            successor: Some("/new.img".to_owned()),
            successor_format: Some("raw".to_owned()),
            pivoted: false,
        };
        let shown = |raw, bytes| Job { job: job.clone(), raw, bytes, aborted: false }.human();
        assert_eq!(
            shown(false, false),
            "Block Copy: [ 37 %] running\n    Bandwidth limit: 5.000 MiB/s\n    Copy: /new.img"
        );
        assert!(shown(false, true).contains("Bandwidth limit: 5242880 bytes/s"));
        assert!(shown(true, false).contains(" bandwidth=5\n cur=3145728\n end=8388608"));
        let whole = BlockJob { state: BlockJobState::Completed, ..job.clone() };
        let after = |aborted| Job { job: whole.clone(), raw: false, bytes: false, aborted }.human();
        assert!(after(false).contains("] completed\n"), "{}", after(false));
        assert!(after(true).contains("] given up, the copy has all and stays\n"), "{}", after(true));
        let ended = BlockJob { state: BlockJobState::Completed, pivoted: true, ..job };
        assert_eq!(Begun(ended).human(), "Block Copy of disk 'vda': completed, the disk has changed over");
    }
}
