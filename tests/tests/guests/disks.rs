//! What a guest is told of its disks, and what becomes of a start whose media are missing.

use std::os::unix::fs::FileExt as _;

use reeve_tests::{Run, disk_sum};

use crate::Outcome;
use crate::lab::Lab;

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
const SECTOR: usize = 512;

fn disk(driver: &str, source: &str, target: &str, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' {driver}/>\
         <source file='PLACE/{source}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )
}

/// A drive with a policy for the start.
fn drive(policy: &str) -> String {
    format!(
        "<disk type='file' device='cdrom'><source file='PLACE/disc.iso' startupPolicy='{policy}'/>\
         <target dev='vdb' bus='virtio'/></disk>"
    )
}

/// Defines the domain with these devices instead of what it was.
fn define(lab: &Lab, devices: &str) -> anyhow::Result<Run> {
    // There may be none.
    let _ = lab.reeve(&["domain", "undefine", "web"])?;
    lab.define(&format!("{CONSOLE}{devices}"))
}

fn write(lab: &Lab, name: &str, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let content: Vec<u8> = (0..bytes).map(|at| (at / SECTOR) as u8 | 1).collect();
    std::fs::write(lab.file(name), &content)?;
    Ok(content)
}

#[test]
fn a_guest_is_told_of_the_blocks_of_its_disks() -> Outcome {
    let lab = Lab::with_domain(CONSOLE)?;
    // A tail shorter than a block is no part of the disk.
    let content = write(&lab, "a.raw", (1 << 20) + SECTOR)?;
    write(&lab, "b.raw", 1 << 20)?;
    let told = "<geometry cyls='16' heads='4' secs='32'/>\
         <blockio logical_block_size='4096' physical_block_size='16384' discard_granularity='65536'/>";
    let a = disk("type='raw' event_idx='off' ioeventfd='on'", "a.raw", "vda", told);
    let defined = define(&lab, &format!("{a}{}", disk("type='raw'", "b.raw", "vdb", "")))?;
    assert!(!defined.stderr.contains("warning"), "{}", defined.stderr);
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    let a = lab.console("disk blocks 0", "event_idx=no")?;
    assert!(a.contains("logical=4096 physical=16384 discard=65536 geometry=16/4/32 event_idx=no"), "{a}");
    lab.console("disk info 0", "sectors=2048")?;
    lab.console("disk blocks 1", "logical=512 physical=512 discard=512 geometry=none event_idx=yes")?;
    // Of a block there are no parts, neither to read nor to write.
    for command in ["disk read 0 0 1", "disk read 0 4 8", "disk write 0 8 4 7", "disk put 0 8 word"] {
        lab.console(command, "error ")?;
    }
    let whole = lab.console("disk read 0 8 8", "ok sum=")?;
    assert!(whole.contains(&disk_sum(&content[8 * SECTOR..16 * SECTOR])), "{whole}");
    lab.console("disk write 0 8 8 7", "ok sum=")?;
    lab.console("disk flush 0", "ok")?;
    let mut word = [0; 8];
    std::fs::File::open(lab.file("a.raw"))?.read_exact_at(&mut word, 9 * SECTOR as u64)?;
    assert_eq!(u64::from_le_bytes(word), 7 ^ 9);
    let shown = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(shown.contains("<geometry cyls='16' heads='4' secs='32'/>"), "{shown}");
    assert!(shown.contains("discard_granularity='65536'/>") && shown.contains("event_idx='off'"), "{shown}");
    Ok(())
}

