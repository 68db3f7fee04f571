//! Domains on encrypted disks, judged by qemu-img: what a guest writes is in the container and nowhere in the clear.

use std::fs::File;
use std::os::unix::fs::FileExt;

use reeve_tests::{Guest, disk_sum, program, wait};

use crate::encrypted::{OTHER, PASSPHRASE, SECRET};
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
const SECTOR: usize = 512;
const SIZE: usize = 16 << 20;

fn encryption(secret: &str) -> String {
    format!("<encryption format='luks'><secret type='passphrase' uuid='{secret}'/></encryption>")
}

fn disk(source: &str, target: &str, more: &str) -> String {
    format!("<disk {source}<target dev='{target}' bus='virtio'/>{more}</disk>")
}

fn volume(name: &str, target: &str, more: &str) -> String {
    disk(&format!("type='volume'><source pool='lab' volume='{name}'/>"), target, more)
}

fn file(path: &str, target: &str, more: &str) -> String {
    disk(&format!("type='file'><source file='{path}'/>"), target, more)
}

/// A pool, two secrets of which the first opens things, and the encrypted volume `a`.
fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with_pool()?;
    for (uuid, usage, value) in [(SECRET, "/srv/a", PASSPHRASE), (OTHER, "/srv/b", "another one")] {
        let document = format!(
            "<secret private='yes'><uuid>{uuid}</uuid><usage type='volume'><volume>{usage}</volume></usage></secret>"
        );
        lab.daemon.reeve_with_input(&["secret", "define", "-"], &document)?.ok();
        lab.daemon.reeve_with_input(&["secret", "set-value", uuid], value)?.ok();
    }
    let target = format!("<target>{}</target>", encryption(SECRET));
    let document = format!(
        "<volume><name>a</name><capacity>{SIZE}</capacity><allocation>0</allocation>{target}</volume>"
    );
    lab.daemon.reeve_with_input(&["vol", "create", "lab", "-"], &document)?.ok();
    Ok(lab)
}

/// What is in a container, as qemu-img decrypts it.
fn decrypted(lab: &Lab, path: &str) -> anyhow::Result<Vec<u8>> {
    let (key, raw) = (lab.place.path().join("passphrase"), lab.place.path().join("decrypted"));
    std::fs::write(&key, PASSPHRASE)?;
    let object = format!("secret,id=key,file={},format=raw", key.display());
    let image = format!("driver=luks,key-secret=key,file.filename={path}");
    let to = raw.display().to_string();
    program("qemu-img", &["convert", "--object", &object, "--image-opts", &image, "-O", "raw", &to])?;
    Ok(std::fs::read(raw)?)
}

/// What a guest leaves that wrote a pattern.
fn write_pattern(bytes: &mut [u8], sector: usize, count: usize, pattern: u64) {
    for number in sector..sector + count {
        let word = (pattern ^ number as u64).to_le_bytes();
        let block = &mut bytes[number * SECTOR..][..SECTOR];
        block.chunks_exact_mut(8).for_each(|place| place.copy_from_slice(&word));
    }
}

/// Lets a guest read what another wrote, or itself.
fn holds(lab: &Lab, domain: &str, disk: usize, (sector, count): (usize, usize), pattern: u64) -> Outcome {
    let mut bytes = vec![0; (sector + count) * SECTOR];
    write_pattern(&mut bytes, sector, count, pattern);
    let sum = disk_sum(&bytes[sector * SECTOR..]);
    lab.console(domain, &format!("disk sum {disk} {sector} {count}\n"), &format!("sum={sum}")).map(drop)
}

fn start(lab: &Lab, name: &str) -> Outcome {
    lab.reeve(&["domain", "start", name])?.ok();
    lab.console(name, "", "reeve-guest: ready").map(drop)
}

