//! Jobs on the images of running domains' disks (guide 14.5.15 to 14.5.18): what the guest reads before and after, and what is in the files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use reeve_tests::{Guest, disk_sum, wait};
use serde_json::Value;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
pub const SIZE: usize = 32 << 20;
const SECTOR: usize = 512;

/// A domain on a chain of images in a directory: `base` (raw) <- `first` <- `second` <- `top`, each with something of its own.
pub struct Chain {
    pub lab: Lab,
}

impl Chain {
    pub fn new() -> anyhow::Result<Self> {
        let chain = Self { lab: Lab::start()? };
        std::fs::create_dir(chain.at(""))?;
        let base: Vec<u8> = (0..SIZE / SECTOR).flat_map(|number| [number as u8 | 1; SECTOR]).collect();
        std::fs::write(chain.at("base"), base)?;
        for (below, format, name) in
            [("base", "raw", "first"), ("first", "qcow2", "second"), ("second", "qcow2", "top")]
        {
            chain.reeve(&["image", "create", &chain.path(name), "-f", "qcow2", "-b", below, "-F", format])?;
        }
        Ok(chain)
    }

    /// With a guest that runs on its top, after every layer got something.
    pub fn running(driver: &str) -> anyhow::Result<Self> {
        let chain = Self::new()?;
        for (name, at, pattern) in [("first", 1000, 1), ("second", 1500, 2)] {
            chain.start(name, "type='qcow2'")?;
            chain.say(&format!("disk write 0 {at} 2000 {pattern}\n"), "us=")?;
            chain.reeve(&["domain", "destroy", "web"])?;
        }
        chain.start("top", driver)?;
        chain.say("disk write 0 2000 300 3\n", "us=")?;
        Ok(chain)
    }

    /// Starts the guest on an image.
    pub fn start(&self, name: &str, driver: &str) -> Outcome {
        let disk = format!(
            "<disk type='file'><driver {driver}/><source file='{}'/><target dev='vda' bus='virtio'/></disk>",
            self.path(name)
        );
        // There may be one of before.
        self.lab.reeve(&["domain", "undefine", "web"])?;
        self.lab.define(&Guest::locate()?.document_with("web", 64, "", &format!("{SERIAL}{disk}")))?;
        self.reeve(&["domain", "start", "web"])?;
        self.say("", "reeve-guest: ready")?;
        Ok(())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.lab.place.path().join("chain").join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// What a command that must succeed says.
    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.lab.reeve(arguments)?.ok())
    }

    pub fn say(&self, command: &str, words: &str) -> anyhow::Result<String> {
        self.lab.console("web", command, words)
    }

    /// The checksum of the whole disk as the guest reads it.
    pub fn sum(&self) -> anyhow::Result<String> {
        let said = self.say("disk sum 0\n", "us=")?;
        let sum = said.rsplit("sum=").next().map(|rest| rest[..16].to_owned());
        sum.ok_or_else(|| anyhow::anyhow!("no sum in {said}"))
    }

    /// The job of the disk.
    pub fn job(&self) -> anyhow::Result<Value> {
        self.lab.json(&["domain", "blockjob", "web", "vda"])
    }

    pub fn job_is(&self, state: &str) -> Outcome {
        wait::until(&format!("the job is {state}"), PATIENCE, || {
            self.job().is_ok_and(|job| job["state"] == state)
        })
    }

    /// The checksum of an image's disk, after it was found whole.
    pub fn judged(&self, name: &str, format: &str) -> anyhow::Result<String> {
        if format == "qcow2" {
            self.reeve(&["image", "check", &self.path(name), "-f", "qcow2"])?;
        }
        let raw = self.at("raw-copy");
        let words = ["image", "convert", "-f", format, "-O", "raw", "--overwrite"];
        self.reeve(&[&words[..], &[&self.path(name), &raw.display().to_string()]].concat())?;
        Ok(disk_sum(&std::fs::read(&raw)?))
    }

    /// The backing file that an image names.
    pub fn backing(&self, name: &str) -> anyhow::Result<Value> {
        let info = self.lab.json(&["image", "info", &self.path(name), "-f", "qcow2", "--force-share"])?;
        Ok(info["backing-filename"].clone())
    }

    /// Path and format of the disk, of the machine or of the definition.
    pub fn disk(&self, inactive: bool) -> anyhow::Result<(String, String)> {
        let words: &[&str] = if inactive { &["--inactive"] } else { &[] };
        let disks = self.lab.json(&[&["domain", "domblklist", "web"], words].concat())?;
        let word = |name: &str| disks[0][name].as_str().unwrap_or_default().to_owned();
        Ok((word("source"), word("format")))
    }

    /// The guest writes all the time for so many milliseconds; what it says about it comes later.
    pub fn write_for(&self, milliseconds: u32) -> Outcome {
        self.say(&format!("disk bench 0 write rand 4096 8 {milliseconds}\n"), "").map(drop)
    }

    pub fn restart(&mut self) -> Outcome {
        self.reeve(&["domain", "destroy", "web"])?;
        self.reeve(&["domain", "start", "web"])?;
        self.say("", "reeve-guest: ready")?;
        Ok(())
    }
}