#[test]
fn what_a_disk_can_not_have_is_refused() -> Outcome {
    let lab = Lab::with_domain(CONSOLE)?;
    write(&lab, "a.raw", 1 << 20)?;
    let plain = |driver: &str, more: &str| disk(driver, "a.raw", "vda", more);
    let policy = plain("", "").replace("a.raw'", "a.raw' startupPolicy='requisite'");
    let refused = [
        (plain("", "<wwn>5000c50015ea71aa</wwn>"), "/dev/disk/by-id/virtio-SERIAL"),
        (plain("", "<wwn>5000</wwn>"), "no world wide name"),
        (plain("", "<geometry cyls='16' heads='4' secs='32' trans='lba'/>"), "trans is for disks of IDE"),
        (plain("", "<geometry cyls='16' heads='256' secs='32'/>"), "not 1 to 255"),
        (plain("", "<blockio logical_block_size='1000'/>"), "power of two"),
        (plain("", "<blockio logical_block_size='4096' physical_block_size='512'/>"), "no smaller"),
        (plain("copy_on_read='on'", "<readonly/>"), "never written"),
        (policy, "'requisite' is for drives"),
        (plain("", "").replace("bus='virtio'", "bus='virtio' tray='open'"), "no drive"),
    ];
    for (device, words) in &refused {
        let said = define(&lab, device)?.fails(7);
        assert!(said.contains(words), "{device}: {said}");
    }
    // What libvirt lets a document have and this machine does not is named when it is defined, and refused when it starts.
    let impossible = [
        (plain("ioeventfd='off'", ""), "without stopping a vCPU"),
        (plain("copy_on_read='on'", ""), "nothing below it"),
        (plain("", "<transient/>"), "is transient"),
        (drive("optional").replace("bus='virtio'", "bus='virtio' tray='open'"), "virtio drive has none"),
    ];
    for (device, words) in &impossible {
        let defined = define(&lab, device)?;
        assert!(defined.stderr.contains(words), "{device}: {}", defined.stderr);
        defined.ok();
        let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
        assert!(said.contains(words), "{device}: {said}");
    }
    let serial = plain("", "<serial>a-serial-number-that-is-too-long</serial>");
    let defined = define(&lab, &serial)?;
    assert!(defined.stderr.contains("first 20 characters"), "{}", defined.stderr);
    Ok(())
}

#[test]
fn a_domain_starts_without_what_may_be_missing() -> Outcome {
    let lab = Lab::with_domain(CONSOLE)?;
    let start = |devices: &str| {
        define(&lab, devices)?.ok();
        lab.reeve(&["domain", "start", "web"])
    };
    for policy in ["mandatory", "requisite"] {
        let said = start(&drive(policy))?.fails(3);
        assert!(said.contains("disc.iso"), "{policy}: {said}");
    }
    // A drive is empty then, and a disk is not there; the definition is as it was.
    let missing = disk("", "gone.raw", "vdc", "").replace("gone.raw'", "gone.raw' startupPolicy='optional'");
    start(&format!("{}{missing}", drive("optional")))?.ok();
    lab.console("", "reeve-guest: ready")?;
    lab.console("disk info 0", "sectors=0")?;
    lab.console("disk info 1", "error there are only 1 disks")?;
    let live = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(!live.contains("disc.iso") && !live.contains("vdc"), "{live}");
    let definition = lab.reeve(&["domain", "xml", "web", "--inactive"])?.ok();
    assert!(definition.contains("disc.iso") && definition.contains("gone.raw"), "{definition}");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    // What a drive needs to boot may be gone when its guest goes on.
    write(&lab, "disc.iso", 1 << 20)?;
    start(&drive("requisite"))?.ok();
    lab.console("", "reeve-guest: ready")?;
    lab.console("disk info 0", "sectors=2048")?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    std::fs::remove_file(lab.file("disc.iso"))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("disk info 0", "sectors=0")?;
    Ok(())
}

#[test]
fn what_is_read_of_images_below_is_kept_where_a_disk_is_told_to() -> Outcome {
    let lab = Lab::with_domain(CONSOLE)?;
    let content = write(&lab, "base.raw", 4 << 20)?;
    for name in ["keeps.qcow2", "reads.qcow2"] {
        let path = lab.file(name).display().to_string();
        lab.reeve(&["image", "create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", &path])?.ok();
    }
    // A base is written by nobody, so both can be on it.
    let keeps = disk("type='qcow2' copy_on_read='on'", "keeps.qcow2", "vda", "");
    let reads = disk("type='qcow2'", "reads.qcow2", "vdb", "");
    define(&lab, &format!("{keeps}{reads}"))?.ok();
    let size = |name: &str| std::fs::metadata(lab.file(name)).map(|found| found.len());
    let before = (size("keeps.qcow2")?, size("reads.qcow2")?);
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    let sum = disk_sum(&content[..1 << 20]);
    for disk in ["0", "1"] {
        lab.console(&format!("disk sum {disk} 0 2048"), &sum)?;
    }
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert!(size("keeps.qcow2")? >= before.0 + (1 << 20), "what was read is in it");
    assert_eq!(size("reads.qcow2")?, before.1);
    // It is there without the base, and the rest is not.
    std::fs::write(lab.file("base.raw"), vec![0; 4 << 20])?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    lab.console("disk sum 0 0 2048", &sum)?;
    lab.console("disk sum 0 2048 2048", &disk_sum(&vec![0; 1 << 20]))?;
    Ok(())
}
