//! Domains whose disks are volumes of pools.

use std::os::unix::fs::FileExt;

use reeve_tests::{Guest, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// A disk that is a volume of the pool `lab`.
pub fn volume_disk(volume: &str, target: &str) -> String {
    format!(
        "<disk type='volume'><source pool='lab' volume='{volume}'/><target dev='{target}' bus='virtio'/></disk>"
    )
}

/// A lab with a volume `disk` and a domain `web` on it that writes a word when it runs.
fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "disk", "8M"])?.ok();
    let guest =
        Guest::locate()?.document_with("web", 64, "run=disk+put+0+3+written", &volume_disk("disk", "vda"));
    assert_eq!(lab.define(&guest)?.stderr, "", "nothing is to be warned about");
    Ok(lab)
}

#[test]
fn a_volume_of_a_pool_is_a_disk() -> Outcome {
    let mut lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let image = std::fs::File::open(lab.images().join("disk"))?;
    wait::until("the guest has written to the volume", PATIENCE, || {
        let mut word = [0; 7];
        image.read_exact_at(&mut word, 3 * 512).is_ok() && word == *b"written"
    })?;
    let xml = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(
        xml.contains("<disk type='volume'") && xml.contains("<source pool='lab' volume='disk'/>"),
        "{xml}"
    );
    let in_use = |lab: &Lab| -> Outcome {
        for words in [
            &["vol", "delete", "--pool", "lab", "disk"][..],
            &["vol", "wipe", "--pool", "lab", "disk"],
            &["vol", "resize", "--pool", "lab", "disk", "16M"],
        ] {
            let said = lab.reeve(words)?.fails(6);
            assert!(said.contains("a domain that runs uses it"), "{words:?}: {said}");
        }
        Ok(())
    };
    in_use(&lab)?;
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    in_use(&lab)?;
    // It boots again from where it was found.
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "disk"])?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(3);
    assert!(said.contains("disk 'vda' of domain 'web': volume 'disk' of pool 'lab' is not there"), "{said}");
    Ok(())
}

#[test]
fn what_cannot_be_had_is_said() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(6);
    assert!(
        said.contains("storage pool 'lab' is not active") && said.contains("reeve pool start lab"),
        "{said}"
    );
    let guest = Guest::locate()?.document_with("mail", 64, "", &volume_disk("disk", "vda"));
    let warned = lab.define(&guest)?.stderr;
    assert!(warned.contains("can't be started as it is") && warned.contains("is not active"), "{warned}");
    lab.reeve(&["pool", "start", "lab"])?.ok();
    let elsewhere = guest.replace("pool='lab'", "pool='attic'").replace("mail", "files");
    let warned = lab.define(&elsewhere)?.stderr;
    assert!(warned.contains("storage pool 'attic' does not exist"), "{warned}");
    let said = lab.reeve(&["domain", "start", "files"])?.fails(3);
    assert!(said.contains("disk 'vda' of domain 'files': storage pool 'attic' does not exist"), "{said}");

    lab.reeve(&["vol", "create-as", "lab", "image.qcow2", "8M", "--format", "qcow2"])?.ok();
    let mismatch = guest.replace("volume='disk'/>", "volume='image.qcow2'/><driver type='raw'/>");
    lab.define(&mismatch.replace("mail", "wrong"))?;
    let said = lab.reeve(&["domain", "start", "wrong"])?.fails(7);
    assert!(
        said.contains("has the format 'qcow2', not 'raw'") && said.contains("<driver type='qcow2'/>"),
        "{said}"
    );
    let qcow2 = guest.replace("volume='disk'/>", "volume='image.qcow2'/>").replace("mail", "image");
    assert_eq!(lab.define(&qcow2)?.stderr, "", "the format of a volume is known, and is one that runs");
    let refused = guest.replace("volume='disk'", "volume='../disk'").replace("mail", "out");
    let said = lab.daemon.reeve_with_input(&["domain", "define", "-"], &refused)?.fails(7);
    assert!(said.contains("can't name a volume"), "{said}");
    Ok(())
}

#[test]
fn a_link_in_the_place_of_a_volume_leads_nowhere() -> Outcome {
    let lab = lab()?;
    let (volume, outside) = (lab.images().join("disk"), lab.place.path().join("outside"));
    std::fs::rename(&volume, &outside)?;
    std::os::unix::fs::symlink(&outside, &volume)?;
    let said = lab.reeve(&["domain", "start", "web"])?;
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("disk"), "{said:?}");
    Ok(())
}

#[test]
fn a_volume_is_plugged_into_a_running_domain() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["vol", "create-as", "lab", "more", "4M"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let attach = |volume: &str| {
        lab.daemon.reeve_with_input(&["domain", "attach-device", "web", "-"], &volume_disk(volume, "vdb"))
    };
    let said = attach("nothing")?.fails(3);
    assert!(said.contains("volume 'nothing' of pool 'lab' is not there"), "{said}");
    let said = attach("disk")?.fails(6);
    assert!(said.contains("in use by another domain"), "{said}");
    attach("more")?.ok();
    assert!(lab.reeve(&["domain", "xml", "web"])?.ok().contains("volume='more'"));
    lab.reeve(&["vol", "delete", "--pool", "lab", "more"])?.fails(6);
    lab.daemon.reeve_with_input(&["domain", "detach-device", "web", "-"], &volume_disk("more", "vdb"))?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "more"])?.ok();
    Ok(())
}
