//! Disks that go along with their guest to a host that does not have them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use reeve_tests::{Daemon, Guest, Run, wait};
use rustix::process::{Signal, kill_process};

use crate::bad_network::between;
use crate::pair::{HOSTS, Pair, host, is_active, say, state, wait_for};
use crate::relay::Fault;
use crate::{Outcome, PATIENCE};

const MIB: u64 = 1 << 20;
/// Sectors that the guest has written before anything moves.
const FIRST: u64 = 6 << 11;

/// Two hosts with a directory each, and a guest with disks in the one of the source.
struct Lab {
    pair: Pair,
}

/// A disk in the directory that the document calls HERE.
fn disk(target: &str, file: &str, driver: &str) -> String {
    format!(
        "<disk type='file'><driver {driver}/><source file='HERE/{file}'/><target dev='{target}' bus='virtio'/></disk>"
    )
}

impl Lab {
    /// The guest runs with these disks, of which `make` made the images.
    fn boot(devices: &str, make: impl FnOnce(&Self) -> Outcome) -> anyhow::Result<Self> {
        Self::between(
            Pair { source: host()?, target: host()?, place: tempfile::tempdir()?, addresses: None },
            devices,
            make,
        )
    }

    fn between(pair: Pair, devices: &str, make: impl FnOnce(&Self) -> Outcome) -> anyhow::Result<Self> {
        let lab = Self { pair };
        std::fs::create_dir(lab.here(""))?;
        std::fs::create_dir(lab.there(""))?;
        make(&lab)?;
        let devices = format!("{devices}<serial type='pty'><target port='0'/></serial>");
        let devices = devices.replace("HERE", &lab.pair.place.path().join("here").display().to_string());
        let document = Guest::locate()?.document_with("guest", 64, "", &devices);
        lab.pair.source.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
        lab.pair.source.reeve(&["domain", "start", "guest"])?.ok();
        say(&lab.pair.source, "", "reeve-guest: ready")?;
        say(&lab.pair.source, &format!("disk write 0 2048 {FIRST} 21\n"), "us=")?;
        say(&lab.pair.source, "mem write 77 24\n", "ok write")?;
        Ok(lab)
    }

    fn here(&self, file: &str) -> PathBuf {
        self.pair.place.path().join("here").join(file)
    }

    fn there(&self, file: &str) -> PathBuf {
        self.pair.place.path().join("there").join(file)
    }

    fn create(&self, path: &Path, format: &str, size: &str, more: &[&str]) -> Outcome {
        let path = path.display().to_string();
        self.pair.source.reeve(&[&["image", "create", "-f", format, &path, size], more].concat())?.ok();
        Ok(())
    }

    /// A document of the guest with its disks in the other directory.
    fn elsewhere(&self) -> anyhow::Result<&'static str> {
        let (from, to) = (self.pair.place.path().join("here"), self.pair.place.path().join("there"));
        let (mut from, mut to) = (from.display().to_string(), to.display().to_string());
        let document = self.pair.source.reeve(&["domain", "dumpxml", "guest"])?.ok();
        if document.contains(&format!("'{to}/")) && !document.contains(&format!("'{from}/")) {
            std::mem::swap(&mut from, &mut to);
        }
        let file = self.pair.place.path().join("elsewhere.xml");
        std::fs::write(&file, document.replace(&format!("'{from}/"), &format!("'{to}/")))?;
        Ok(file.display().to_string().leak())
    }

    fn migrate(&self, options: &[&str]) -> anyhow::Result<Run> {
        self.pair.migrate(&[&["--live", "--xml", self.elsewhere()?], options].concat())
    }

    /// A migration with all disks that takes seconds.
    fn slowly(&mut self, during: impl FnOnce(&mut Pair) -> Outcome) -> anyhow::Result<Run> {
        let options = ["--xml", self.elsewhere()?, "--copy-storage-all"];
        self.pair.slowly_with(&options, during)
    }

    /// What a disk shows once its guest is gone at the target.
    fn content(&self, image: &Path, format: &str) -> anyhow::Result<Vec<u8>> {
        let (image, raw) =
            (image.display().to_string(), self.pair.place.path().join("raw").display().to_string());
        self.pair.source.reeve(&["image", "convert", "-f", format, "-O", "raw", &image, &raw])?.ok();
        let content = std::fs::read(&raw)?;
        std::fs::remove_file(raw)?;
        Ok(content)
    }

    /// Nothing came, and the guest is as it was.
    fn stayed(&self) -> Outcome {
        wait_for(&self.pair.target, "absent")?;
        wait::until("the files that were made are gone", PATIENCE, || !self.there("disk").exists())?;
        assert_eq!(state(&self.pair.source)?, "running");
        self.is_intact(&self.pair.source)
    }

    /// The guest has its memory, and what it wrote first on its first disk.
    fn is_intact(&self, at: &Daemon) -> Outcome {
        say(at, "mem verify 77 24\n", "ok verify")?;
        let sum = sum_of(21, 2048, FIRST);
        say(at, &format!("disk sum 0 2048 {FIRST}\n"), &format!("sum={sum:016x}"))?;
        Ok(())
    }
}