#[test]
fn a_pull_shortens_the_chain_and_then_ends_it() -> Outcome {
    let mut chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let said =
        chain.reeve(&["domain", "blockpull", "web", "vda", "--base", &chain.path("base"), "--wait"])?;
    assert_eq!(said, "Block Pull of disk 'vda': completed\n");
    assert_eq!(chain.backing("top")?, "base");
    // Nobody needs or locks what was between.
    for name in ["first", "second"] {
        File::options().write(true).open(chain.at(name))?.set_len(0)?;
    }
    assert_eq!(chain.sum()?, before);
    chain.restart()?;
    assert_eq!(chain.sum()?, before);
    let said = chain.lab.reeve(&["domain", "blockpull", "web", "vda", &chain.path("top")])?.fails(7);
    assert!(said.contains("can't be its own backing file"), "{said}");
    let said = chain.lab.reeve(&["domain", "blockpull", "web", "vda", "--base", "/etc/passwd"])?.fails(7);
    assert!(said.contains("'/etc/passwd' is no image of disk 'vda'"), "{said}");

    chain.write_for(500)?;
    chain.reeve(&["domain", "blockpull", "web", "vda", "--verbose", "--bandwidth", "2000"])?;
    let said = chain.reeve(&["domain", "blockjob", "web", "vda"])?;
    assert!(said.starts_with("Block Pull: [100 %] completed"), "{said}");
    assert_eq!(chain.backing("top")?, Value::Null);
    chain.say("", "requests=")?;
    let after = chain.sum()?;
    std::fs::remove_file(chain.at("base"))?;
    assert_eq!(chain.sum()?, after);
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("top", "qcow2")?, after);
    Ok(())
}

#[test]
fn a_commit_takes_the_middle_out() -> Outcome {
    let mut chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let (base, top) = (chain.path("base"), chain.path("second"));
    let said = chain.lab.reeve(&["domain", "blockcommit", "web", "vda", "--base", &base])?.fails(7);
    assert!(said.contains("is the active image") && said.contains("--active"), "{said}");
    let said = chain.lab.reeve(&["domain", "blockcommit", "web", "vda", "--base", &top, "--top", &base])?;
    assert!(said.stderr.contains("is not below"), "{said:?}");
    let said =
        chain.lab.reeve(&["domain", "blockcommit", "web", "vda", "--base", "vda[3]", "--top", "vda[9]"])?;
    assert!(said.stderr.contains("'vda[9]' is no image of disk 'vda'"), "{said:?}");

    // A reader of the base would see it change.
    let reader = Guest::locate()?.document_with(
        "reader",
        32,
        "",
        &format!(
            "<disk type='file'><source file='{base}'/><target dev='vda' bus='virtio'/><readonly/></disk>"
        ),
    );
    chain.lab.define(&reader)?;
    chain.reeve(&["domain", "start", "reader"])?;
    let commit =
        ["domain", "blockcommit", "web", "vda", "--base", &base, "--top", &top, "--wait", "--delete"];
    let said = chain.lab.reeve(&commit)?;
    assert!(said.code != 0 && said.stderr.contains("in use by others"), "{said:?}");
    chain.reeve(&["domain", "destroy", "reader"])?;
    assert_eq!(chain.sum()?, before);

    chain.write_for(300)?;
    chain.reeve(&commit)?;
    chain.say("", "requests=")?;
    assert!(!chain.at("first").exists() && !chain.at("second").exists(), "they are needed no more");
    assert_eq!(chain.backing("top")?, "base");
    let after = chain.sum()?;
    // The base is as it was for others: they may read it, and not write.
    chain.reeve(&["domain", "start", "reader"])?;
    chain.restart()?;
    assert_eq!(chain.sum()?, after);
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("top", "qcow2")?, after);
    Ok(())
}

