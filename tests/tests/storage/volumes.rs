//! Volumes on the command line (guide ch. 13, 14.12).

use std::os::unix::fs::MetadataExt;

use reeve_tests::Guest;

use crate::Outcome;
use crate::lab::Lab;

const MIB: u64 = 1 << 20;

#[test]
fn volumes_are_made_shown_and_deleted() -> Outcome {
    let lab = Lab::with_pool()?;
    let said = lab.reeve(&["vol", "create-as", "lab", "volume1", "8M", "--allocation", "0"])?.ok();
    assert_eq!(said, "Vol 'volume1' created\n");
    let path = lab.images().join("volume1").display().to_string();
    assert_eq!(std::fs::metadata(&path)?.len(), 8 * MIB);
    // By name, path and key it is the same volume (guide 11.2).
    assert_eq!(lab.reeve(&["vol", "path", "--pool", "lab", "volume1"])?.ok().trim(), path);
    let key = lab.reeve(&["vol", "key", "--pool", "lab", "volume1"])?.ok();
    assert_eq!(lab.reeve(&["vol", "name", key.trim()])?.ok(), "volume1\n");
    assert_eq!(lab.reeve(&["vol", "pool", &path])?.ok(), "lab\n");
    assert_eq!(lab.reeve(&["vol", "pool", &path, "--uuid"])?.ok(), lab.reeve(&["pool", "uuid", "lab"])?.ok());
    let info = lab.reeve(&["vol", "info", &path])?.ok();
    assert!(info.contains("8.00 MiB") && info.contains("file"), "{info}");
    assert!(info.starts_with("Name:  ") && !info.contains("::"), "{info}");
    let listed = lab.reeve(&["vol", "list", "--pool", "lab", "--details"])?.ok();
    assert!(listed.contains("volume1") && listed.contains("raw"), "{listed}");

    // The recipe of the guide: a document of one pool makes a volume elsewhere.
    let xml = lab.reeve(&["vol", "xml", "--pool", "lab", "volume1"])?.ok();
    let said =
        lab.daemon.reeve_with_input(&["vol", "create", "lab", "-"], &xml.replace("volume1", "volume2"))?.ok();
    assert_eq!(said, "Vol 'volume2' created\n");
    let overlay =
        ["vol", "create-as", "lab", "over.qcow2", "8M", "--format", "qcow2", "--backing-vol", "volume1"];
    lab.reeve(&overlay)?.ok();
    assert_eq!(lab.json(&["vol", "info", "--pool", "lab", "over.qcow2"])?["backing"], path);
    let said = lab.reeve(&["vol", "delete", "--pool", "lab", "volume1"])?.fails(6);
    assert!(said.contains("'over.qcow2' reads from it"), "{said}");
    assert_eq!(lab.volumes("lab")?, ["over.qcow2", "volume1", "volume2"]);
    for name in ["over.qcow2", "volume1", "volume2"] {
        assert_eq!(
            lab.reeve(&["vol", "delete", "--pool", "lab", name])?.ok(),
            format!("Vol '{name}' deleted\n")
        );
    }
    assert!(lab.volumes("lab")?.is_empty() && std::fs::read_dir(lab.images())?.next().is_none());
    let said = lab.reeve(&["vol", "info", &path])?.fails(3);
    assert!(said.contains("no active storage pool has a volume"), "{said}");
    let said = lab.reeve(&["vol", "create-as", "lab", "../out", "1M"])?.fails(1);
    assert!(said.contains("can't name a volume"), "{said}");
    Ok(())
}

