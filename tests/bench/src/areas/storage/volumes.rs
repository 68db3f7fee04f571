//! Volumes of a real daemon through its command line. A clone and an upload are on the disk when they are done, and the peer waits for
//! that too (`-t writeback`); a download is left to the page cache by both.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reeve_image::{CreateOptions, Format, ImageFile};
use reeve_tests::Daemon;

use super::images::{PEER, PIECE, pieces, run};
use crate::row::{Row, THROUGHPUT};
use crate::samples::Samples;

const RUNS: usize = 5;
/// A disk of which a sixteenth is data.
const SPARSE: u64 = 8 << 30;
/// What is sent and fetched: data without a hole.
const STREAM: u64 = 512 << 20;
const VOLUMES: usize = 5000;
/// Images that the peer looks at; its time is scaled to all.
const SAMPLE: usize = 250;

pub fn measure() -> Result<Vec<Row>> {
    let mut daemon = Daemon::start()?;
    let place = tempfile::tempdir()?;
    let pool = place.path().join("images");
    let path = pool.display().to_string();
    daemon.reeve(&["pool", "define-as", "lab", "dir", "-", "-", "-", "-", &path])?.ok();
    daemon.reeve(&["pool", "build", "lab"])?.ok();
    daemon.reeve(&["pool", "start", "lab"])?.ok();
    pieces(&pool.join("sparse"), SPARSE, 16 * PIECE)?;
    pieces(&place.path().join("data"), STREAM, PIECE)?;
    daemon.reeve(&["pool", "refresh", "lab"])?.ok();
    let rows = vec![
        clone(&daemon, &pool)?,
        upload(&daemon, place.path())?,
        download(&daemon, place.path())?,
        refresh(&daemon, place.path())?,
    ];
    daemon.stop()?;
    Ok(rows)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = Instant::now();
    work()?;
    Ok(before.elapsed())
}

fn clone(daemon: &Daemon, pool: &Path) -> Result<Row> {
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        ours.add(timed(|| {
            daemon.reeve(&["vol", "clone", "--pool", "lab", "sparse", "copy"])?.ok();
            Ok(())
        })?);
        daemon.reeve(&["vol", "delete", "--pool", "lab", "copy"])?.ok();
        let words = ["convert", "-t", "writeback", "-f", "raw", "-O", "raw", "sparse", "copy"];
        theirs.add(timed(|| run(pool, PEER, &words))?);
        std::fs::remove_file(pool.join("copy"))?;
    }
    let row = Row::alone("storage", "clone-sparse-8g", "ms", ours.median_ms(), ours.len());
    Ok(row.against("qemu-img -t writeback", theirs.median_ms()))
}

fn throughput(name: &'static str, peer: &'static str, ours: &Samples, theirs: &Samples) -> Row {
    let rate = |samples: &Samples| STREAM as f64 / 1e3 / samples.median_ms();
    Row::alone("storage", name, THROUGHPUT, rate(ours), ours.len()).against(peer, rate(theirs))
}

/// A file of the client, which is handed over (decisions/0014), against a copy by a process that opens both files. The volume is on the
/// medium when it is done, by both.
fn upload(daemon: &Daemon, place: &Path) -> Result<Row> {
    let file = place.join("data").display().to_string();
    daemon.reeve(&["vol", "create-as", "lab", "stream", &STREAM.to_string()])?.ok();
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        ours.add(timed(|| {
            daemon.reeve(&["vol", "upload", "--pool", "lab", "stream", &file])?.ok();
            Ok(())
        })?);
        let words = ["convert", "-n", "-t", "writeback", "-f", "raw", "-O", "raw", "data", "images/stream"];
        theirs.add(timed(|| run(place, PEER, &words))?);
    }
    Ok(throughput("upload", "qemu-img -n -t writeback", &ours, &theirs))
}

fn download(daemon: &Daemon, place: &Path) -> Result<Row> {
    let back = place.join("back").display().to_string();
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        ours.add(timed(|| {
            daemon.reeve(&["vol", "download", "--pool", "lab", "stream", &back])?.ok();
            Ok(())
        })?);
        std::fs::remove_file(&back)?;
        theirs.add(timed(|| {
            run(place, PEER, &["convert", "-f", "raw", "-O", "raw", "images/stream", "back"])
        })?);
        std::fs::remove_file(&back)?;
    }
    Ok(throughput("download", PEER, &ours, &theirs))
}

/// The first look at a pool of images against a process an image.
fn refresh(daemon: &Daemon, place: &Path) -> Result<Row> {
    let directory = place.join("many");
    std::fs::create_dir(&directory)?;
    for number in 0..VOLUMES {
        let path = directory.join(format!("{number}.qcow2"));
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
        let image = ImageFile::new(file, path.display().to_string())?;
        reeve_image::create(image, &CreateOptions::new(Format::Qcow2, 20 << 30))?;
    }
    let path = directory.display().to_string();
    daemon.reeve(&["pool", "define-as", "many", "dir", "-", "-", "-", "-", &path])?.ok();
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        ours.add(timed(|| {
            daemon.reeve(&["pool", "start", "many"])?.ok();
            Ok(())
        })?);
        let info = daemon.reeve(&["pool", "list", "-o", "json"])?.ok();
        let pools: serde_json::Value = serde_json::from_str(&info)?;
        let many = pools.as_array().into_iter().flatten().find(|pool| pool["name"] == "many");
        let volumes = many.context("the pool is listed")?["volumes"].as_u64();
        ensure!(volumes == Some(VOLUMES as u64), "{volumes:?} volumes were found");
        daemon.reeve(&["pool", "destroy", "many"])?.ok();
        let sample = timed(|| {
            (0..SAMPLE).try_for_each(|number| {
                run(&directory, PEER, &["info", "-f", "qcow2", &format!("{number}.qcow2")])
            })
        })?;
        theirs.add(sample * (VOLUMES / SAMPLE) as u32);
    }
    let row = Row::alone("storage", "refresh-5000", "ms", ours.median_ms(), ours.len());
    Ok(row.against("qemu-img info 250 x20", theirs.median_ms()))
}
