//! Images: conversions by both command lines, neither waiting for the disk, and a look at a thousand.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reeve_image::{CreateOptions, Format, ImageFile};
use reeve_tests::binary;

use crate::row::Row;
use crate::samples::Samples;

const RUNS: usize = 7;
/// The disk: half of it data, in pieces with holes between them.
const SIZE: u64 = 2 << 30;
pub(super) const PIECE: u64 = 8 << 20;
const IMAGES: usize = 1000;
const INFO_RUNS: usize = 3;
pub(super) const PEER: &str = "qemu-img";

pub fn measure() -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    source(&directory.join("raw"))?;
    // Both read what is in the page cache.
    run(directory, PEER, &["convert", "-f", "raw", "-O", "qcow2", "raw", "qcow2"])?;
    Ok(vec![
        convert(directory, "convert-raw-qcow2", "raw", "qcow2")?,
        convert(directory, "convert-qcow2-raw", "qcow2", "raw")?,
        info(directory)?,
    ])
}

fn source(path: &Path) -> Result<()> {
    pieces(path, SIZE, 2 * PIECE)
}

/// A file with a piece of data at the start of every `step` bytes, and holes between.
pub(super) fn pieces(path: &Path, size: u64, step: u64) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    let mut number = 1_u64;
    let mut piece = vec![0; PIECE as usize];
    for offset in (0..size).step_by(step as usize) {
        for word in piece.as_chunks_mut::<8>().0 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *word = number.to_le_bytes();
        }
        file.write_all_at(&piece, offset)?;
    }
    Ok(file.sync_all()?)
}

fn convert(directory: &Path, name: &'static str, from: &str, to: &str) -> Result<Row> {
    let reeve = binary()?;
    let reeve = reeve.to_str().context("a path of UTF-8")?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        let arguments = ["image", "convert", "-t", "unsafe", "-f", from, "-O", to, from, "new"];
        ours.add(timed(directory, reeve, &arguments)?);
        theirs.add(timed(directory, PEER, &["convert", "-f", from, "-O", to, from, "new"])?);
    }
    Ok(Row::alone("storage", name, "ms", ours.median_ms(), ours.len()).against(PEER, theirs.median_ms()))
}

fn timed(directory: &Path, program: &str, arguments: &[&str]) -> Result<std::time::Duration> {
    let before = Instant::now();
    run(directory, program, arguments)?;
    let took = before.elapsed();
    std::fs::remove_file(directory.join("new"))?;
    Ok(took)
}

/// In one process, as the daemon does it, against a process an image.
fn info(directory: &Path) -> Result<Row> {
    let open = |number: usize| -> Result<ImageFile> {
        let path = directory.join(format!("{number}.qcow2"));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        Ok(ImageFile::new(file, path.display().to_string())?)
    };
    for number in 0..IMAGES {
        reeve_image::create(open(number)?, &CreateOptions::new(Format::Qcow2, 20 << 30))?;
    }
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..INFO_RUNS {
        let before = Instant::now();
        for number in 0..IMAGES {
            let info = reeve_image::info(open(number)?, Format::Qcow2)?;
            ensure!(info.virtual_size == 20 << 30, "an image has another size");
        }
        ours.add(before.elapsed());
        let before = Instant::now();
        for number in 0..IMAGES {
            run(directory, PEER, &["info", "-f", "qcow2", &format!("{number}.qcow2")])?;
        }
        theirs.add(before.elapsed());
    }
    Ok(Row::alone("storage", "info-1000", "ms", ours.median_ms(), ours.len())
        .against(PEER, theirs.median_ms()))
}

pub(super) fn run(directory: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a bench runs both programs as a user does")]
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .with_context(|| format!("{program} can't be run"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?} failed: {errors}");
    Ok(())
}
