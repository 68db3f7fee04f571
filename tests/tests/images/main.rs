//! `reeve image`: every command with the real binary, judged by qemu-img; what is printed; what is left when it is killed or the
//! disk is full.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod caches;
mod killed;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reeve_tests::{Run, binary};

type Outcome = anyhow::Result<()>;

/// A directory with images.
struct Desk(tempfile::TempDir);

impl Desk {
    /// None where qemu-img is not installed, which is said.
    fn new(test: &str) -> anyhow::Result<Option<Self>> {
        #[expect(clippy::disallowed_methods, reason = "a test runs the peer as a user does")]
        if Command::new("qemu-img").arg("--version").output().is_err() {
            println!("SKIP C {test}: qemu-img is not installed");
            return Ok(None);
        }
        Ok(Some(Self(tempfile::tempdir()?)))
    }

    /// As [`Self::new`], on the file system of the build: one in memory has nothing but the page cache.
    fn in_target(test: &str) -> anyhow::Result<Option<Self>> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self::new(test)?.map(|_| Self(directory)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the binary; a word that begins with @ is a file of the directory.
    fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        let words: Vec<String> = arguments.iter().map(|word| self.word(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Run::reeve(self.0.path(), &words, "", &[])
    }

    fn word(&self, word: &str) -> String {
        word.strip_prefix('@').map_or_else(|| word.to_owned(), |name| self.path(name).display().to_string())
    }

    /// What the peer prints; it must succeed.
    fn peer(&self, arguments: &[&str]) -> anyhow::Result<String> {
        #[expect(clippy::disallowed_methods, reason = "a test runs the peer as a user does")]
        let output = Command::new("qemu-img").args(arguments).current_dir(self.0.path()).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "qemu-img {arguments:?}: {errors}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn raw(&self, name: &str, size: u64, data: &[(u64, usize, u8)]) -> Outcome {
        let file = std::fs::File::create(self.path(name))?;
        file.set_len(size)?;
        for (offset, length, byte) in data {
            file.write_all_at(&vec![*byte; *length], *offset)?;
        }
        Ok(())
    }

    fn names(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.0.path())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// Words with one space between them.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_image_is_made_and_looked_at() -> Outcome {
    let Some(desk) = Desk::new("an_image_is_made_and_looked_at")? else { return Ok(()) };
    let said = desk.reeve(&["image", "create", "-f", "qcow2", "@disk.qcow2", "20G"])?.ok();
    assert_eq!(said, format!("Image '{}' created\n", desk.path("disk.qcow2").display()));
    desk.peer(&["check", "disk.qcow2"])?;
    let info = desk.reeve(&["image", "info", "@disk.qcow2"])?.ok();
    // As the guide prints it (10.1), for a file in the place of a logical volume.
    let expected = format!(
        "image: {} file format: qcow2 virtual size: 20G (21474836480 bytes) disk size:",
        desk.path("disk.qcow2").display()
    );
    assert!(words(&info).starts_with(&expected), "{info}");
    assert!(info.contains("\ncluster_size: 65536\n"), "{info}");
    let ours: serde_json::Value =
        serde_json::from_str(&desk.reeve(&["image", "info", "@disk.qcow2", "-o", "json"])?.ok())?;
    let theirs: serde_json::Value =
        serde_json::from_str(&desk.peer(&["info", "--output=json", "disk.qcow2"])?)?;
    for key in ["virtual-size", "actual-size", "cluster-size", "format", "dirty-flag", "format-specific"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    // It is not replaced unless that is said.
    let refused = desk.reeve(&["image", "create", "@disk.qcow2", "1G"])?.fails(6);
    assert!(refused.contains("already") && refused.contains("--overwrite"), "{refused}");
    desk.reeve(&["image", "create", "-f", "raw", "--overwrite", "@disk.qcow2", "1G"])?.ok();
    assert_eq!(desk.path("disk.qcow2").metadata()?.len(), 1 << 30);
    desk.reeve(&["image", "create", "@new.raw"])?.fails(2);
    desk.reeve(&["image", "info", "@missing"])?.fails(3);
    let refused = desk.reeve(&["image", "create", "-f", "vmdk", "@new.vmdk", "1G"])?.fails(2);
    assert!(refused.contains("supported are raw and qcow2"), "{refused}");
    assert_eq!(desk.names()?, ["disk.qcow2"]);
    Ok(())
}

#[test]
fn a_chain_is_shown_mapped_rebased_and_committed() -> Outcome {
    let Some(desk) = Desk::new("a_chain_is_shown_mapped_rebased_and_committed")? else { return Ok(()) };
    desk.raw("a.raw", 64 << 20, &[(0, 0x20000, 1), (0x10_0000, 0x80000, 2)])?;
    desk.reeve(&["image", "convert", "-f", "raw", "-O", "qcow2", "@a.raw", "@a.qcow2"])?.ok();
    let base = ["-F", "qcow2", "-b", "a.qcow2"];
    desk.reeve(&[&["image", "create", "-f", "qcow2", "@b.qcow2"], &base[..]].concat())?.ok();
    let chain =
        desk.reeve(&["image", "info", "-f", "qcow2", "--backing-chain", "-o", "json", "@b.qcow2"])?.ok();
    let chain: serde_json::Value = serde_json::from_str(&chain)?;
    assert_eq!(chain[0]["backing-filename"], "a.qcow2");
    assert_eq!(chain[1]["virtual-size"], 64 << 20);

    // The rows of the guide's example (10.1) that such a disk has; places in the file are the writer's.
    let human = desk.reeve(&["image", "map", "-f", "qcow2", "@b.qcow2"])?.ok();
    let rows: Vec<Vec<&str>> = human.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words(human.lines().next().unwrap_or_default()), "Offset Length Mapped to File");
    assert_eq!((rows[1][0], rows[1][1]), ("0", "0x20000"));
    assert_eq!((rows[2][0], rows[2][1]), ("0x100000", "0x80000"));
    assert!(rows[2][3].ends_with("a.qcow2") && rows.len() == 3, "{human}");
    let json = desk.reeve(&["image", "map", "-f", "qcow2", "-o", "json", "@b.qcow2"])?.ok();
    let json: serde_json::Value = serde_json::from_str(&json)?;
    assert_eq!(
        (&json[0]["start"], &json[0]["length"], &json[0]["depth"]),
        (&0.into(), &131_072.into(), &1.into())
    );
    assert_eq!(
        (&json[1]["start"], &json[1]["length"], &json[1]["zero"]),
        (&131_072.into(), &917_504.into(), &true.into())
    );

    // A backing file is not followed by the looks of an image, nor out of its directory.
    let refused = desk.reeve(&["image", "map", "@b.qcow2"])?.fails(7);
    assert!(refused.contains("--format qcow2"), "{refused}");
    let elsewhere = tempfile::tempdir()?;
    let moved = elsewhere.path().join("a.qcow2").display().to_string();
    desk.reeve(&["image", "convert", "-f", "qcow2", "-O", "qcow2", "@a.qcow2", &moved])?.ok();
    let rebase = ["image", "rebase", "-f", "qcow2", "-F", "qcow2", "-b", &moved, "@b.qcow2"];
    let refused = desk.reeve(&rebase)?.fails(7);
    assert!(
        refused.contains("no directory that is allowed") && refused.contains("--backing-dir"),
        "{refused}"
    );
    let allowed = elsewhere.path().display().to_string();
    desk.reeve(&[&rebase[..], &["--backing-dir", &allowed]].concat())?.ok();
    assert!(desk.peer(&["info", "b.qcow2"])?.contains(&moved));
    desk.reeve(&["image", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "a.qcow2", "@b.qcow2"])?.ok();

    desk.peer(&["compare", "-f", "raw", "-F", "qcow2", "a.raw", "b.qcow2"])?;
    let compare = ["image", "compare", "-f", "raw", "-F", "qcow2", "@a.raw", "@b.qcow2"];
    assert_eq!(desk.reeve(&compare)?.ok(), "Images are identical.\n");
    let bench = [
        "image",
        "bench",
        "-f",
        "qcow2",
        "--write",
        "--pattern",
        "9",
        "--count",
        "40",
        "-s",
        "4K",
        "@b.qcow2",
    ];
    assert!(desk.reeve(&bench)?.ok().starts_with("Run completed in "));
    let differ = desk.reeve(&compare)?;
    assert_eq!((differ.code, differ.stdout.as_str()), (1, "Content mismatch at offset 0!\n"));
    desk.reeve(&["image", "commit", "-f", "qcow2", "@b.qcow2"])?.ok();
    for name in ["a.qcow2", "b.qcow2"] {
        desk.peer(&["check", name])?;
    }
    let compare = ["image", "compare", "-f", "qcow2", "-F", "qcow2", "@a.qcow2", "@b.qcow2"];
    assert_eq!(desk.reeve(&compare)?.ok(), "Images are identical.\n");
    Ok(())
}

#[test]
fn sizes_and_snapshots() -> Outcome {
    let Some(desk) = Desk::new("sizes_and_snapshots")? else { return Ok(()) };
    desk.reeve(&["image", "create", "-f", "qcow2", "@disk.qcow2", "10M"])?.ok();
    let size = |wanted: u64| -> Outcome {
        let info: serde_json::Value =
            serde_json::from_str(&desk.peer(&["info", "--output=json", "disk.qcow2"])?)?;
        assert_eq!(info["virtual-size"], wanted);
        Ok(())
    };
    desk.reeve(&["image", "resize", "-f", "qcow2", "@disk.qcow2", "20M"])?.ok();
    size(20 << 20)?;
    desk.reeve(&["image", "resize", "-f", "qcow2", "@disk.qcow2", "+1M"])?.ok();
    size(21 << 20)?;
    let refused = desk.reeve(&["image", "resize", "-f", "qcow2", "@disk.qcow2", "-1M"])?.fails(6);
    assert!(refused.contains("shrink"), "{refused}");
    desk.reeve(&["image", "resize", "-f", "qcow2", "--shrink", "@disk.qcow2", "-1M"])?.ok();
    size(20 << 20)?;
    let refused = desk.reeve(&["image", "resize", "--shrink", "@disk.qcow2", "-1T"])?.fails(7);
    assert!(refused.contains("so many less"), "{refused}");

    desk.reeve(&["image", "snapshot", "create", "@disk.qcow2", "before"])?.ok();
    desk.reeve(&["image", "bench", "--write", "--pattern", "3", "--count", "10", "@disk.qcow2"])?.ok();
    let list = desk.reeve(&["image", "snapshot", "list", "@disk.qcow2"])?.ok();
    let lines: Vec<_> = list.lines().collect();
    assert!(lines[0] == "Snapshot list:" && words(lines[2]).starts_with("1 before 0 20"), "{list}");
    assert!(desk.peer(&["snapshot", "-l", "disk.qcow2"])?.contains("before"));
    let again = desk.reeve(&["image", "snapshot", "create", "@disk.qcow2", "before"])?.fails(6);
    assert!(again.contains("already"), "{again}");
    desk.reeve(&["image", "snapshot", "apply", "@disk.qcow2", "before"])?.ok();
    desk.reeve(&["image", "create", "-f", "qcow2", "@empty.qcow2", "20M"])?.ok();
    desk.peer(&["compare", "disk.qcow2", "empty.qcow2"])?;
    desk.reeve(&["image", "snapshot", "delete", "@disk.qcow2", "before"])?.ok();
    desk.reeve(&["image", "snapshot", "delete", "@disk.qcow2", "before"])?.fails(6);
    let check = desk.reeve(&["image", "check", "@disk.qcow2"])?.ok();
    assert!(check.starts_with("No errors were found on the image.\n0/320 = 0.00% allocated"), "{check}");
    desk.raw("disk.raw", 1 << 20, &[])?;
    let refused = desk.reeve(&["image", "snapshot", "list", "-f", "raw", "@disk.raw"])?.fails(6);
    assert!(refused.contains("only qcow2"), "{refused}");
    Ok(())
}

#[test]
fn damage_is_told_and_repaired() -> Outcome {
    let Some(desk) = Desk::new("damage_is_told_and_repaired")? else { return Ok(()) };
    desk.raw("disk.raw", 8 << 20, &[(0, 1 << 20, 5)])?;
    desk.reeve(&["image", "convert", "-p", "-c", "-f", "raw", "-O", "qcow2", "@disk.raw", "@disk.qcow2"])?
        .ok();
    let file = std::fs::File::options().read(true).write(true).open(desk.path("disk.qcow2"))?;
    let mut place = [0; 8];
    file.read_exact_at(&mut place, 48)?;
    let table = u64::from_be_bytes(place);
    file.read_exact_at(&mut place, table)?;
    // A reference too few to the L2 table's cluster, and a leak.
    file.write_all_at(&[0, 0], u64::from_be_bytes(place) + 2)?;
    file.write_all_at(&[0, 1], u64::from_be_bytes(place) + 2000)?;
    let found = desk.reeve(&["image", "check", "-f", "qcow2", "@disk.qcow2"])?;
    assert_eq!(found.code, 7, "{found:?}");
    assert!(found.stdout.contains("leaked") && found.stderr.contains("corruptions"), "{found:?}");
    let fixed = desk.reeve(&["image", "check", "--repair", "all", "@disk.qcow2"])?.ok();
    assert!(fixed.contains("Repaired: 1 leaked"), "{fixed}");
    desk.peer(&["check", "disk.qcow2"])?;
    desk.peer(&["compare", "-f", "raw", "-F", "qcow2", "disk.raw", "disk.qcow2"])?;
    Ok(())
}

#[test]
fn a_conversion_that_is_killed_leaves_nothing() -> Outcome {
    let Some(desk) = Desk::new("a_conversion_that_is_killed_leaves_nothing")? else { return Ok(()) };
    let data: Vec<_> = (0..40).map(|piece| (piece * (10 << 20), 8 << 20, piece as u8 + 1)).collect();
    desk.raw("disk.raw", 400 << 20, &data)?;
    std::fs::write(desk.path("old.qcow2"), "precious")?;
    let mut killed = 0;
    for wait in [1, 5, 20, 40, 60, 80, 120] {
        for (name, overwrite) in [("new.qcow2", false), ("old.qcow2", true)] {
            #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
            let mut command = Command::new(binary()?);
            command.args(["image", "convert", "-c", "-f", "raw", "-O", "qcow2"]);
            command.args(overwrite.then_some("--overwrite")).arg(desk.path("disk.raw")).arg(desk.path(name));
            let mut child = command.stdout(Stdio::null()).spawn()?;
            let until = Instant::now() + Duration::from_millis(wait);
            while Instant::now() < until && child.try_wait()?.is_none() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            child.kill()?;
            if child.wait()?.success() {
                continue;
            }
            killed += 1;
            assert_eq!(desk.names()?, ["disk.raw", "old.qcow2"]);
            assert_eq!(std::fs::read(desk.path("old.qcow2"))?, b"precious");
        }
    }
    assert!(killed > 3, "{killed} were killed before their end");
    Ok(())
}

#[test]
fn an_image_that_is_written_while_the_command_is_killed_loses_nothing() -> Outcome {
    let test = "an_image_that_is_written_while_the_command_is_killed_loses_nothing";
    let Some(desk) = Desk::new(test)? else { return Ok(()) };
    desk.raw("base.raw", 64 << 20, &[(0, 32 << 20, 5)])?;
    let words =
        ["create", "-f", "qcow2", "-o", "cluster_size=4096", "-b", "base.raw", "-F", "raw", "disk.qcow2"];
    desk.peer(&words)?;
    let mut killed = 0;
    for wait in [4, 8, 12, 16, 24, 32, 48, 64] {
        for arguments in [
            &[
                "image",
                "bench",
                "-f",
                "qcow2",
                "--write",
                "--pattern",
                "5",
                "-s",
                "20K",
                "--count",
                "1600",
                "@disk.qcow2",
            ][..],
            &["image", "resize", "-f", "qcow2", "--preallocation", "metadata", "@disk.qcow2", "+64M"],
        ] {
            #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
            let mut command = Command::new(binary()?);
            command.args(arguments.iter().map(|word| desk.word(word)));
            let mut child = command.stdout(Stdio::null()).spawn()?;
            let until = Instant::now() + Duration::from_millis(wait);
            while Instant::now() < until && child.try_wait()?.is_none() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            child.kill()?;
            killed += usize::from(!child.wait()?.success());
            // Space that nobody uses is the worst there may be, and every byte is what it was or what was written.
            let check = desk.reeve(&["image", "check", "-f", "qcow2", "-o", "json", "@disk.qcow2"])?;
            let check: serde_json::Value = serde_json::from_str(&check.stdout)?;
            assert_eq!(check["corruptions"], 0, "{check:#}");
            desk.peer(&["check", "-q", "-r", "leaks", "disk.qcow2"])?;
            desk.peer(&["compare", "-f", "raw", "-F", "qcow2", "base.raw", "disk.qcow2"])?;
        }
    }
    assert!(killed > 3, "{killed} were killed before their end");
    Ok(())
}

#[test]
fn a_full_disk_is_told() -> Outcome {
    let Some(desk) = Desk::new("a_full_disk_is_told")? else { return Ok(()) };
    let small = desk.path("small");
    std::fs::create_dir(&small)?;
    let none = rustix::mount::MountFlags::empty();
    if let Err(error) = rustix::mount::mount("tmpfs", &small, "tmpfs", none, Some(c"size=2m")) {
        println!("SKIP C a_full_disk_is_told: tmpfs can't be mounted: {error}");
        return Ok(());
    }
    let outcome = full(&desk, &small);
    rustix::mount::unmount(&small, rustix::mount::UnmountFlags::DETACH)?;
    outcome
}

fn full(desk: &Desk, small: &Path) -> Outcome {
    desk.raw("disk.raw", 16 << 20, &[(0, 16 << 20, 5)])?;
    for arguments in [
        &["image", "convert", "-f", "raw", "-O", "qcow2", "@disk.raw", "@small/new"][..],
        &["image", "convert", "-f", "raw", "-O", "raw", "@disk.raw", "@small/new"],
        &["image", "create", "--preallocation", "full", "@small/new", "16M"],
        &["image", "create", "-f", "qcow2", "--preallocation", "falloc", "@small/new", "16M"],
    ] {
        let error = desk.reeve(arguments)?.fails(1);
        assert!(error.contains("small/new") && error.contains("make room"), "{error}");
        assert_eq!(std::fs::read_dir(small)?.count(), 0);
        let space = rustix::fs::statvfs(small)?;
        assert!(space.f_bfree * 10 > space.f_blocks * 9, "the space came back");
    }
    // A snapshot that finds no room leaves the image as it is.
    desk.raw("small.raw", 1 << 20, &[(0, 1 << 20, 5)])?;
    let words = ["-f", "raw", "-O", "qcow2", "-o", "cluster_size=512", "small.raw", "small/disk"];
    desk.peer(&[&["convert"][..], &words].concat())?;
    let length = small.join("disk").metadata()?.len();
    anyhow::ensure!(std::fs::write(small.join("filler"), vec![1; 4 << 20]).is_err(), "the disk is not full");
    let error = desk.reeve(&["image", "snapshot", "create", "@small/disk", "one"])?.fails(1);
    assert!(error.contains("small/disk") && error.contains("make room"), "{error}");
    assert_eq!(small.join("disk").metadata()?.len(), length);
    desk.peer(&["check", "-q", "small/disk"])?;
    desk.peer(&["compare", "-q", "-f", "raw", "-F", "qcow2", "small.raw", "small/disk"])?;
    Ok(())
}