/// The checksum that the guest says of sectors with a pattern.
fn sum_of(pattern: u64, sector: u64, count: u64) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325;
    for number in sector..sector + count {
        for byte in (pattern ^ number).to_le_bytes().repeat(64) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    sum
}

#[test]
fn disks_go_along_whole_while_the_guest_writes_them_and_come_back_again() -> Outcome {
    for (format, driver) in [
        ("raw", "type='raw'"),
        ("raw", "type='raw' cache='none'"),
        ("qcow2", "type='qcow2' cache='writethrough'"),
    ] {
        let mut lab =
            Lab::boot(&disk("vda", "disk", driver), |lab| lab.create(&lab.here("disk"), format, "64M", &[]))?;
        let mut seen = String::new();
        let mut wrote: u64 = 0;
        let run = lab.slowly(|pair| {
            // Where it was sent already, and where it was not yet.
            while is_active(&pair.source)? && wrote < 6 {
                let at = [2048 + 512 * wrote, 60 << 11][wrote as usize % 2];
                say(&pair.source, &format!("disk write 0 {at} 128 {}\n", 100 + wrote), "us=")?;
                wrote += 1;
                seen = pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok();
            }
            pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
            Ok(())
        })?;
        println!("{format}: {} {wrote} writes\n{seen}", run.ok());
        assert!(wrote >= 2 && seen.contains("File total:") && seen.contains("File processed:"), "{seen}");
        let target = &lab.pair.target;
        say(target, "mem verify 77 24\n", "ok verify")?;
        for last in wrote.saturating_sub(2)..wrote {
            let at = [2048 + 512 * last, 60 << 11][last as usize % 2];
            let sum = sum_of(100 + last, at, 128);
            say(target, &format!("disk sum 0 {at} 128\n"), &format!("sum={sum:016x}"))?;
        }
        let blocks = std::fs::metadata(lab.there("disk"))?.blocks() * 512;
        assert!(blocks < 16 * MIB, "what is empty takes no space: {blocks}");
        // Back, into the file that is there: what is in it now is older.
        say(target, "disk put 0 90000 only-there\n", "ok")?;
        lab.pair.turn_around();
        println!("{}", lab.migrate(&["--copy-storage-all"])?.ok());
        say(&lab.pair.target, "disk read 0 90000\n", "text=only-there")?;
        say(&lab.pair.target, "disk flush 0\n", "ok")?;
        lab.pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
        let (here, there) =
            (lab.content(&lab.here("disk"), format)?, lab.content(&lab.there("disk"), format)?);
        assert!(here == there, "{format}: both hosts have the same bytes");
        if format == "qcow2" {
            for image in [lab.here("disk"), lab.there("disk")] {
                let image = image.display().to_string();
                lab.pair.source.reeve(&["image", "check", "-f", "qcow2", &image])?.ok();
            }
        }
    }
    Ok(())
}

#[test]
fn what_a_guest_writes_all_the_time_is_there_to_the_last_request() -> Outcome {
    for (format, driver) in [("raw", "type='raw' cache='none'"), ("qcow2", "type='qcow2' discard='unmap'")] {
        let lab =
            Lab::boot(&disk("vda", "disk", driver), |lab| lab.create(&lab.here("disk"), format, "32M", &[]))?;
        lab.pair.source.reeve(&["domain", "migrate-setspeed", "guest", "40"])?.ok();
        say(&lab.pair.source, "disk bench 0 write rand 4096 8 10000\n", "")?;
        println!("{}", lab.migrate(&["--copy-storage-all", "--suspend", "--timeout", "2"])?.ok());
        // It stands still: both hosts have what it wrote until then.
        for copy in [lab.here("copy"), lab.there("copy")] {
            std::fs::copy(copy.with_file_name("disk"), copy)?;
        }
        let (here, there) =
            (lab.content(&lab.here("copy"), format)?, lab.content(&lab.there("copy"), format)?);
        assert!(here.iter().any(|byte| *byte != 0) && here == there, "{format}");
        lab.pair.target.reeve(&["domain", "resume", "guest"])?.ok();
        say(&lab.pair.target, "", "requests=")?;
    }
    Ok(())
}

