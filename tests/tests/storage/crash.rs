//! A daemon that is killed in the middle: no half volume is seen, nothing is lost.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_tests::{Run, program, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SOURCE: usize = 768 << 20;

fn unfinished(lab: &Lab) -> bool {
    let entries = std::fs::read_dir(lab.images()).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".reeve-new-"))
}

#[test]
fn a_clone_that_is_cut_off_is_not_seen() -> Outcome {
    let mut lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "source", &SOURCE.to_string(), "--allocation", "0"])?.ok();
    let file = File::options().write(true).open(lab.images().join("source"))?;
    let piece = vec![0x5a; 1 << 20];
    for at in 0..SOURCE >> 20 {
        file.write_all_at(&piece, (at as u64) << 20)?;
    }
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let root = lab.daemon.root().to_owned();
    let cloning = std::thread::spawn(move || {
        Run::reeve(&root, &["vol", "clone", "--pool", "lab", "source", "half"], "", &[])
    });
    let deadline = std::time::Instant::now() + PATIENCE;
    while !unfinished(&lab) && !cloning.is_finished() {
        anyhow::ensure!(std::time::Instant::now() < deadline, "the clone never began");
        std::thread::yield_now();
    }
    lab.daemon.kill()?;
    let cloned = cloning.join().expect("the clone's thread lives")?;
    let was_cut_off = unfinished(&lab);
    assert!(was_cut_off || cloned.stdout.contains("cloned"), "neither cut off nor done: {}", cloned.stderr);
    lab.daemon.launch()?;
    assert!(!unfinished(&lab), "what was cut off is still there");
    let expected: &[&str] = if was_cut_off { &["source"] } else { &["half", "source"] };
    assert_eq!(lab.volumes("lab")?, expected);
    let mut last = [0; 4];
    file_of(&lab, "source")?.read_exact_at(&mut last, SOURCE as u64 - 4)?;
    assert_eq!(last, [0x5a; 4]);
    // The name is free.
    if was_cut_off {
        lab.reeve(&["vol", "create-as", "lab", "half", "1M"])?.ok();
    }
    Ok(())
}

#[test]
fn an_upload_that_is_cut_off_leaves_the_volume_whole() -> Outcome {
    let mut lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "8M"])?.ok();
    let fifo = lab.place.path().join("fifo");
    program("mkfifo", &[&fifo.display().to_string()])?;
    let root = lab.daemon.root().to_owned();
    let name = fifo.display().to_string();
    let upload = std::thread::spawn(move || {
        Run::reeve(&root, &["vol", "upload", "--pool", "lab", "a", &name], "", &[])
    });
    let mut input = File::options().write(true).open(&fifo)?;
    input.write_all(&vec![7; 3 << 20])?;
    let begun = || {
        let mut first = [0];
        file_of(&lab, "a").and_then(|file| Ok(file.read_exact_at(&mut first, 0)?)).is_ok() && first == [7]
    };
    wait::until("the upload is in the volume", PATIENCE, begun)?;
    let said = lab.reeve(&["vol", "delete", "--pool", "lab", "a"])?.fails(6);
    assert!(said.contains("another operation works on it"), "{said}");
    lab.reeve(&["pool", "destroy", "lab"])?.fails(6);
    lab.daemon.kill()?;
    drop(input);
    assert!(!upload.join().expect("the upload's thread lives")?.stdout.contains("written"));
    lab.daemon.launch()?;
    let info = lab.json(&["vol", "info", "--pool", "lab", "a"])?;
    assert_eq!((&info["capacity"], &info["fault"]), (&(8 << 20).into(), &serde_json::Value::Null));
    lab.reeve(&["vol", "delete", "--pool", "lab", "a"])?.ok();
    Ok(())
}

#[test]
fn a_domain_whose_clone_is_cut_off_is_not_there() -> Outcome {
    let mut lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "source", &SOURCE.to_string(), "--allocation", "0"])?.ok();
    crate::handed::large(&lab.images().join("source"), SOURCE as u64 >> 20)?;
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let document = reeve_tests::Guest::locate()?.document_with(
        "demo",
        64,
        "",
        &crate::domains::volume_disk("source", "vda"),
    );
    lab.define(&document)?;
    let root = lab.daemon.root().to_owned();
    let cloning = std::thread::spawn(move || {
        Run::reeve(&root, &["domain", "clone", "demo", "--name", "twin", "--auto-clone"], "", &[])
    });
    wait::until("the clone has begun, or is over", PATIENCE, || unfinished(&lab) || cloning.is_finished())?;
    lab.daemon.kill()?;
    let said = cloning.join().expect("the clone's thread lives")?;
    lab.daemon.launch()?;
    assert!(!unfinished(&lab), "what was cut off is still there");
    let domains = lab.json(&["domain", "list", "--all"])?;
    let is_there = domains.as_array().is_some_and(|rows| rows.iter().any(|row| row["name"] == "twin"));
    // Either all of it, or nothing.
    assert_eq!(is_there, said.code == 0, "{said:?}");
    assert_eq!(lab.volumes("lab")?.len(), if is_there { 2 } else { 1 });
    assert!(!is_there, "it was too fast to be cut off");
    lab.reeve(&["domain", "clone", "demo", "--name", "twin", "--auto-clone"])?.ok();
    let copy =
        lab.json(&["domain", "domblklist", "twin"])?[0]["source"].as_str().unwrap_or_default().to_owned();
    let (source, copy) = (lab.images().join("source"), lab.images().join(copy));
    program("cmp", &[&source.display().to_string(), &copy.display().to_string()])?;
    Ok(())
}

#[test]
fn a_file_that_was_handed_over_is_cut_off_too() -> Outcome {
    let mut lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", &SOURCE.to_string(), "--allocation", "0"])?.ok();
    let path = lab.place.path().join("file");
    crate::handed::large(&path, SOURCE as u64 >> 20)?;
    let (root, name) = (lab.daemon.root().to_owned(), path.display().to_string());
    let upload = std::thread::spawn(move || {
        Run::reeve(&root, &["vol", "upload", "--pool", "lab", "a", &name], "", &[])
    });
    let begun = || std::fs::metadata(lab.images().join("a")).is_ok_and(|found| found.blocks() > 0);
    wait::until("the upload has begun", PATIENCE, begun)?;
    lab.daemon.kill()?;
    let said = upload.join().expect("the upload's thread lives")?;
    assert!(!said.stdout.contains("written") && said.code != 0, "{said:?}");
    lab.daemon.launch()?;
    // It is the volume that it was, and works; nothing stays locked.
    assert_eq!(lab.volumes("lab")?, ["a"]);
    let info = lab.json(&["vol", "info", "--pool", "lab", "a"])?;
    assert_eq!((&info["capacity"], &info["fault"]), (&SOURCE.into(), &serde_json::Value::Null));
    let name = path.display().to_string();
    lab.reeve(&["vol", "upload", "--pool", "lab", "a", &name])?.ok();
    program("cmp", &[&name, &lab.images().join("a").display().to_string()])?;
    Ok(())
}

fn file_of(lab: &Lab, volume: &str) -> anyhow::Result<File> {
    Ok(File::open(lab.images().join(volume))?)
}
