//! What every kind of pool keeps to under a daemon: one walk through its life on the command line, with restarts of the daemon in
//! between. The emulated host of lane B takes it too.

use reeve_tests::wait;
use serde_json::Value;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

pub const MIB: u64 = 1 << 20;

/// A kind of pool, as the walk has to know it.
pub struct Kind<'a> {
    /// What of `pool define-as lab` says what it is.
    pub source: &'a [&'a str],
    /// Its source is formatted, and kept where it holds something.
    pub formats: bool,
    /// What sizes of volumes are multiples of.
    pub grain: u64,
    /// Nobody else takes of its space.
    pub alone: bool,
}

/// The walk.
pub fn walk(lab: &mut Lab, kind: &Kind<'_>) -> Outcome {
    lab.reeve(&[&["pool", "define-as", "lab"], kind.source].concat())?.ok();
    assert_eq!(lab.json(&["pool", "info", "lab"])?["active"], false);
    assert_ne!(lab.reeve(&["pool", "start", "lab"])?.code, 0, "a pool that was not built has started");
    match kind.formats {
        true => {
            lab.reeve(&["pool", "build", "lab", "--no-overwrite"])?.ok();
            let said = lab.reeve(&["pool", "build", "lab", "--no-overwrite"])?.fails(6);
            assert!(said.contains("already"), "{said}");
        }
        false => drop(lab.reeve(&["pool", "build", "lab"])?.ok()),
    }
    lab.reeve(&["pool", "start", "lab"])?.ok();
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    assert!(lab.volumes("lab")?.is_empty());
    let empty = available(lab)?;

    // What goes in comes out, of a copy too, and neither a restart nor a kill of the daemon is noticed.
    let bytes: Vec<u8> = (0..MIB as u32).map(|at| (at % 251) as u8).collect();
    let file = lab.place.path().join("content");
    std::fs::write(&file, &bytes)?;
    lab.reeve(&["vol", "create-as", "lab", "one", "4M"])?.ok();
    let said = lab.reeve(&["vol", "create-as", "lab", "one", "4M"])?.fails(6);
    assert!(said.contains("it exists already"), "{said}");
    let file = file.display().to_string();
    lab.reeve(&["vol", "upload", "--pool", "lab", "one", &file, "--offset", "1048576"])?.ok();
    lab.reeve(&["vol", "clone", "--pool", "lab", "one", "two"])?.ok();
    for kill in [false, true] {
        restart(lab, kill)?;
        let info = lab.json(&["pool", "info", "lab"])?;
        assert_eq!((&info["active"], &info["volumes"]), (&true.into(), &2.into()), "{info}");
        assert!(download(lab, "two", &["--offset", "1048576", "--length", "1048576"])? == bytes);
    }
    let path = lab.reeve(&["vol", "path", "--pool", "lab", "one"])?.ok();
    assert_eq!(lab.reeve(&["vol", "name", path.trim()])?.ok(), "one\n");

    // Larger with nothing in its new end, and smaller only when asked.
    lab.reeve(&["vol", "resize", "--pool", "lab", "two", "2M", "--delta"])?.ok();
    assert_eq!(capacity(lab, "two")?, (6 * MIB).next_multiple_of(kind.grain));
    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "two", "2M"])?.fails(7);
    assert!(said.contains("give --shrink"), "{said}");
    restart(lab, true)?;
    assert_eq!(capacity(lab, "two")?, (6 * MIB).next_multiple_of(kind.grain));
    let whole = download(lab, "two", &[])?;
    let (content, end) = whole.split_at(4 * MIB as usize);
    assert!(content[MIB as usize..][..MIB as usize] == bytes && is_all(end, 0));
    lab.reeve(&["vol", "resize", "--pool", "lab", "two", "2M", "--shrink"])?.ok();
    assert_eq!(capacity(lab, "two")?, (2 * MIB).next_multiple_of(kind.grain));
    lab.reeve(&["vol", "wipe", "--pool", "lab", "two"])?.ok();
    assert!(is_all(&download(lab, "two", &[])?, 0), "a wiped volume holds something");

    // Its data stays when the pool is stopped; what is deleted gives its space back.
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    lab.reeve(&["vol", "list", "lab"])?.fails(6);
    restart(lab, false)?;
    assert_eq!(lab.json(&["pool", "info", "lab"])?["active"], false, "it was stopped");
    lab.reeve(&["pool", "start", "lab"])?.ok();
    assert!(download(lab, "one", &["--offset", "1048576", "--length", "1048576"])? == bytes);
    for name in ["one", "two"] {
        lab.reeve(&["vol", "delete", "--pool", "lab", name])?.ok();
    }
    let said = lab.reeve(&["vol", "delete", "--pool", "lab", "one"])?.fails(3);
    assert!(said.contains("is not there"), "{said}");
    if kind.alone {
        is_given_back(lab, empty)?;
    }
    assert!(lab.volumes("lab")?.is_empty());

    lab.reeve(&["pool", "delete", "lab"])?.fails(6);
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    lab.reeve(&["pool", "delete", "lab"])?.ok();
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    restart(lab, false)?;
    lab.reeve(&["pool", "info", "lab"])?.fails(3);
    Ok(())
}

/// Another daemon in the place of this one.
pub fn restart(lab: &mut Lab, kill: bool) -> Outcome {
    match kill {
        true => lab.daemon.kill()?,
        false => lab.daemon.stop()?,
    };
    lab.daemon.launch()
}

/// What a volume holds, or a part of it.
pub fn download(lab: &Lab, volume: &str, part: &[&str]) -> anyhow::Result<Vec<u8>> {
    let back = lab.place.path().join("back");
    let words = ["vol", "download", "--pool", "lab", volume, &back.display().to_string()];
    lab.reeve(&[&words[..], part].concat())?.ok();
    let bytes = std::fs::read(&back)?;
    std::fs::remove_file(&back)?;
    Ok(bytes)
}

/// True when nothing but one value is there; quick in an emulated host too.
pub fn is_all(bytes: &[u8], value: u8) -> bool {
    bytes == vec![value; bytes.len()]
}

pub fn capacity(lab: &Lab, volume: &str) -> anyhow::Result<u64> {
    Ok(number(&lab.json(&["vol", "info", "--pool", "lab", volume])?["capacity"]))
}

/// What is free of the pool.
pub fn available(lab: &Lab) -> anyhow::Result<u64> {
    Ok(number(&lab.json(&["pool", "info", "lab"])?["space"]["available"]))
}

/// Waits until no less is free than that, but for what a file system keeps for itself.
pub fn is_given_back(lab: &Lab, free: u64) -> Outcome {
    wait::until("the space of what was deleted is free", PATIENCE, || {
        // A server may free it a moment later.
        lab.reeve(&["pool", "refresh", "lab"]).is_ok() && available(lab).is_ok_and(|now| now + MIB / 4 > free)
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a size is a number")
}