#[test]
fn a_commit_of_one_image_below_another_changes_that_one() -> Outcome {
    let chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let said =
        chain.reeve(&["domain", "blockcommit", "web", "vda", "--top", "vda[2]", "--shallow", "--wait"])?;
    assert_eq!(said, "Block Commit of disk 'vda': completed\n");
    assert_eq!((chain.backing("second")?, chain.backing("top")?), ("base".into(), "second".into()));
    assert_eq!(chain.sum()?, before);
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("second", "qcow2")?.len(), 16);
    assert_eq!(chain.judged("top", "qcow2")?, before);
    Ok(())
}

#[test]
fn the_active_image_goes_into_its_base_and_the_disk_with_it() -> Outcome {
    for (driver, cache) in [("type='qcow2'", "writeback"), ("type='qcow2' cache='none'", "none")] {
        let mut chain = Chain::running(driver)?;
        let words = ["domain", "blockcommit", "web", "vda", "--active", "--bandwidth", "64"];
        chain.reeve(&words)?;
        chain.write_for(700)?;
        let said = chain.lab.reeve(&["domain", "blockcopy", "web", "vda", &chain.path("x")])?;
        assert!(said.code != 0 && said.stderr.contains("end its block job first"), "{said:?}");
        chain.job_is("ready")?;
        let file = chain.path("web.save");
        for words in [
            &["domain", "save", "web", &file][..],
            &["domain", "blockresize", "web", "vda", "64M"],
            &["domain", "blockjob", "web", "vda", "7", "--abort"],
        ] {
            assert!(chain.lab.reeve(words)?.code != 0, "{words:?}");
        }
        let said = chain.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?;
        assert!(said.contains("completed, the disk has changed over"), "{said}");
        chain.say("", "requests=")?;
        let place = (chain.path("base"), "raw".to_owned());
        assert_eq!((chain.disk(false)?, chain.disk(true)?), (place.clone(), place), "{cache}");
        chain.say("disk write 0 9000 2000 9\n", "us=")?;
        let after = chain.sum()?;
        for name in ["first", "second", "top"] {
            std::fs::remove_file(chain.at(name))?;
        }
        chain.restart()?;
        assert_eq!(chain.sum()?, after);
        chain.reeve(&["domain", "destroy", "web"])?;
        assert_eq!(chain.judged("base", "raw")?, after);
        chain.reeve(&["domain", "undefine", "web"])?;
    }
    Ok(())
}

#[test]
fn a_job_ends_while_the_guest_sleeps() -> Outcome {
    let mut chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let is = |chain: &Chain, wanted: &str| {
        wait::until(wanted, PATIENCE, || {
            chain.reeve(&["domain", "state", "web"]).is_ok_and(|state| state.trim_end() == wanted)
        })
    };
    chain.reeve(&["domain", "blockcommit", "web", "vda", "--active", "--bandwidth", "64"])?;
    chain.say("suspend\n", "ok suspending")?;
    is(&chain, "pmsuspended")?;
    chain.job_is("ready")?;
    chain.reeve(&["domain", "blockjob", "web", "vda", "7"])?;
    chain.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?;
    let place = (chain.path("base"), "raw".to_owned());
    assert_eq!((chain.disk(false)?, chain.disk(true)?), (place.clone(), place));
    is(&chain, "pmsuspended")?;
    for name in ["first", "second", "top"] {
        std::fs::remove_file(chain.at(name))?;
    }
    chain.reeve(&["domain", "dompmwakeup", "web"])?;
    chain.say("", "reeve-guest: woke up")?;
    assert_eq!(chain.sum()?, before);
    chain.restart()?;
    assert_eq!(chain.sum()?, before);
    Ok(())
}

