//! Commands that change an image and are killed: the image is as it was or as it shall be, and nothing of it is wrong.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reeve_tests::binary;
use serde_json::Value;

use crate::{Desk, Outcome};

/// How often each command is killed, each time a little later.
const TIMES: u32 = 12;
const MIB: usize = 1 << 20;

/// Starts a command and kills it after `wait`, where that is given; how long it ran, and whether it came to its end.
fn run(desk: &Desk, arguments: &[&str], wait: Option<Duration>) -> anyhow::Result<(Duration, bool)> {
    #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
    let mut command = Command::new(binary()?);
    command.args(arguments.iter().map(|word| desk.word(word)));
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let Some(wait) = wait else {
        anyhow::ensure!(child.wait()?.success(), "{arguments:?} failed");
        return Ok((began.elapsed(), true));
    };
    while began.elapsed() < wait && child.try_wait()?.is_none() {
        std::thread::park_timeout(Duration::from_micros(200));
    }
    child.kill()?;
    Ok((began.elapsed(), child.wait()?.success()))
}

/// Space that nobody uses is the worst there may be, by both programs.
fn sound(desk: &Desk, image: &str) -> Outcome {
    let check = desk.reeve(&["image", "check", "-f", "qcow2", "-o", "json", &format!("@{image}")])?;
    let check: Value = serde_json::from_str(&check.stdout)?;
    assert_eq!(check["corruptions"], 0, "{check:#}");
    desk.peer(&["check", "-q", "-f", "qcow2", "-r", "leaks", image])?;
    Ok(())
}

/// The image shows one of these disks.
fn shows(desk: &Desk, image: &str, disks: &[&str]) -> Outcome {
    let same = |disk: &&str| desk.peer(&["compare", "-q", "-f", "qcow2", "-F", "raw", image, disk]).is_ok();
    anyhow::ensure!(disks.iter().any(same), "{image} shows none of {disks:?}");
    Ok(())
}

/// Every snapshot shows its disk.
fn keeps(desk: &Desk, image: &str, snapshots: &[(&str, &str)]) -> Outcome {
    let list = desk.peer(&["snapshot", "-l", image])?;
    for (snapshot, disk) in snapshots.iter().filter(|(snapshot, _)| list.contains(snapshot)) {
        desk.peer(&["convert", "-f", "qcow2", "-O", "raw", "-l", snapshot, image, "kept.raw"])?;
        desk.peer(&["compare", "-q", "-f", "raw", "-F", "raw", "kept.raw", disk])?;
    }
    Ok(())
}

/// Runs a command that is killed again and again, each time on fresh copies of the images `NAME.old`.
fn again_and_again(desk: &Desk, arguments: &[&str], images: &[&str], judge: impl Fn() -> Outcome) -> Outcome {
    let fresh = || -> Outcome {
        for image in images {
            std::fs::copy(desk.path(&format!("{image}.old")), desk.path(image))?;
        }
        Ok(())
    };
    fresh()?;
    let (mut whole, _) = run(desk, arguments, None)?;
    judge()?;
    let (mut killed, mut time) = (0, 0);
    while killed < TIMES && time < 4 * TIMES {
        fresh()?;
        let (took, ended) = run(desk, arguments, Some(whole * (time % TIMES) / TIMES))?;
        match ended {
            // The run before was held up by others.
            true => whole = whole.min(took),
            false => killed += 1,
        }
        for image in images {
            sound(desk, image)?;
        }
        judge().map_err(|error| error.context(format!("{arguments:?} was killed the {killed}. time")))?;
        time += 1;
    }
    anyhow::ensure!(killed >= TIMES / 3, "{arguments:?} was killed {killed} times only");
    Ok(())
}

/// An image in small clusters with the snapshot `first` of the disk `first.raw`, that shows `second.raw`.
fn with_snapshot(test: &str) -> anyhow::Result<Option<Desk>> {
    let Some(desk) = Desk::new(test)? else { return Ok(None) };
    desk.raw("first.raw", 40 << 20, &[(0, 24 * MIB, 1)])?;
    desk.raw("second.raw", 40 << 20, &[(0, 12 * MIB, 1), (12 << 20, 20 * MIB, 2)])?;
    let shape = "cluster_size=4096";
    desk.peer(&["convert", "-f", "raw", "-O", "qcow2", "-o", shape, "first.raw", "disk.old"])?;
    desk.peer(&["snapshot", "-c", "first", "disk.old"])?;
    let bench = |offset: &str, count: &str| {
        let words = ["--pattern", "2", "-s", "1M", "--offset", offset, "--count", count, "@disk.old"];
        desk.reeve(&[&["image", "bench", "-f", "qcow2", "--write"][..], &words].concat())
    };
    bench("12M", "20")?.ok();
    shows(&desk, "disk.old", &["second.raw"])?;
    sound(&desk, "disk.old")?;
    Ok(Some(desk))
}

