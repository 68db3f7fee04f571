//! A guest whose disk is a logical volume, which its worker has locked for as long as it runs.

use std::fs::File;
use std::os::unix::fs::FileExt;

use reeve_tests::{Guest, wait};

use crate::bed::Loop;
use crate::daemon::{bring_up, logical, take_down};
use crate::daemon_contract::{MIB, restart};
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

pub fn on_a_logical_volume(lab: &mut Lab) -> Outcome {
    let device = Loop::new(32 * MIB);
    bring_up(lab, &logical(&device.device))?;
    lab.reeve(&["vol", "create-as", "lab", "disk", "8M"])?.ok();
    let disk =
        "<disk type='volume'><source pool='lab' volume='disk'/><target dev='vda' bus='virtio'/></disk>";
    lab.define(&Guest::locate()?.document_with("web", 64, "run=disk+put+0+3+written", disk))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    wait::until("the guest has written to the volume", PATIENCE, || {
        let mut word = [0; 7];
        let read = File::open("/dev/lab/disk").and_then(|file| file.read_exact_at(&mut word, 3 * 512));
        read.is_ok() && word == *b"written"
    })?;
    for again in [false, true] {
        for words in [
            &["vol", "delete", "--pool", "lab", "disk"][..],
            &["vol", "wipe", "--pool", "lab", "disk"],
            &["vol", "resize", "--pool", "lab", "disk", "16M"],
        ] {
            let said = lab.reeve(words)?.fails(6);
            assert!(said.contains("a domain that runs uses it"), "{words:?}: {said}");
        }
        if !again {
            restart(lab, true)?;
        }
    }
    let said = lab.reeve(&["pool", "destroy", "lab"])?;
    assert!(said.code != 0 && said.stderr.contains("in use"), "{said:?}");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "disk"])?.ok();
    take_down(lab)
}