#[test]
fn an_overlay_is_kept_where_that_is_asked() -> Outcome {
    let chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let words = ["domain", "blockcommit", "web", "vda", "--active", "--shallow", "--keep-overlay"];
    let said = chain.reeve(&words)?;
    assert_eq!(said, "Active Block Commit of disk 'vda': given up\n");
    assert_eq!(chain.disk(false)?.0, chain.path("top"));
    chain.say("disk write 0 5000 10 5\n", "us=")?;
    assert_ne!(chain.sum()?, before);
    let said = chain.lab.reeve(&["domain", "blockjob", "web", "vda", "--abort"])?.fails(6);
    assert!(said.contains("has no block job"), "{said}");
    let after = chain.sum()?;
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("top", "qcow2")?, after);
    assert_eq!(chain.judged("second", "qcow2")?, before, "it has what the overlay had");
    Ok(())
}

#[test]
fn a_copy_takes_the_disk_over_whatever_the_formats() -> Outcome {
    for (driver, from, to) in [
        ("type='raw'", "base", "qcow2"),
        ("type='raw' cache='none'", "base", "raw"),
        ("type='qcow2'", "top", "raw"),
    ] {
        let mut chain = Chain::new()?;
        chain.start(from, driver)?;
        let copy = chain.path("copy");
        let words = ["domain", "blockcopy", "web", "vda", &copy, "--format", to, "--bandwidth", "64"];
        chain.reeve(&words)?;
        chain.write_for(700)?;
        chain.job_is("ready")?;
        chain.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?;
        chain.say("", "requests=")?;
        let place = (copy, to.to_owned());
        assert_eq!((chain.disk(false)?, chain.disk(true)?), (place.clone(), place), "{driver} to {to}");
        chain.say("disk write 0 7 2000 9\n", "us=")?;
        let after = chain.sum()?;
        std::fs::remove_file(chain.at(from))?;
        chain.restart()?;
        assert_eq!(chain.sum()?, after);
        chain.reeve(&["domain", "destroy", "web"])?;
        assert_eq!(chain.judged("copy", to)?, after, "{driver} to {to}");
        chain.reeve(&["domain", "undefine", "web"])?;
    }
    Ok(())
}

