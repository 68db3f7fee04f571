//! The contract as far as iSCSI goes: the units are the server's.

use crate::Outcome;
use crate::daemon_contract::{MIB, capacity, download, is_all, restart};
use crate::lab::Lab;

const TARGET: &str = "iqn.2010-05.com.example:lab";

/// How many sessions the host has.
pub fn sessions() -> usize {
    std::fs::read_dir("/sys/class/iscsi_session").map_or(0, Iterator::count)
}

pub fn iscsi(lab: &mut Lab) -> Outcome {
    let source = ["--source-host", "127.0.0.1", "--source-dev", TARGET, "--target", "/dev/disk/by-path"];
    lab.reeve(&[&["pool", "define-as", "lab", "iscsi"], &source[..]].concat())?.ok();
    lab.reeve(&["pool", "build", "lab"])?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    assert_eq!(lab.volumes("lab")?, ["unit:0:0:0", "unit:0:0:1"]);
    assert_eq!(capacity(lab, "unit:0:0:1")?, 16 * MIB);

    // Bytes go to the server and come back, whatever happens to the daemon; its session is taken over.
    let bytes: Vec<u8> = (0..MIB as u32).map(|at| (at % 251) as u8).collect();
    let file = lab.place.path().join("content");
    std::fs::write(&file, &bytes)?;
    let (file, part) = (file.display().to_string(), ["--offset", "1048576", "--length", "1048576"]);
    lab.reeve(&[&["vol", "upload", "--pool", "lab", "unit:0:0:1", &file][..], &part].concat())?.ok();
    assert!(std::fs::read("/units/1")?[MIB as usize..][..MIB as usize] == bytes);
    for kill in [false, true] {
        restart(lab, kill)?;
        assert_eq!((lab.volumes("lab")?.len(), sessions()), (2, 1));
        assert!(download(lab, "unit:0:0:1", &part)? == bytes);
    }
    lab.reeve(&["vol", "wipe", "--pool", "lab", "unit:0:0:1"])?.ok();
    assert!(is_all(&download(lab, "unit:0:0:1", &part)?, 0));
    for (words, said) in [
        (&["vol", "create-as", "lab", "new", "1M"][..], "are made on its server"),
        (&["vol", "clone", "--pool", "lab", "unit:0:0:0", "new"], "are made on its server"),
        (&["vol", "resize", "--pool", "lab", "unit:0:0:0", "32M"], "are resized on its server"),
        (&["vol", "delete", "--pool", "lab", "unit:0:0:0"], "are deleted on its server"),
        (&["pool", "build", "lab", "--overwrite"], "is active already"),
    ] {
        let run = lab.reeve(words)?;
        assert!(run.code != 0 && run.stderr.contains(said), "{words:?}: {run:?}");
    }
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    assert_eq!(sessions(), 0, "the host is still logged in");
    let said = lab.reeve(&["pool", "delete", "lab"])?.fails(1);
    assert!(said.contains("belongs to its server"), "{said}");
    restart(lab, false)?;
    assert_eq!((lab.json(&["pool", "info", "lab"])?["active"].as_bool(), sessions()), (Some(false), 0));
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    Ok(())
}
