//! Guests that earlier versions saved: their documents ask for what those have not heeded, and name places that were chosen elsewhere. They
//! go on; what boots anew is refused.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_domain::save_image::{Purpose, SaveImage};
use reeve_store::{DomainRow, DomainSnapshotRow, Store};

use crate::Outcome;
use crate::lab::Lab;
use crate::snapshots::{self, Mark};

/// Where no host of a test has any.
const PLACE: &str = "<vcpu placement='auto' cpuset='900'>1</vcpu><numatune><memory placement='auto' nodeset='63'/></numatune>";

/// A document as an earlier version kept it. Its machine was given nothing of this.
fn earlier(document: &str, cell: &str) -> anyhow::Result<String> {
    let driver = "event_idx='off' ioeventfd='off'";
    let with_driver = match document.contains("<driver ") {
        true => document.replace("<driver ", &format!("<driver {driver} ")),
        false => document.replace("<source file=", &format!("<driver {driver}/><source file=")),
    };
    let cells = format!("<cpu><numa><cell id='0' memory='{cell}' unit='MiB'/></numa></cpu>");
    let label = "<seclabel type='dynamic' model='selinux' relabel='yes'/>";
    let changed = with_driver
        .replace("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><transient/>")
        .replace("<vcpu>1</vcpu>", PLACE)
        .replace("</domain>", &format!("{cells}{label}</domain>"));
    for part in [driver, "<transient/>", PLACE, &cells, label] {
        anyhow::ensure!(changed.contains(part), "'{part}' is not in: {changed}");
    }
    anyhow::ensure!(!document.contains("<cpu"), "it says something of CPUs: {document}");
    Ok(changed)
}

/// Gives a save image the document of an earlier version.
fn age(path: &Path, cell: &str) -> Outcome {
    let mut image = SaveImage::open(path, Purpose::Change)?;
    let (document, running) = (earlier(&image.document()?, cell)?, image.running());
    Ok(image.change(&document, running)?)
}

/// The kept memory of a snapshot or a managed save.
fn only(files: &[PathBuf]) -> anyhow::Result<&Path> {
    match files {
        [file] => Ok(file),
        files => anyhow::bail!("there is one file, not {files:?}"),
    }
}

#[test]
fn saved_guests_go_on() -> Outcome {
    // Nodes that agree with the memory may as well be of this version.
    for (cell, stays) in [("32", false), ("64", true)] {
        let lab = Lab::start()?;
        let mut known = lab.boot()?;
        let file = lab.file("web.save");
        lab.reeve(&["domain", "save", "web", &file])?.ok();
        age(&lab.path("web.save"), cell)?;
        let shown = lab.reeve(&["domain", "save-image-dumpxml", &file])?.ok();
        assert_eq!(shown.contains("<numa>"), stays, "{shown}");
        lab.reeve(&["domain", "restore", &file])?.ok();
        lab.remembers(&mut known)?;
        let live = lab.reeve(&["domain", "xml", "web"])?.ok();
        assert!(!live.contains("transient") && !live.contains("seclabel"), "the document is true: {live}");
        assert!(live.contains("<vcpu placement='auto' cpuset='") && !live.contains("cpuset='900'"), "{live}");
        assert!(live.contains("placement='auto'/>") && !live.contains("nodeset='63'"), "{live}");
        // It is saved again as any other.
        lab.reeve(&["domain", "managedsave", "web"])?.ok();
        lab.reeve(&["domain", "start", "web"])?.ok();
        lab.remembers(&mut known)?;
    }
    Ok(())
}

#[test]
fn a_managed_save_and_its_definition_are_of_use() -> Outcome {
    let mut lab = Lab::start()?;
    let mut known = lab.boot()?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    age(only(&lab.managed())?, "32")?;
    lab.daemon.stop()?;
    {
        let store = Store::open(&lab.daemon.root().join("var/lib/reeve"))?;
        let row = store.domains()?.pop().context("there is a definition")?;
        store.put_domain(&DomainRow { xml: earlier(&row.xml, "32")?, ..row })?;
    }
    lab.daemon.launch()?;
    let definition = lab.reeve(&["domain", "xml", "web", "--inactive"])?.ok();
    assert!(definition.contains("<transient/>") && definition.contains("selinux"), "it stays: {definition}");
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.remembers(&mut known)?;
    // What boots has to be what it says.
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?;
    assert!(said.code != 0 && said.stderr.contains("disk 'vda' is transient"), "{said:?}");
    Ok(())
}

#[test]
fn a_snapshot_is_gone_back_to() -> Outcome {
    let mut lab = snapshots::lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mark = Mark::make(&lab, 0x1000)?;
    snapshots::snapshot(&lab, "old", &[])?.ok();
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    age(only(&lab.managed())?, "32")?;
    lab.daemon.stop()?;
    {
        let store = Store::open(&lab.daemon.root().join("var/lib/reeve"))?;
        let uuid = store.domains()?.pop().context("there is a definition")?.uuid;
        let row = store.domain_snapshots(uuid)?.pop().context("there is a snapshot")?;
        store.put_domain_snapshots(uuid, &[DomainSnapshotRow { xml: earlier(&row.xml, "32")?, ..row }])?;
    }
    lab.daemon.launch()?;
    snapshots::revert(&lab, "old", &[])?.ok();
    mark.is_back(&lab)
}
