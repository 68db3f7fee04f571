//! A volume group and a server without room: a clear error, and what was taken is given back.

use crate::Outcome;
use crate::bed::Loop;
use crate::daemon::{EXPORT, bring_up, logical, netfs, take_down};
use crate::daemon_contract::{MIB, available, capacity, is_given_back};
use crate::lab::Lab;

pub fn all(lab: &Lab) -> Outcome {
    let device = Loop::new(32 * MIB);
    bring_up(lab, &logical(&device.device))?;
    lab.reeve(&["vol", "create-as", "lab", "one", "16M"])?.ok();
    no_room(lab, &["vol", "create-as", "lab", "two", "16M"])?;
    no_room(lab, &["vol", "clone", "--pool", "lab", "one", "two"])?;
    no_room(lab, &["vol", "resize", "--pool", "lab", "one", "32M"])?;
    assert_eq!((lab.volumes("lab")?, capacity(lab, "one")?), (vec!["one".to_owned()], 16 * MIB));
    lab.reeve(&["vol", "create-as", "lab", "two", "12M"])?.ok();
    no_room(lab, &["vol", "create-as", "lab", "three", "4M"])?;
    take_down(lab)?;
    drop(device);

    // The export has 32 MiB.
    let path = lab.images().display().to_string();
    bring_up(lab, &netfs(&path))?;
    let file = lab.place.path().join("content");
    std::fs::write(&file, vec![0x5a; 20 << 20])?;
    let file = file.display().to_string();
    lab.reeve(&["vol", "create-as", "lab", "one", "20M", "--allocation", "0"])?.ok();
    lab.reeve(&["vol", "upload", "--pool", "lab", "one", &file])?.ok();
    no_room(lab, &["vol", "create-as", "lab", "two", "20M"])?;
    no_room(lab, &["vol", "clone", "--pool", "lab", "one", "two"])?;
    assert_eq!(lab.volumes("lab")?, ["one"]);
    lab.reeve(&["vol", "create-as", "lab", "two", "20M", "--allocation", "0"])?.ok();
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "two", &file])?;
    assert!(said.code != 0 && said.stderr.contains("no room"), "{said:?}");
    assert_eq!(capacity(lab, "two")?, 20 * MIB);
    lab.reeve(&["vol", "delete", "--pool", "lab", "two"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "one"])?.ok();
    std::fs::remove_file(file)?;
    assert_eq!(std::fs::read_dir(EXPORT)?.count(), 0, "something is left on the server");
    take_down(lab)
}

/// Runs what there is no room for, and looks that nothing is left of it.
fn no_room(lab: &Lab, words: &[&str]) -> Outcome {
    let free = available(lab)?;
    let run = lab.reeve(words)?;
    assert!(run.code != 0 && run.stderr.contains("there is no room"), "{words:?}: {run:?}");
    is_given_back(lab, free)
}