fn power_off(lab: &Lab, name: &str) -> Outcome {
    lab.console(name, "poweroff\n", "powering off")?;
    wait::until("the guest is off", PATIENCE, || {
        lab.reeve(&["domain", "state", name]).is_ok_and(|run| run.stdout.contains("shut off"))
    })
}

/// The passphrase and the key of it are in no file of the daemon but the sealed store, and in no answer.
fn nothing_is_told(lab: &Lab, domain: &str) -> Outcome {
    assert!(!lab.daemon.log().contains("horse"), "the passphrase is in the log");
    let found = program("grep", &["-rl", "correct horse", &lab.daemon.root().display().to_string()]);
    assert!(found.is_err(), "the passphrase is in {found:?}");
    for verb in [
        &["domain", "xml", domain][..],
        &["domain", "info", domain],
        &["events", "--after", "0", "--timeout", "0"],
    ] {
        let said = lab.reeve(verb)?;
        assert!(!said.stdout.contains("horse"), "{said:?}");
    }
    Ok(())
}

#[test]
fn a_guest_writes_into_a_container_that_qemu_reads() -> Outcome {
    let mut lab = lab()?;
    let path = lab.images().join("a").display().to_string();
    // What was in it before the guest came, written by the peer.
    let key = lab.place.path().join("passphrase");
    std::fs::write(&key, PASSPHRASE)?;
    let object = format!("secret,id=key,file={},format=raw", key.display());
    let image = format!("driver=luks,key-secret=key,file.filename={path}");
    let fill = format!("write -P 0x5a 0 {SIZE}");
    program("qemu-io", &["--object", &object, "--image-opts", "-c", &fill, &image])?;
    let mut twin = vec![0x5a; SIZE];
    // The volume knows its secret; nothing is to be said in the disk.
    let devices = format!("{SERIAL}{}", volume("a", "vda", ""));
    let document = Guest::locate()?.document_with("web", 64, "", &devices);
    assert_eq!(lab.define(&document)?.stderr, "", "nothing is to be warned about");
    start(&lab, "web")?;
    lab.console("web", "disk info 0\n", &format!("sectors={}", SIZE / SECTOR))?;
    let sizes = lab.json(&["domain", "domblkinfo", "web", "vda"])?;
    assert_eq!(sizes[0]["capacity"], SIZE);
    lab.console("web", "disk read 0 7 1\n", "text=ZZZZ")?;
    for (sector, count, pattern) in [(0, 1, 3), (100, 3000, 77), (5001, 7, 9), (SIZE / SECTOR - 1, 1, 5)] {
        lab.console("web", &format!("disk write 0 {sector} {count} {pattern}\n"), "us=")?;
        write_pattern(&mut twin, sector, count, pattern);
    }
    holds(&lab, "web", 0, (100, 3000), 77)?;
    lab.console("web", "disk flush 0\n", "ok")?;
    nothing_is_told(&lab, "web")?;
    // Neither a restart of the daemon nor one of the guest needs the passphrase again.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    holds(&lab, "web", 0, (100, 3000), 77)?;
    lab.console("web", "disk put 0 9000 guarded-secret\n", "ok")?;
    twin[9000 * SECTOR..9001 * SECTOR].fill(0);
    twin[9000 * SECTOR..][..14].copy_from_slice(b"guarded-secret");
    lab.console("web", "reboot\n", "reeve-guest: ready")?;
    holds(&lab, "web", 0, (5001, 7), 9)?;
    lab.console("web", "disk write 0 20 4 1\n", "us=")?;
    write_pattern(&mut twin, 20, 4, 1);
    power_off(&lab, "web")?;
    assert!(decrypted(&lab, &path)? == twin, "the disk is what the guest wrote");
    let bytes = std::fs::read(&path)?;
    assert!(!bytes.windows(14).any(|window| window == b"guarded-secret"), "it is there in the clear");
    start(&lab, "web")?;
    holds(&lab, "web", 0, (20, 4), 1)?;
    nothing_is_told(&lab, "web")?;
    // Nothing takes its place that would hold in the clear what is written from then on.
    let said = lab.reeve(&["domain", "snapshot-create-as", "web", "later", "--disk-only"])?.fails(7);
    assert!(said.contains("an encrypted image gets no snapshot"), "{said}");
    let copy = lab.place.path().join("copy").display().to_string();
    let said = lab.reeve(&["domain", "blockcopy", "web", "vda", &copy])?;
    assert!(said.code != 0 && said.stderr.contains("is encrypted"), "{said:?}");
    assert!(!std::path::Path::new(&copy).exists());
    // Larger for a guest that runs, and read by the peer.
    lab.reeve(&["domain", "blockresize", "web", "vda", "24M"])?.ok();
    lab.console("web", "disk write 0 40000 5 6\n", "us=")?;
    power_off(&lab, "web")?;
    let read = decrypted(&lab, &path)?;
    let mut block = vec![0; 40005 * SECTOR];
    write_pattern(&mut block, 40000, 5, 6);
    assert_eq!(read.len(), 24 << 20);
    assert!(read[40000 * SECTOR..][..5 * SECTOR] == block[40000 * SECTOR..]);
    Ok(())
}