#[test]
fn snapshots_are_made_applied_and_deleted_as_a_whole() -> Outcome {
    let test = "snapshots_are_made_applied_and_deleted_as_a_whole";
    let Some(desk) = with_snapshot(test)? else { return Ok(()) };
    let snapshots = [("first", "first.raw"), ("other", "second.raw")];
    for (words, disks) in [
        (["create", "@disk", "other"], &["second.raw"][..]),
        (["apply", "@disk", "first"], &["first.raw", "second.raw"]),
        (["delete", "@disk", "first"], &["second.raw"]),
    ] {
        let arguments = [&["image", "snapshot"][..], &words].concat();
        again_and_again(&desk, &arguments, &["disk"], || {
            shows(&desk, "disk", disks)?;
            keeps(&desk, "disk", &snapshots)
        })?;
    }
    Ok(())
}

#[test]
fn a_resize_that_is_killed_leaves_the_disk() -> Outcome {
    let Some(desk) = with_snapshot("a_resize_that_is_killed_leaves_the_disk")? else { return Ok(()) };
    // Larger than the L1 table of before.
    for arguments in [
        &["image", "resize", "-f", "qcow2", "--preallocation", "metadata", "@disk", "+1G"][..],
        &["image", "resize", "-f", "qcow2", "--shrink", "@disk", "-4M"],
    ] {
        again_and_again(&desk, arguments, &["disk"], || {
            shows(&desk, "disk", &["second.raw"])?;
            keeps(&desk, "disk", &[("first", "first.raw")])
        })?;
    }
    Ok(())
}

#[test]
fn a_chain_that_is_rebased_or_committed_shows_what_it_showed() -> Outcome {
    let test = "a_chain_that_is_rebased_or_committed_shows_what_it_showed";
    let Some(desk) = Desk::new(test)? else { return Ok(()) };
    desk.raw("base.raw", 32 << 20, &[(0, 16 * MIB, 1)])?;
    desk.raw("top.raw", 32 << 20, &[(0, 8 * MIB, 1), (8 << 20, 16 * MIB, 2)])?;
    desk.raw("other.raw", 32 << 20, &[(0, 24 * MIB, 3)])?;
    let shape = "cluster_size=4096";
    desk.peer(&["convert", "-f", "raw", "-O", "qcow2", "-o", shape, "base.raw", "base.old"])?;
    std::fs::copy(desk.path("base.old"), desk.path("base"))?;
    desk.peer(&["create", "-q", "-f", "qcow2", "-o", shape, "-b", "base", "-F", "qcow2", "top.old"])?;
    let write = ["--pattern", "2", "-s", "1M", "--offset", "8M", "--count", "16", "@top.old"];
    desk.reeve(&[&["image", "bench", "-f", "qcow2", "--write"][..], &write].concat())?.ok();
    shows(&desk, "top.old", &["top.raw"])?;
    let rebase = ["image", "rebase", "-f", "qcow2", "-F", "raw", "-b", "other.raw", "@top"];
    again_and_again(&desk, &rebase, &["top", "base"], || shows(&desk, "top", &["top.raw"]))?;
    let commit = ["image", "commit", "-f", "qcow2", "@top"];
    again_and_again(&desk, &commit, &["top", "base"], || shows(&desk, "top", &["top.raw"]))
}

#[test]
fn an_image_is_there_when_it_is_whole() -> Outcome {
    let Some(desk) = Desk::new("an_image_is_there_when_it_is_whole")? else { return Ok(()) };
    let create = ["image", "create", "-f", "qcow2", "--preallocation", "full", "@new.qcow2", "96M"];
    let (mut whole, _) = run(&desk, &create, None)?;
    let (mut killed, mut time) = (0, 0);
    while killed < TIMES && time < 4 * TIMES {
        std::fs::remove_file(desk.path("new.qcow2"))?;
        let (took, ended) = run(&desk, &create, Some(whole * (time % TIMES) / TIMES))?;
        time += 1;
        if ended {
            whole = whole.min(took);
        } else if !desk.path("new.qcow2").exists() {
            killed += 1;
            assert!(desk.names()?.is_empty(), "{:?}", desk.names()?);
            run(&desk, &create, None)?;
        }
        sound(&desk, "new.qcow2")?;
    }
    anyhow::ensure!(killed >= TIMES / 3, "it was killed {killed} times only");
    Ok(())
}
