//! Media of drives come and go while the guest runs (guide 14.4).

use reeve_tests::wait;
use rustix::fs::{FlockOperation, flock};

use crate::disks::lab;
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// A medium of so many sectors of a byte.
fn medium(lab: &Lab, name: &str, sectors: usize, byte: u8) -> anyhow::Result<String> {
    let path = lab.place.path().join(name);
    std::fs::write(&path, vec![byte; sectors * 512])?;
    Ok(path.display().to_string())
}

fn change(lab: &Lab, words: &[&str]) -> anyhow::Result<reeve_tests::Run> {
    lab.reeve(&[&["domain", "change-media", "web"], words].concat())
}

/// What is in the drive, of the running machine or of the definition.
fn inserted(lab: &Lab, live: bool) -> anyhow::Result<String> {
    let arguments = ["domain", "domblklist", "web", "--inactive"];
    let disks = lab.json(&arguments[..if live { 3 } else { 4 }])?;
    Ok(disks[1]["source"].as_str().unwrap_or_default().to_owned())
}

/// Nobody has the file.
fn is_free(path: &str) -> anyhow::Result<bool> {
    Ok(flock(std::fs::File::open(path)?, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// The guest reads the byte that a medium is full of.
fn reads(lab: &Lab, byte: char) -> Outcome {
    lab.console("web", "disk read 1 0\n", &format!("text={byte}{byte}{byte}{byte}"))?;
    Ok(())
}

#[test]
fn media_come_and_go_while_the_guest_runs() -> Outcome {
    let mut lab = lab()?;
    let disc = lab.place.path().join("disc.iso").display().to_string();
    let (a, b) = (medium(&lab, "a.iso", 16, b'a')?, medium(&lab, "b.iso", 16, b'b')?);
    lab.console("web", "disk info 1\n", "sectors=8 access=ro")?;
    assert!(!is_free(&disc)?, "nobody keeps writers from a medium");

    assert_eq!(change(&lab, &["vdc", "--eject"])?.ok(), "Domain 'web' has its medium ejected\n");
    lab.console("web", "", "reeve-guest: disk 1 has 0 sectors")?;
    lab.console("web", "disk read 1 0\n", "error the disk has 0 sectors")?;
    assert!(is_free(&disc)?, "a medium that is out is still locked");
    assert_eq!((inserted(&lab, true)?, inserted(&lab, false)?), (String::new(), disc.clone()));
    let said = change(&lab, &["vdc", "--eject", "--live"])?.fails(6);
    assert!(said.contains("is empty already"), "{said}");

    change(&lab, &["vdc", &a, "--insert", "--live"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 16 sectors")?;
    reads(&lab, 'a')?;
    assert!(!is_free(&a)?);
    let said = change(&lab, &["vdc", &b, "--insert"])?.fails(6);
    assert!(said.contains("has a medium already") && said.contains("--force"), "{said}");
    change(&lab, &["vdc", &b, "--insert", "--force", "--live", "--config"])?.ok();
    reads(&lab, 'b')?;
    assert_eq!((inserted(&lab, true)?, inserted(&lab, false)?), (b.clone(), b.clone()));

    // What can't be had changes nothing.
    let writer = lab.images().join("disk").display().to_string();
    for (words, why) in [
        (vec!["vdc", "/nowhere.iso"], "nowhere.iso"),
        (vec!["vdc", &writer], "in use"),
        (vec!["vdc", "nothing", "--pool", "lab"], "nothing"),
        (vec!["vdc", "disk", "--pool", "nowhere"], "nowhere"),
        (vec!["vda", &a], "holds no media"),
    ] {
        let run = change(&lab, &words)?;
        assert!(run.code != 0 && run.stderr.contains(why), "{words:?}: {run:?}");
        reads(&lab, 'b')?;
        assert_eq!(inserted(&lab, true)?, b);
    }

    // The daemon may be killed, the guest reset.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(inserted(&lab, true)?, b);
    change(&lab, &["vdc", &a, "--current"])?.ok();
    reads(&lab, 'a')?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    reads(&lab, 'a')?;
    assert!(is_free(&b)? && !is_free(&a)?);

    // While it is paused too; the guest hears of it when it goes on.
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    change(&lab, &["vdc", "--eject"])?.ok();
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 0 sectors")?;
    change(&lab, &["vdc", "--eject", "--config"])?.ok();
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    wait::until("the domain is off", PATIENCE, || {
        inserted(&lab, false).is_ok_and(|source| source.is_empty())
    })?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    lab.console("web", "disk info 1\n", "sectors=0 access=ro")?;
    change(&lab, &["vdc", &a])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 16 sectors")?;
    Ok(())
}

#[test]
fn a_medium_may_be_a_volume_or_come_by_a_document() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["vol", "create-as", "lab", "tools", "64K"])?.ok();
    let content = medium(&lab, "content", 128, b'v')?;
    lab.reeve(&["vol", "upload", "--pool", "lab", "tools", &content])?.ok();
    lab.reeve(&["vol", "clone", "--pool", "lab", "tools", "tools.qcow2", "--format", "qcow2"])?.ok();
    for volume in ["tools", "tools.qcow2"] {
        change(&lab, &["vdc", volume, "--pool", "lab", "--update"])?.ok();
        reads(&lab, 'v')?;
        lab.console("web", "disk info 1\n", "sectors=128 access=ro")?;
        let said = lab.reeve(&["vol", "delete", "--pool", "lab", volume])?.fails(6);
        assert!(said.contains("a domain that runs uses it"), "{said}");
        change(&lab, &["vdc", "--eject"])?.ok();
        lab.reeve(&["vol", "delete", "--pool", "lab", volume])?.ok();
    }
    let path = medium(&lab, "d.iso", 24, b'd')?;
    let document = |bus: &str, source: &str| {
        format!("<disk type='file' device='cdrom'>{source}<target dev='vdc'{bus}/><readonly/></disk>")
    };
    let source = format!("<source file='{path}'/>");
    let file = lab.daemon.file("drive.xml", &document(" bus='virtio'", &source))?;
    lab.reeve(&["domain", "update-device", "web", &file, "--live"])?.ok();
    reads(&lab, 'd')?;
    let file = lab.daemon.file("empty.xml", &document("", ""))?;
    lab.reeve(&["domain", "update-device", "web", &file])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 0 sectors")?;
    let file = lab.daemon.file("other.xml", &document(" bus='ide'", &source))?;
    let said = lab.reeve(&["domain", "update-device", "web", &file, "--live"])?.fails(1);
    assert!(said.contains("but for the medium of a drive") && said.contains("--config"), "{said}");
    Ok(())
}

#[test]
fn a_saved_guest_keeps_its_medium() -> Outcome {
    let lab = lab()?;
    let (a, saved) =
        (medium(&lab, "a.iso", 16, b'a')?, lab.place.path().join("web.save").display().to_string());
    change(&lab, &["vdc", &a, "--live"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 16 sectors")?;
    lab.reeve(&["domain", "save", "web", &saved])?.ok();
    assert!(is_free(&a)?);
    lab.reeve(&["domain", "restore", &saved])?.ok();
    reads(&lab, 'a')?;
    assert!(!is_free(&a)?);
    change(&lab, &["vdc", "--eject"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 0 sectors")?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "disk info 1\n", "sectors=0 access=ro")?;
    change(&lab, &["vdc", &a])?.ok();
    reads(&lab, 'a')
}

#[test]
fn a_change_that_the_daemon_does_not_live_through_is_whole() -> Outcome {
    let mut lab = lab()?;
    let (a, b) = (medium(&lab, "a.iso", 16, b'a')?, medium(&lab, "b.iso", 16, b'b')?);
    for round in 0..6 {
        let next = if round % 2 == 0 { &a } else { &b };
        let root = lab.daemon.root().to_owned();
        let arguments =
            ["domain", "change-media", "web", "vdc", next, "--live", "--config"].map(str::to_owned);
        let changing = std::thread::spawn(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            reeve_tests::Run::reeve(&root, &arguments, "", &[])
        });
        std::thread::park_timeout(std::time::Duration::from_millis(round * 7));
        lab.daemon.kill()?;
        let told = changing.join().expect("the command does not panic")?;
        lab.daemon.launch()?;
        let (live, config) = (inserted(&lab, true)?, inserted(&lab, false)?);
        assert_eq!(live, config, "round {round}: one half was changed");
        assert!(told.code != 0 || live == *next, "round {round}: it was said to be done");
        match &live {
            live if *live == a => reads(&lab, 'a')?,
            live if *live == b => reads(&lab, 'b')?,
            _ => drop(lab.console("web", "disk info 1\n", "sectors=8")?),
        }
        assert_eq!((is_free(&a)?, is_free(&b)?), (live != a, live != b), "round {round}: {live}");
    }
    Ok(())
}