#[test]
fn content_goes_in_and_out() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "16M", "--allocation", "0"])?.ok();
    let mut bytes = vec![0_u8; 4 * MIB as usize];
    bytes[..5].copy_from_slice(b"begin");
    bytes[3 * MIB as usize..][..3].copy_from_slice(b"end");
    let (file, back) = (lab.place.path().join("in"), lab.place.path().join("out"));
    std::fs::write(&file, &bytes)?;
    let (file, back) = (file.display().to_string(), back.display().to_string());
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &file, "--offset", "1048576"])?.ok();
    assert_eq!(said, "4194304 bytes written to volume 'a'\n");
    let content = std::fs::read(lab.images().join("a"))?;
    assert!(content.len() as u64 == 16 * MIB && content[MIB as usize..][..bytes.len()] == bytes[..]);
    assert!(std::fs::metadata(lab.images().join("a"))?.blocks() * 512 < MIB, "zeroes were stored");
    let part = ["--offset", "1048576", "--length", "4194304"];
    lab.reeve(&[&["vol", "download", "--pool", "lab", "a", &back][..], &part].concat())?.ok();
    assert!(std::fs::read(&back)? == bytes, "what came back is something else");
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &file, "--length", "7"])?.fails(1);
    assert!(said.contains("more than --length 7"), "{said}");
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &file, "--offset", "16777000"])?.fails(7);
    assert!(said.contains("and 216 fit; nothing is written"), "{said}");
    let said = lab.reeve(&["vol", "download", "--pool", "lab", "a", &back, "--offset", "16777217"])?.fails(7);
    assert!(said.contains("nothing begins at 16777217"), "{said}");

    let said = lab.reeve(&["vol", "clone", "--pool", "lab", "a", "b"])?.ok();
    assert_eq!(said, "Vol 'b' cloned from 'a'\n");
    assert!(std::fs::read(lab.images().join("b"))? == std::fs::read(lab.images().join("a"))?);
    let document = "<volume><name>c</name><capacity unit='MiB'>32</capacity></volume>";
    let said = lab
        .daemon
        .reeve_with_input(&["vol", "create-from", "lab", "-", "a", "--input-pool", "lab"], document)?
        .ok();
    assert_eq!(said, "Vol 'c' created from 'a'\n");
    assert_eq!(std::fs::read(lab.images().join("c"))?[MIB as usize..][..5], *b"begin");

    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "c", "1M", "--delta", "--allocate"])?.ok();
    assert_eq!(said, "Size of volume 'c' is 34603008 bytes now\n");
    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "c", "2M"])?.fails(7);
    assert!(said.contains("give --shrink"), "{said}");
    lab.reeve(&["vol", "resize", "--pool", "lab", "c", "-1M"])?.fails(1);
    lab.reeve(&["vol", "resize", "--pool", "lab", "c", "2M", "--shrink"])?.ok();
    assert_eq!(std::fs::metadata(lab.images().join("c"))?.len(), 2 * MIB);

    assert_eq!(
        lab.reeve(&["vol", "wipe", "--pool", "lab", "b", "--algorithm", "dod"])?.ok(),
        "Vol 'b' wiped\n"
    );
    let wiped = std::fs::read(lab.images().join("b"))?;
    assert!(!wiped.windows(5).any(|bytes| bytes == b"begin") && wiped[MIB as usize] == 0xff);
    lab.reeve(&["vol", "wipe", "--pool", "lab", "b", "--algorithm", "shred"])?.fails(2);
    let events = lab.daemon.log();
    assert!(!events.contains("panicked"), "{events}");
    Ok(())
}

#[test]
fn a_volume_that_a_guest_uses_is_left_alone() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "disk", "8M"])?.ok();
    let path = lab.images().join("disk").display().to_string();
    let disk = format!("<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>");
    let guest = Guest::locate()?.document_with("web", 64, "", &disk);
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let file = lab.place.path().join("file").display().to_string();
    std::fs::write(&file, "text")?;
    for words in [
        &["vol", "delete", "--pool", "lab", "disk"][..],
        &["vol", "wipe", "--pool", "lab", "disk"],
        &["vol", "resize", "--pool", "lab", "disk", "16M"],
        &["vol", "upload", "--pool", "lab", "disk", &file],
        &["vol", "download", "--pool", "lab", "disk", &file],
        &["vol", "clone", "--pool", "lab", "disk", "copy"],
    ] {
        let said = lab.reeve(words)?.fails(6);
        assert!(said.contains("disk") && said.contains("a domain that runs uses it"), "{words:?}: {said}");
    }
    assert_eq!(lab.volumes("lab")?, ["disk"]);
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "disk"])?.ok();
    Ok(())
}