#[test]
fn only_the_upper_image_goes_along_where_its_backing_file_is_there() -> Outcome {
    let lab = Lab::boot(&disk("vda", "disk", "type='qcow2'"), |lab| {
        std::fs::write(lab.here("base"), vec![5; 32 << 20])?;
        lab.create(&lab.here("disk"), "qcow2", "32M", &["-b", "base", "-F", "raw"])
    })?;
    let missing = lab.migrate(&["--copy-storage-inc"])?;
    let said = missing.fails(3);
    assert!(said.contains("backing file 'base' is not at the destination"), "{said}");
    assert!(!lab.there("disk").exists());
    std::fs::copy(lab.here("base"), lab.there("base"))?;
    println!("{}", lab.migrate(&["--copy-storage-inc"])?.ok());
    lab.is_intact(&lab.pair.target)?;
    say(&lab.pair.target, "disk flush 0\n", "ok")?;
    lab.pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
    let image = lab.there("disk").display().to_string();
    let info = lab.pair.target.reeve(&["image", "info", "-f", "qcow2", &image])?.ok();
    assert!(info.contains("base"), "{info}");
    let own = std::fs::metadata(lab.there("disk"))?.blocks() * 512;
    assert!(own < 10 * MIB, "what is below stays below: {own}");
    assert!(lab.content(&lab.here("disk"), "qcow2")? == lab.content(&lab.there("disk"), "qcow2")?);
    Ok(())
}

#[test]
fn all_of_a_chain_becomes_one_image() -> Outcome {
    let lab = Lab::boot(&disk("vda", "disk", "type='qcow2'"), |lab| {
        std::fs::write(lab.here("base"), vec![5; 16 << 20])?;
        lab.create(&lab.here("disk"), "qcow2", "16M", &["-b", "base", "-F", "raw"])
    })?;
    println!("{}", lab.migrate(&["--copy-storage-all"])?.ok());
    lab.is_intact(&lab.pair.target)?;
    lab.pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
    assert!(!lab.there("base").exists());
    assert!(lab.content(&lab.here("disk"), "qcow2")? == lab.content(&lab.there("disk"), "qcow2")?);
    Ok(())
}

#[test]
fn disks_that_are_named_go_along_and_others_are_shared() -> Outcome {
    let place = tempfile::tempdir()?;
    let both = |target: &str, file: &str| {
        disk(target, file, "type='raw'").replace("HERE", &place.path().display().to_string())
    };
    let readonly = both("vdc", "media").replace("</disk>", "<readonly/></disk>");
    let devices = [disk("vda", "disk", "type='raw'"), both("vdb", "shared"), readonly].concat();
    let lab = Lab::boot(&devices, |lab| {
        for name in ["shared", "media"] {
            lab.create(&place.path().join(name), "raw", "1M", &[])?;
        }
        lab.create(&lab.here("disk"), "raw", "16M", &[])
    })?;
    let said = lab.migrate(&["--copy-storage-all", "--migrate-disks", "vdx"])?.fails(3);
    assert!(said.contains("has no disk 'vdx'"), "{said}");
    let said = lab.migrate(&["--copy-storage-all", "--migrate-disks", "vdc"])?.fails(1);
    assert!(said.contains("disk 'vdc' can't go along"), "{said}");
    let said = lab.migrate(&["--migrate-disks", "vda"])?.fails(7);
    assert!(said.contains("and not how"), "{said}");
    // The other one is the very file that the source has.
    let said = lab.migrate(&["--copy-storage-all"])?.fails(6);
    assert!(said.contains("disk 'vdb'") && said.contains("in use"), "{said}");
    assert!(!lab.there("disk").exists());
    println!("{}", lab.migrate(&["--copy-storage-all", "--migrate-disks", "vda"])?.ok());
    lab.is_intact(&lab.pair.target)?;
    say(&lab.pair.target, "disk put 1 9 on-the-shared\n", "ok")?;
    say(&lab.pair.target, "disk info 2\n", "access=ro")?;
    Ok(())
}