#[test]
fn without_its_key_nothing_is_started() -> Outcome {
    let lab = lab()?;
    let path = lab.images().join("a").display().to_string();
    let guest = Guest::locate()?;
    let unknown = "2a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
    for (name, more) in [
        ("lost", encryption(unknown)),
        ("wrong", encryption(OTHER)),
        ("nameless", "<encryption format='luks'/>".to_owned()),
        ("other", encryption(SECRET).replace("luks", "qcow")),
    ] {
        let document = guest.document_with(name, 64, "", &format!("{SERIAL}{}", file(&path, "vda", &more)));
        lab.define(&document)?;
    }
    let said = lab.reeve(&["domain", "start", "lost"])?.fails(7);
    assert!(said.contains(&format!("disk 'vda' of domain 'lost': there is no secret '{unknown}'")), "{said}");
    let said = lab.reeve(&["domain", "start", "wrong"])?.fails(7);
    assert!(said.contains("can't be opened") && said.contains("does not open it"), "{said}");
    let said = lab.reeve(&["domain", "start", "nameless"])?.fails(7);
    assert!(said.contains("it names 0 secrets"), "{said}");
    let said = lab.reeve(&["domain", "start", "other"])?.fails(7);
    assert!(said.contains("'luks' is"), "{said}");
    let plain = lab.images().join("plain");
    File::create(&plain)?.set_len(4 << 20)?;
    let more = encryption(SECRET);
    let devices = format!("{SERIAL}{}", file(&plain.display().to_string(), "vda", &more));
    lab.define(&guest.document_with("plain", 64, "", &devices))?;
    let said = lab.reeve(&["domain", "start", "plain"])?.fails(7);
    assert!(said.contains("no LUKS container"), "{said}");
    let qcow2 = more.clone() + "<driver name='reeve' type='qcow2'/>";
    let devices = format!("{SERIAL}{}", file(&path, "vda", &qcow2));
    let warned = lab.define(&guest.document_with("qcow2", 64, "", &devices))?.stderr;
    assert!(warned.contains("encrypted and qcow2"), "{warned}");
    for name in ["lost", "wrong", "nameless", "other", "plain"] {
        let state = lab.reeve(&["domain", "state", name])?.ok();
        assert!(state.contains("shut off"), "{name}: {state}");
    }
    // With the right key it goes on at once: nothing is left locked.
    lab.reeve(&["domain", "undefine", "wrong"])?.ok();
    let devices = format!("{SERIAL}{}", file(&path, "vda", &more));
    lab.define(&guest.document_with("right", 64, "", &devices))?;
    start(&lab, "right")?;
    nothing_is_told(&lab, "right")
}

