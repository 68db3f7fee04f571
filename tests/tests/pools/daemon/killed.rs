//! A daemon that is killed in the middle, on LVM and on NFS: no half volume is seen, nothing is lost, space is given back.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use reeve_tests::{Run, wait};

use crate::bed::{Loop, run};
use crate::daemon::{EXPORT, bring_up, logical, netfs, take_down};
use crate::daemon_contract::{MIB, available, capacity, download, is_all, is_given_back};
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SOURCE: u64 = 12 * MIB;
const PIECE: &[u8] = &[0x5a; MIB as usize];

/// Where a pool is, to look at it without the daemon.
struct Place {
    volumes: PathBuf,
    /// A volume that is being made can be told before it is whole.
    begun: fn() -> bool,
}

pub fn all(lab: &mut Lab) -> Outcome {
    let device = Loop::new(96 * MIB);
    // What is new on the device is not zero by itself.
    let disk = File::options().write(true).open(&device.device)?;
    for at in 0..96 {
        disk.write_all_at(PIECE, at * MIB)?;
    }
    disk.sync_all()?;
    drop(disk);
    let begun = || Path::new("/dev/lab/half").exists();
    cut_off(lab, &logical(&device.device), &Place { volumes: "/dev/lab".into(), begun })?;
    let left = run("/sbin/lvm", &["lvs", "--noheadings", "-o", "lv_name,lv_tags"]);
    assert_eq!(left, "", "LVM has something left");
    drop(device);

    let path = lab.images().display().to_string();
    let begun = || names(EXPORT).iter().any(|name| name.starts_with(".reeve-new-"));
    cut_off(lab, &netfs(&path), &Place { volumes: lab.images(), begun })?;
    assert_eq!(names(EXPORT), Vec::<String>::new(), "something is left on the server");
    Ok(())
}

fn cut_off(lab: &mut Lab, source: &[&str], place: &Place) -> Outcome {
    bring_up(lab, source)?;
    lab.reeve(&["vol", "create-as", "lab", "source", &SOURCE.to_string()])?.ok();
    let file = File::options().write(true).open(place.volumes.join("source"))?;
    for at in 0..SOURCE / MIB {
        file.write_all_at(PIECE, at * MIB)?;
    }
    file.sync_all()?;
    drop(file);
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let free = available(lab)?;

    let create = ["vol", "create-as", "lab", "half", &SOURCE.to_string()];
    let clone = ["vol", "clone", "--pool", "lab", "source", "half"];
    for words in [&create[..], &clone] {
        killed_while(lab, words, place.begun)?;
        match lab.volumes("lab")?.as_slice() {
            [_source] => {}
            [half, _source] if half == "half" => {
                // It was done before the daemon was killed, so it is whole.
                let expected = if words[1] == "clone" { 0x5a } else { 0 };
                assert!(is_all(&download(lab, "half", &[])?, expected), "{words:?}");
                lab.reeve(&["vol", "delete", "--pool", "lab", "half"])?.ok();
            }
            other => anyhow::bail!("volumes after {words:?} was cut off: {other:?}"),
        }
        is_given_back(lab, free)?;
        assert!(!(place.begun)(), "what {words:?} left is still there");
        assert!(is_all(&download(lab, "source", &[])?, 0x5a), "{words:?}");
        println!("daemon: {} was cut off", words[1]);
    }

    // A volume that grew has its new end cleared, or has none.
    lab.reeve(&["vol", "create-as", "lab", "grows", "8M"])?.ok();
    let free = available(lab)?;
    let grows = place.volumes.join("grows");
    let has_grown = || length(&grows).is_ok_and(|length| length > 8 * MIB);
    killed_while(lab, &["vol", "resize", "--pool", "lab", "grows", "32M"], has_grown)?;
    let now = capacity(lab, "grows")?;
    assert!(now == 8 * MIB || now == 32 * MIB, "{now}");
    let content = download(lab, "grows", &[])?;
    assert!(content.len() as u64 == now && is_all(&content, 0), "the new end is not clear");
    // A file that grew has a hole at its end, which may be larger than what is free.
    is_given_back(lab, free.saturating_sub(now - 8 * MIB))?;
    println!("daemon: resize was cut off");

    // An upload leaves the volume as a volume.
    let fifo = lab.place.path().join("fifo");
    run("/bin/mkfifo", &[&fifo.display().to_string()]);
    let words = ["vol", "upload", "--pool", "lab", "grows", &fifo.display().to_string()].map(str::to_owned);
    let upload = in_background(lab, words.to_vec());
    let mut input = File::options().write(true).open(&fifo)?;
    input.write_all(&PIECE.repeat(3))?;
    wait::until("the upload is in the volume", PATIENCE, || {
        let mut first = [0];
        let read = File::open(&grows).and_then(|file| file.read_exact_at(&mut first, 0));
        read.is_ok() && first == [0x5a]
    })?;
    lab.daemon.kill()?;
    drop(input);
    assert_ne!(upload.join().expect("the upload's thread lives")?.code, 0);
    lab.daemon.launch()?;
    std::fs::remove_file(&fifo)?;
    assert_eq!(capacity(lab, "grows")?, now);
    assert!(is_all(&download(lab, "grows", &["--offset", "4194304"])?, 0));
    println!("daemon: upload was cut off");
    for name in ["grows", "source"] {
        lab.reeve(&["vol", "delete", "--pool", "lab", name])?.ok();
    }
    take_down(lab)
}

/// Kills the daemon once a command has begun, or when it is done, and starts another.
fn killed_while(lab: &mut Lab, words: &[&str], begun: impl Fn() -> bool) -> Outcome {
    let working = in_background(lab, words.iter().map(|word| (*word).to_owned()).collect());
    let deadline = std::time::Instant::now() + PATIENCE;
    while !begun() && !working.is_finished() {
        anyhow::ensure!(std::time::Instant::now() < deadline, "{words:?} never began");
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
    lab.daemon.kill()?;
    working.join().expect("the command's thread lives")?;
    lab.daemon.launch()
}

fn in_background(lab: &Lab, words: Vec<String>) -> std::thread::JoinHandle<anyhow::Result<Run>> {
    let root = lab.daemon.root().to_owned();
    std::thread::spawn(move || {
        Run::reeve(&root, &words.iter().map(String::as_str).collect::<Vec<_>>(), "", &[])
    })
}

/// Bytes of a file or device.
fn length(path: &Path) -> std::io::Result<u64> {
    File::open(path)?.seek(SeekFrom::End(0))
}

fn names(directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
