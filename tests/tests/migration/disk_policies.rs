//! What policies are told of the disks of a guest that moves, and what the shipped precheck makes of it.

use std::path::PathBuf;

use reeve_model::migrated_disk::DiskFacts;
use reeve_model::migration::{CopiedDisk, MigrationHost, PrepareMigration};
use reeve_tests::{Daemon, Guest, WITNESS_GRANTS, policy, prepare_migration, test_policy};
use serde_json::Value;

use crate::Outcome;
use crate::pair::{Pair, host, say, state};
use crate::strategy::{count, decisions, load};

/// Two hosts, and at the source a guest with an overlay in one folder that may be copied to another.
struct Lab {
    pair: Pair,
}

impl Lab {
    fn boot() -> anyhow::Result<Self> {
        let pair = Pair { source: host()?, target: host()?, place: tempfile::tempdir()?, addresses: None };
        let lab = Self { pair };
        for folder in ["here", "there"] {
            std::fs::create_dir(lab.file(folder, ""))?;
            lab.create(&["-f", "raw", &lab.named(folder, "base"), "2M"])?;
        }
        lab.create(&["-f", "qcow2", "-b", "base", "-F", "raw", &lab.named("here", "disk"), "2M"])?;
        let devices = format!(
            "<disk type='file'><driver type='qcow2' cache='none'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <disk type='file'><driver type='raw'/><source file='{}'/><target dev='vdb' bus='virtio'/><readonly/></disk>\
             <serial type='pty'><target port='0'/></serial>",
            lab.named("here", "disk"),
            lab.named("here", "base"),
        );
        let document = Guest::locate()?.document_with("guest", 64, "", &devices);
        lab.pair.source.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
        lab.pair.source.reeve(&["domain", "start", "guest"])?.ok();
        say(&lab.pair.source, "", "reeve-guest: ready")?;
        Ok(lab)
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.pair.place.path().join(folder).join(name)
    }

    fn named(&self, folder: &str, name: &str) -> String {
        self.file(folder, name).display().to_string()
    }

    fn create(&self, arguments: &[&str]) -> Outcome {
        self.pair.source.reeve(&[&["image", "create"], arguments].concat())?.ok();
        Ok(())
    }
}

/// What the witness wrote down of disks at a host, in a hook.
fn taken(daemon: &Daemon, hook: &str) -> anyhow::Result<Vec<String>> {
    let lines = daemon.json(&["policy", "logs", "witness"])?;
    let lines: Vec<Value> = serde_json::from_value(lines)?;
    let begin = format!("{hook}: takes ");
    let of_hook = |line: &Value| Some(line["message"].as_str()?.strip_prefix(&begin)?.to_owned());
    Ok(lines.iter().filter_map(of_hook).collect())
}

#[test]
fn both_hosts_and_a_strategy_are_told_which_disks_go_along_and_which_are_shared() -> Outcome {
    let lab = Lab::boot()?;
    let (source, target) = (&lab.pair.source, &lab.pair.target);
    for daemon in [source, target] {
        load(daemon, &test_policy("witness")?, "{}", &WITNESS_GRANTS)?;
    }
    let document = source.reeve(&["domain", "dumpxml", "guest"])?.ok();
    let elsewhere = lab.pair.place.path().join("elsewhere.xml");
    std::fs::write(&elsewhere, document.replace(&lab.named("here", "disk"), &lab.named("there", "disk")))?;
    let elsewhere = elsewhere.display().to_string();
    lab.pair.migrate(&["--live", "--xml", &elsewhere, "--copy-storage-inc"])?.ok();
    assert_eq!(state(target)?, "running");

    let told = |daemon: &Daemon, hook: &str, path: &str| -> Outcome {
        let disks = taken(daemon, hook)?;
        let [first, second] = &disks[..] else { anyhow::bail!("{hook}: {disks:?}") };
        for part in [
            "target: \"vda\"".to_owned(),
            format!("path: Some(\"{path}\")"),
            "format: Some(\"qcow2\")".to_owned(),
            format!("capacity: Some({})", 2 << 20),
            "allocation: Some(".to_owned(),
            "cache: CacheMode::None, coherent: false".to_owned(),
            "way: Way::CopiedAboveBacking, backing: Some(\"base\")".to_owned(),
        ] {
            assert!(first.contains(&part), "{hook}: no {part} in {first}");
        }
        for part in [
            "target: \"vdb\"",
            "readonly: true, shareable: false, cache: CacheMode::Writeback, coherent: true",
            "way: Way::Shared, backing: None",
        ] {
            assert!(second.contains(part), "{hook}: no {part} in {second}");
        }
        Ok(())
    };
    // The guards see the document for the destination, the strategy the domain as it runs.
    told(source, "migrate-out", &lab.named("there", "disk"))?;
    told(target, "migrate-in", &lab.named("there", "disk"))?;
    told(source, "migration-strategy", &lab.named("here", "disk"))
}

#[test]
fn the_precheck_names_the_disk_that_another_machine_would_not_see_and_what_helps() -> Outcome {
    let pair = Pair::with_guest(64)?;
    load(&pair.target, &policy("migration-precheck")?, "{}", &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = pair.source.reeve(&["domain", "dumpxml", "guest"])?.ok();
    let uncached = document.replace("<driver ", "<driver cache='none' ");
    assert_ne!(document, uncached);
    let facts = |file_system: &str| {
        vec![DiskFacts {
            target: "vda".to_owned(),
            file_system: Some(file_system.to_owned()),
            ..DiskFacts::default()
        }]
    };
    let copied = vec![CopiedDisk { target: "vda".to_owned(), size: 1 << 20, backing: None }];
    let path = pair.disk().display().to_string();
    let asked = |xml: &str, disk_facts: Vec<DiskFacts>, disks: Vec<CopiedDisk>, allow_unsafe| {
        let host =
            MigrationHost { name: "elsewhere".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let prepare = PrepareMigration {
            allow_unsafe,
            host,
            disks,
            disk_facts,
            ..prepare_migration(&pair.source, xml)
        };
        runtime.block_on(async { pair.target.client().prepare_migration(&prepare).await })
    };
    let denied = |xml: &str, disk_facts| -> anyhow::Result<String> {
        let refused = asked(xml, disk_facts, Vec::new(), false).err();
        let refused = refused.ok_or_else(|| anyhow::anyhow!("it was let in"))?.to_string();
        anyhow::ensure!(refused.contains("policy 'migration-precheck'"), "{refused}");
        Ok(refused)
    };
    let said = denied(&document, facts("nfs"))?;
    assert!(said.contains("disk 'vda' has cache 'writeback'"), "{said}");
    assert!(
        said.contains("cache 'none'") && said.contains("--copy-storage-all") && said.contains("--unsafe")
    );
    let said = denied(&uncached, facts("xfs"))?;
    assert!(said.contains(&format!("disk 'vda' is at '{path}' on xfs, which no other host sees")), "{said}");

    // One that comes along is this host's own, whatever its cache and where it is there: no policy minds, but its file is in use here.
    let came = asked(&document, facts("xfs"), copied, false).unwrap_err().to_string();
    assert!(came.contains("disk 'vda' can't come") && came.contains("in use"), "{came}");
    // Who says --unsafe answers for it.
    asked(&document, facts("xfs"), Vec::new(), true)?;
    let rows = decisions(&pair.target, "migrate-in")?;
    let counted = |outcome| count(&rows, "migration-precheck", outcome);
    assert_eq!((counted("deny"), counted("allow")), (2, 2), "{rows:?}");
    Ok(())
}