#[test]
fn what_is_in_the_way_is_left_alone_and_the_guest_stays() -> Outcome {
    let lab = Lab::boot(&disk("vda", "disk", "type='raw'"), |lab| {
        lab.create(&lab.here("disk"), "raw", "16M", &[])
    })?;
    std::fs::write(lab.there("disk"), b"somebody's")?;
    let said = lab.migrate(&["--copy-storage-all"])?.fails(6);
    assert!(said.contains("what is there has 10 bytes, and the disk has 16777216"), "{said}");
    assert_eq!(std::fs::read(lab.there("disk"))?, b"somebody's");
    std::fs::remove_dir_all(lab.there(""))?;
    let said = lab.migrate(&["--copy-storage-all"])?.fails(3);
    assert!(said.contains("its directory is not there"), "{said}");
    lab.is_intact(&lab.pair.source)?;
    std::fs::create_dir(lab.there(""))?;
    lab.migrate(&["--copy-storage-all"])?.ok();
    lab.is_intact(&lab.pair.target)
}

#[test]
fn a_destination_that_runs_full_keeps_nothing_and_the_guest_stays() -> Outcome {
    let lab = Lab::boot(&disk("vda", "disk", "type='raw'"), |lab| {
        lab.create(&lab.here("disk"), "raw", "64M", &[])
    })?;
    let small = Small::mount(&lab.there(""))?;
    let said = lab.migrate(&["--copy-storage-all"])?.fails(1);
    assert!(said.contains("No space left on device") && said.contains("stays here"), "{said}");
    lab.stayed()?;
    drop(small);
    lab.migrate(&["--copy-storage-all"])?.ok();
    lab.is_intact(&lab.pair.target)
}

/// A file system that is smaller than what comes, gone with the test.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> anyhow::Result<Self> {
        program(&["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", &at.display().to_string()])?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What fails here fails in a test that is over.
        let _ = program(&["umount", "-l", &self.0.display().to_string()]);
    }
}

fn program(words: &[&str]) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "a test uses the machine as an operator does")]
    let done = std::process::Command::new(words[0]).args(&words[1..]).output()?;
    anyhow::ensure!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn raw_lab() -> anyhow::Result<Lab> {
    Lab::boot(&disk("vda", "disk", "type='raw'"), |lab| lab.create(&lab.here("disk"), "raw", "64M", &[]))
}

#[test]
fn the_guest_stays_and_no_file_is_left_when_the_worker_at_the_destination_is_killed() -> Outcome {
    let mut lab = raw_lab()?;
    let there = lab.there("disk");
    let run = lab.slowly(|pair| {
        wait::until("its disk is there", PATIENCE, || there.exists())?;
        pair.target.kill_worker("guest")
    })?;
    assert!(run.fails(1).contains("stays here"));
    lab.stayed()?;
    lab.pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
    lab.migrate(&["--copy-storage-all"])?.ok();
    lab.is_intact(&lab.pair.target)
}

#[test]
fn the_guest_stays_and_no_file_is_left_when_an_operator_ends_it_or_the_source_is_killed() -> Outcome {
    let mut lab = raw_lab()?;
    let run = lab.slowly(|pair| {
        pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
        Ok(())
    })?;
    assert!(run.fails(1).contains("an operator ended it"));
    lab.stayed()?;
    lab.slowly(|pair| {
        pair.source.kill()?;
        pair.source.launch()
    })?
    .fails(1);
    lab.stayed()?;
    lab.slowly(|pair| pair.source.kill_worker("guest"))?.fails(1);
    wait_for(&lab.pair.target, "absent")?;
    wait_for(&lab.pair.source, "crashed")?;
    wait::until("the file that was made is gone", PATIENCE, || !lab.there("disk").exists())
}

