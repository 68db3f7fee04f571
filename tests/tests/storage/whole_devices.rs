//! Whole devices of the host that guests and pools are given are warned about (guide 12.1, 12.2, 13.3).

use reeve_tests::{Guest, program};

use crate::Outcome;
use crate::kinds::Loop;
use crate::lab::Lab;

fn block(path: &str, target: &str, more: &str) -> String {
    format!(
        "<disk type='block' device='disk'><source dev='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )
}

/// What `domain define` warns about a guest with these devices.
fn warned(lab: &Lab, devices: &str) -> anyhow::Result<String> {
    let document = Guest::locate()?.document_with("web", 64, "", devices);
    // The one before, if there is one.
    lab.reeve(&["domain", "undefine", "web"])?;
    let run = lab.define(&document)?;
    Ok(run.stderr)
}

#[test]
fn guests_that_write_whole_devices_are_warned_about() -> Outcome {
    let (device, lab) = (Loop::new()?, Lab::start()?);
    let whole = format!("'{}' is a whole device of this host", device.0);
    let said = warned(&lab, &block(&device.0, "vda", ""))?;
    assert!(said.contains(&format!("disk 'vda': {whole}:")) && said.contains("partition"), "{said}");
    // What is there is said; a link leads to it.
    program("mkfs.ext4", &["-q", "-F", &device.0])?;
    let link = lab.place.path().join("link").display().to_string();
    std::os::unix::fs::symlink(&device.0, &link)?;
    let said = warned(&lab, &block(&link, "vda", ""))?;
    assert!(said.contains("is a whole device of this host (with ext4 on it)"), "{said}");
    let place = lab.place.path().join("mounted");
    std::fs::create_dir(&place)?;
    let place = place.display().to_string();
    program("mount", &[&device.0, &place])?;
    let said = warned(&lab, &block(&device.0, "vda", ""));
    program("umount", &[&place])?;
    let said = said?;
    assert!(said.contains(&format!("(with ext4 on it, mounted at '{place}')")), "{said}");

    // Who only reads, or has a file, is not.
    for devices in [
        block(&device.0, "vda", "<readonly/>"),
        block(&device.0, "vda", "").replace("'disk'", "'cdrom'"),
        "<disk type='file'><source file='/etc/hostname'/><target dev='vda' bus='virtio'/></disk>".to_owned(),
    ] {
        let said = warned(&lab, &devices)?;
        assert!(!said.contains("whole device"), "{said}");
    }

    // Neither are partitions; whole devices that come later are.
    let source = ["disk", "--source-dev", &device.0, "--source-format", "gpt", "--target", "/dev"];
    lab.reeve(&[&["pool", "define-as", "parts"], &source[..]].concat())?.ok();
    lab.reeve(&["pool", "build", "parts", "--overwrite"])?.ok();
    lab.reeve(&["pool", "start", "parts"])?.ok();
    let run = lab.reeve(&["vol", "create-as", "parts", "one", "8M"])?;
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    let run = lab.reeve(&["vol", "create-as", "parts", "two", "8M", "--allocation", "0"])?;
    assert!(
        run.code == 0 && run.stderr.contains("volumes of a pool of type 'disk' can't be thin"),
        "{run:?}"
    );
    let part = lab.reeve(&["vol", "path", "--pool", "parts", "one"])?.ok().trim().to_owned();
    let said = warned(&lab, &block(&part, "vda", ""))?;
    assert!(!said.contains("device of this host") && !said.contains("in use"), "{said}");
    let said = warned(&lab, &block(&device.0, "vda", ""))?;
    assert!(said.contains("(with a partition table (gpt))"), "{said}");
    let attach = ["domain", "attach-disk", "web", &device.0, "vdb", "--config"];
    let run = lab.reeve(&attach)?;
    assert!(run.code == 0 && run.stderr.contains(&format!("disk 'vdb': {whole}")), "{run:?}");
    lab.reeve(&["domain", "detach-disk", "web", "vdb", "--config"])?.ok();
    let run = lab.reeve(&[&attach[..], &["--mode", "readonly"]].concat())?;
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    let change = lab.daemon.file("disk.xml", &block(&device.0, "vdb", ""))?;
    let run = lab.reeve(&["domain", "update-device", "web", &change, "--config"])?;
    assert!(run.code == 0 && run.stderr.contains(&whole), "{run:?}");
    let run =
        lab.reeve(&["domain", "attach-device", "web", &lab.daemon.file("c.xml", &block(&part, "vdc", ""))?])?;
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    lab.reeve(&["pool", "destroy", "parts"])?.ok();
    Ok(())
}

#[test]
fn pools_on_whole_devices_are_warned_about() -> Outcome {
    let (device, lab) = (Loop::new()?, Lab::start()?);
    let target = lab.images().display().to_string();
    let fs = |device: &str| {
        let source = ["fs", "-", "-", device, "-", &target, "--source-format", "ext4"];
        lab.reeve(&[&["pool", "define-as", "files"], &source[..]].concat())
    };
    let run = fs(&device.0)?;
    let whole = format!("storage pool 'files': '{}' is a whole device of this host; use one", device.0);
    assert!(run.code == 0 && run.stderr.contains(&whole) && run.stderr.contains("guide 12.2"), "{run:?}");
    lab.reeve(&["pool", "undefine", "files"])?.ok();

    program("mkfs.ext4", &["-q", "-F", &device.0])?;
    let disk = ["disk", "--source-dev", &device.0, "--source-format", "gpt", "--target", "/dev"];
    let define = |name: &str| lab.reeve(&[&["pool", "define-as", name], &disk[..]].concat());
    let run = define("parts")?;
    assert!(run.code == 0 && run.stderr.contains("holds ext4 and no partition table"), "{run:?}");
    let place = lab.place.path().join("mounted").display().to_string();
    std::fs::create_dir(&place)?;
    program("mount", &[&device.0, &place])?;
    let run = define("other");
    program("umount", &[&place])?;
    let run = run?;
    let said = format!("'{}' is in use by this host (mounted at '{place}')", device.0);
    assert!(run.code == 0 && run.stderr.contains(&said), "{run:?}");

    // A disk with a table, and a partition for a file system, are as they should be.
    lab.reeve(&["pool", "build", "parts", "--overwrite"])?.ok();
    lab.reeve(&["pool", "undefine", "other"])?.ok();
    let run = define("other")?;
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    lab.reeve(&["pool", "start", "parts"])?.ok();
    lab.reeve(&["vol", "create-as", "parts", "one", "8M"])?.ok();
    let part = lab.reeve(&["vol", "path", "--pool", "parts", "one"])?.ok();
    let run = fs(part.trim())?;
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    lab.reeve(&["pool", "destroy", "parts"])?.ok();
    Ok(())
}