#[test]
fn a_copy_is_kept_beside_the_disk_and_shallow_where_that_is_asked() -> Outcome {
    let chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let copy = chain.path("copy");
    let said =
        chain.reeve(&["domain", "blockcopy", "web", "vda", "--dest", &copy, "--shallow", "--finish"])?;
    assert_eq!(said, "Block Copy of disk 'vda': completed\n");
    assert_eq!((chain.backing("copy")?, chain.disk(false)?.0), ("second".into(), chain.path("top")));
    let again = chain.path("again");
    chain.reeve(&["domain", "blockcopy", "web", "vda", &again, "--shallow", "--wait"])?;
    let said = chain.reeve(&["domain", "blockjob", "web", "vda", "--abort"])?;
    assert!(said.starts_with("Block Copy: [100 %] given up, the copy has all and stays\n"), "{said}");
    assert_eq!(chain.disk(false)?.0, chain.path("top"));
    chain.say("disk write 0 0 10 8\n", "us=")?;
    let after = chain.sum()?;
    assert_ne!(after, before);

    let said = chain.lab.reeve(&["domain", "blockcopy", "web", "vda", &copy])?.fails(7);
    assert!(said.contains("is there already") && said.contains("--reuse-external"), "{said}");
    let said =
        chain.lab.reeve(&["domain", "blockcopy", "web", "vda", &chain.path("r"), "--shallow", "--raw"])?;
    assert!(said.stderr.contains("can't be shallow") && !chain.at("r").exists(), "{said:?}");
    let said = chain.lab.reeve(&["domain", "blockcopy", "web", "vda", "x"])?.fails(7);
    assert!(said.contains("not an absolute path"), "{said}");
    let small = chain.path("small");
    chain.reeve(&["image", "create", &small, "1M"])?;
    let words = ["domain", "blockcopy", "web", "vda", &small, "--raw", "--reuse-external"];
    let said = chain.lab.reeve(&words)?;
    assert!(said.code != 0 && said.stderr.contains("has 1048576 bytes"), "{said:?}");
    let words = ["domain", "blockcopy", "web", "vda", &chain.path("base"), "--raw", "--reuse-external"];
    let said = chain.lab.reeve(&words)?;
    assert!(said.stderr.contains("in use"), "a file of the chain: {said:?}");

    // What is there already may be anything: all of it is replaced.
    let garbage = chain.path("garbage");
    std::fs::write(&garbage, vec![0xee; SIZE])?;
    let document =
        format!("<disk type='file'><source file='{garbage}'/><driver type='raw'/><target dev='vda'/></disk>");
    let file = chain.lab.daemon.file("copy.xml", &document)?;
    let words = ["domain", "blockcopy", "web", "vda", "--xml", &file, "--reuse-external", "--transient-job"];
    chain.reeve(&[&words[..], &["--wait", "--verbose", "--finish"]].concat())?;
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("garbage", "raw")?, after);
    assert_eq!(chain.judged("copy", "qcow2")?, before);
    assert_eq!(chain.judged("top", "qcow2")?, after);
    Ok(())
}

#[test]
fn a_job_is_steered_and_told_of() -> Outcome {
    let chain = Chain::running("type='qcow2'")?;
    let said = chain.lab.reeve(&["domain", "blockjob", "web", "vda"])?.fails(6);
    assert!(said.contains("disk 'vda' of domain 'web' has no block job"), "{said}");
    // One step, and then none for a long time.
    chain.reeve(&["domain", "blockpull", "web", "vda", "--bandwidth", "4096", "--bytes"])?;
    let said = chain.reeve(&["domain", "blockjob", "web", "vda", "--info", "--bytes"])?;
    assert!(said.contains("running") && said.contains("Bandwidth limit: 4096 bytes/s"), "{said}");
    let said = chain.reeve(&["domain", "blockjob", "web", "vda", "--raw"])?;
    assert!(said.contains(" type=Block Pull\n state=running\n") && said.contains("end=33554432"), "{said}");
    let said = chain.lab.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?.fails(6);
    assert!(said.contains("has no image to change over to"), "{said}");
    let said = chain.lab.reeve(&["domain", "detach-disk", "web", "vda", "--live"])?;
    assert!(said.code != 0 && said.stderr.contains("block job"), "{said:?}");
    let said = chain.reeve(&["domain", "blockjob", "web", "vda", "--abort", "--async"])?;
    assert!(said.contains("given up"), "{said}");
    assert_eq!(chain.backing("top")?, "second");
    let words = ["domain", "blockpull", "web", "vda", "--bandwidth", "4096", "--bytes", "--timeout", "1"];
    let said = chain.lab.reeve(&words)?.fails(1);
    assert!(said.contains("longer than it may"), "{said}");

    chain.reeve(&["domain", "blockpull", "web", "vda", "--bandwidth", "4096", "--bytes"])?;
    chain.reeve(&["domain", "blockjob", "web", "vda", "0"])?;
    chain.job_is("completed")?;
    let jobs = chain.lab.json(&["domain", "domjobinfo", "web"])?;
    assert_eq!(jobs["block_jobs"][0]["state"], "completed", "{jobs}");
    Ok(())
}

/// What the guest wrote to a sector, read from a raw file.
pub fn sector(file: &std::path::Path, number: u64) -> anyhow::Result<[u8; SECTOR]> {
    let mut bytes = [0; SECTOR];
    File::open(file)?.read_exact_at(&mut bytes, number * SECTOR as u64)?;
    Ok(bytes)
}