#[test]
fn encrypted_disks_are_plugged_and_cloned() -> Outcome {
    let lab = lab()?;
    let path = lab.images().join("a").display().to_string();
    let guest = Guest::locate()?;
    lab.define(&guest.document_with("web", 64, "", SERIAL))?;
    start(&lab, "web")?;
    let device = lab.place.path().join("disk.xml");
    let plug = |text: &str, verb: &str| {
        std::fs::write(&device, text)?;
        lab.reeve(&["domain", verb, "web", &device.display().to_string()])
    };
    let wrong = plug(&file(&path, "vdb", &encryption(OTHER)), "attach-device")?.fails(7);
    assert!(wrong.contains("does not open it"), "{wrong}");
    plug(&volume("a", "vdb", ""), "attach-device")?.ok();
    lab.console("web", "", "reeve-guest: disk 0 is in slot")?;
    lab.console("web", "disk write 0 5 40 8\n", "us=")?;
    lab.console("web", "disk flush 0\n", "ok")?;
    lab.reeve(&["domain", "detach-disk", "web", "vdb"])?.ok();
    let mut expected = vec![0; 45 * SECTOR];
    write_pattern(&mut expected, 5, 40, 8);
    let written = |path: &str| -> Outcome {
        let read = decrypted(&lab, path)?;
        assert!(read[5 * SECTOR..45 * SECTOR] == expected[5 * SECTOR..], "{path}");
        Ok(())
    };
    written(&path)?;
    lab.reeve(&["domain", "attach-disk", "web", "a", "vdc", "--pool", "lab"])?.ok();
    lab.console("web", "", "is empty")?;
    holds(&lab, "web", 0, (5, 40), 8)?;
    power_off(&lab, "web")?;

    // A clone has the keys of its original, whether it is a volume, a file or the copy of one that is paused.
    for (name, text) in [("demo", volume("a", "vda", "")), ("files", file(&path, "vda", &encryption(SECRET)))]
    {
        lab.define(&guest.document_with(name, 64, "", &format!("{SERIAL}{text}")))?;
    }
    lab.reeve(&["domain", "clone", "demo", "--name", "twin", "--file", "b"])?.ok();
    let outside = lab.place.path().join("c").display().to_string();
    lab.reeve(&["domain", "clone", "files", "--name", "far", "--file", &outside])?.ok();
    start(&lab, "demo")?;
    lab.reeve(&["domain", "suspend", "demo"])?.ok();
    lab.reeve(&["domain", "clone", "demo", "--name", "paused", "--file", "d"])?.ok();
    lab.reeve(&["domain", "destroy", "demo"])?.ok();
    for (name, path) in [("twin", "b"), ("far", &*outside), ("paused", "d")] {
        let path = lab.images().join(path).display().to_string();
        written(&path)?;
        start(&lab, name)?;
        holds(&lab, name, 0, (5, 40), 8)?;
        power_off(&lab, name)?;
    }
    for name in ["b", "d"] {
        let info = lab.json(&["vol", "info", "--pool", "lab", name])?;
        assert_eq!(
            (&info["capacity"], &info["encryption"]["secret"]),
            (&SIZE.into(), &SECRET.into()),
            "{info}"
        );
    }
    nothing_is_told(&lab, "twin")
}