#[test]
fn the_disk_arrives_although_the_daemon_at_the_destination_is_killed_and_goes_when_it_does_not() -> Outcome {
    let mut lab = raw_lab()?;
    lab.slowly(|pair| {
        pair.target.kill()?;
        pair.target.launch()?;
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
        Ok(())
    })?
    .ok();
    wait_for(&lab.pair.target, "running")?;
    lab.is_intact(&lab.pair.target)?;
    let mut lab = raw_lab()?;
    lab.slowly(|pair| {
        let worker = pair.target.worker("guest")?;
        pair.target.kill()?;
        kill_process(worker, Signal::KILL)?;
        pair.target.launch()
    })?
    .fails(1);
    lab.stayed()
}

#[test]
fn what_an_operator_put_in_the_place_of_a_disk_stays_when_the_guest_does_not_come() -> Outcome {
    // A place for the disk, made beforehand.
    let mut lab = raw_lab()?;
    let there = lab.there("disk");
    lab.create(&there, "raw", "64M", &[])?;
    lab.slowly(|pair| pair.target.kill_worker("guest"))?.fails(1);
    wait_for(&lab.pair.target, "absent")?;
    assert_eq!(std::fs::metadata(&there)?.len(), 64 * MIB);
    // Another file in its place, while no daemon is there to see it.
    std::fs::remove_file(&there)?;
    let moved = lab.there("moved");
    lab.slowly(|pair| {
        let worker = pair.target.worker("guest")?;
        pair.target.kill()?;
        kill_process(worker, Signal::KILL)?;
        std::fs::rename(&there, &moved)?;
        std::fs::write(&there, b"somebody's")?;
        pair.target.launch()
    })?
    .fails(1);
    wait_for(&lab.pair.target, "absent")?;
    let left = "was not made for the disk that did not come is left";
    wait::until("the daemon says what it leaves", PATIENCE, || lab.pair.target.log().contains(left))?;
    assert_eq!(std::fs::read(&there)?, b"somebody's");
    assert_eq!(std::fs::read_dir(lab.there(""))?.count(), 2, "the file, and what was moved");
    Ok(())
}

#[test]
fn in_post_copy_disks_come_before_the_guest_goes_on() -> Outcome {
    let lab = raw_lab()?;
    println!("{}", lab.migrate(&["--copy-storage-all", "--postcopy", "--postcopy-after-precopy"])?.ok());
    lab.is_intact(&lab.pair.target)?;
    lab.pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
    assert!(std::fs::read(lab.here("disk"))? == std::fs::read(lab.there("disk"))?);
    Ok(())
}

/// Hosts that reach each other over TLS alone.
fn over_tls() -> anyhow::Result<Lab> {
    let place = tempfile::tempdir()?;
    let authority = reeve_tests::Authority::new()?;
    for host in HOSTS {
        authority.issue(&place.path().join(host), host, 2090)?;
    }
    let pair = Pair::with_certificates(place, "")?;
    Lab::between(pair, &disk("vda", "disk", "type='qcow2'"), |lab| {
        lab.create(&lab.here("disk"), "qcow2", "32M", &[])
    })
}

#[test]
fn disks_go_along_over_a_slow_network_and_stay_where_a_bit_of_them_turns_over() -> Outcome {
    let mut lab = over_tls()?;
    let addresses = lab.pair.addresses.clone();
    // Of some eight megabytes, which are before the memory.
    for at in [200_000, 3 << 20] {
        let (relay, uri) = between(&lab.pair, Fault::Flip(at))?;
        let options = ["--live", "--xml", lab.elsewhere()?, "--copy-storage-all"];
        let said = lab.pair.migrate_to(&uri, &options)?.fails(1);
        assert!(relay.has_failed() && said.contains("stays here"), "{said}");
        lab.stayed()?;
    }
    let (_relay, uri) = between(&lab.pair, Fault::Slow(8 << 20))?;
    lab.pair.addresses = addresses.map(|(source, _)| (source, uri));
    println!("{}", lab.migrate(&["--copy-storage-all"])?.ok());
    lab.is_intact(&lab.pair.target)
}

#[test]
fn disks_go_along_over_tls_and_where_the_guest_stands_still() -> Outcome {
    let lab = over_tls()?;
    let options = ["--xml", lab.elsewhere()?, "--copy-storage-all", "--compressed", "--suspend"];
    println!("{}", lab.pair.migrate(&options)?.ok());
    assert_eq!(state(&lab.pair.target)?, "paused");
    lab.pair.target.reeve(&["domain", "resume", "guest"])?.ok();
    lab.is_intact(&lab.pair.target)
}