/// A container that another program made, whose disk begins where it likes.
#[test]
fn a_container_of_another_program_is_run() -> Outcome {
    let lab = lab()?;
    let path = lab.images().join("theirs").display().to_string();
    let key = lab.place.path().join("passphrase");
    std::fs::write(&key, PASSPHRASE)?;
    let object = format!("secret,id=key,file={},format=raw", key.display());
    program(
        "qemu-img",
        &[
            "create",
            "-q",
            "--object",
            &object,
            "-f",
            "luks",
            "-o",
            "key-secret=key,iter-time=10",
            &path,
            "8M",
        ],
    )?;
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let guest = Guest::locate()?;
    let unsaid = format!("{SERIAL}{}", volume("theirs", "vda", ""));
    lab.define(&guest.document_with("unsaid", 64, "", &unsaid))?;
    let said = lab.reeve(&["domain", "start", "unsaid"])?.fails(7);
    assert!(said.contains("it is not known which secret opens it") && said.contains("<encryption"), "{said}");
    // As libvirt writes it today, within the source; and past the page cache, which is said.
    let source = format!("type='file'><driver name='qemu' type='raw' cache='none'/><source file='{path}'>");
    let document = disk(&format!("{source}{}</source>", encryption(SECRET)), "vda", "");
    let warned = lab.define(&guest.document_with("web", 64, "", &format!("{SERIAL}{document}")))?.stderr;
    assert!(warned.contains("an encrypted image is run as with 'writeback'"), "{warned}");
    start(&lab, "web")?;
    lab.console("web", "disk write 0 0 16384 3\n", "us=")?;
    power_off(&lab, "web")?;
    let mut twin = vec![0; 8 << 20];
    write_pattern(&mut twin, 0, 16384, 3);
    assert!(decrypted(&lab, &path)? == twin);
    let header = File::open(&path)?;
    let mut begin = [0; 6];
    header.read_exact_at(&mut begin, 0)?;
    assert_eq!(&begin, b"LUKS\xba\xbe");
    Ok(())
}

/// A save image has what the guest had in memory, and nothing that opens its disk.
#[test]
fn a_guest_is_saved_and_its_key_is_not() -> Outcome {
    let mut lab = lab()?;
    let devices = format!("{SERIAL}{}", volume("a", "vda", ""));
    lab.define(&Guest::locate()?.document_with("web", 64, "", &devices))?;
    start(&lab, "web")?;
    lab.console("web", "disk write 0 0 500 4\n", "us=")?;
    let image = lab.place.path().join("web.save").display().to_string();
    lab.reeve(&["domain", "save", "web", &image])?.ok();
    assert!(
        program("grep", &["-c", "correct horse", &image]).is_err(),
        "the passphrase is in the save image"
    );
    // Without the key it is not restored, and stays.
    let value = |value: &str| lab.daemon.reeve_with_input(&["secret", "set-value", SECRET], value);
    value("something else")?.ok();
    let said = lab.reeve(&["domain", "restore", &image])?.fails(7);
    assert!(said.contains("does not open it"), "{said}");
    value(PASSPHRASE)?.ok();
    lab.reeve(&["domain", "restore", &image])?.ok();
    holds(&lab, "web", 0, (0, 500), 4)?;
    lab.console("web", "disk write 0 500 500 4\n", "us=")?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    holds(&lab, "web", 0, (0, 1000), 4)?;
    nothing_is_told(&lab, "web")?;
    power_off(&lab, "web")?;
    let mut expected = vec![0; 1000 * SECTOR];
    write_pattern(&mut expected, 0, 1000, 4);
    assert!(decrypted(&lab, &lab.images().join("a").display().to_string())?[..1000 * SECTOR] == expected);
    Ok(())
}

#[test]
fn a_snapshot_of_the_other_disks_needs_no_key() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["vol", "create-as", "lab", "plain", "16M", "--format", "qcow2"])?.ok();
    let path = lab.images().join("a").display().to_string();
    let locked = file(&path, "vdb", &encryption("2a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"));
    let locked = locked.replace("<disk ", "<disk snapshot='no' ");
    let devices = format!("{SERIAL}{}{locked}", volume("plain", "vda", ""));
    lab.define(&Guest::locate()?.document_with("web", 64, "", &devices))?;
    lab.reeve(&["domain", "snapshot-create-as", "web", "one"])?.ok();
    lab.reeve(&["domain", "snapshot-revert", "web", "one"])?.ok();
    lab.reeve(&["domain", "snapshot-delete", "web", "one"])?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(7);
    assert!(said.contains("disk 'vdb' of domain 'web': there is no secret"), "{said}");
    Ok(())
}
