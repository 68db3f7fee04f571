//! Policies that guard storage, hear of it, name clones and change volumes: by what is in the pool afterwards.

use std::path::Path;

use reeve_tests::{Daemon, Options, policy, test_policy, wait};
use serde_json::json;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// What the witness imports, but for the grants that a test gives it itself.
const GRANTS: [&str; 15] = [
    "domain:read",
    "domain:start",
    "domain:shutdown",
    "domain:destroy",
    "domain:suspend",
    "domain:configure",
    "node:read",
    "kv:use",
    "network:read",
    "pool:read",
    "volume:read",
    "volume:change",
    "volume:delete",
    "volume:download",
    "volume:rewrite",
];

impl Lab {
    fn load(&self, component: &Path, grants: &[&str], config: &str) -> Outcome {
        let component = component.to_string_lossy();
        let mut arguments = vec!["policy", "load", &component, "--config", config];
        arguments.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
        self.reeve(&arguments)?.ok();
        Ok(())
    }

    /// A pool with the witness beside it.
    fn witnessed(create: &str) -> anyhow::Result<Self> {
        let lab = Self::with_pool()?;
        lab.load(&test_policy("witness")?, &[&GRANTS[..], &[create]].concat(), "{}")?;
        Ok(lab)
    }

    fn create(&self, name: &str, capacity: &str) -> anyhow::Result<reeve_tests::Run> {
        self.reeve(&["vol", "create-as", "lab", name, capacity, "--allocation", "0"])
    }

    /// How often the witness has written a line that contains this.
    fn heard(&self, what: &str) -> usize {
        let logs = self.reeve(&["policy", "logs", "witness"]).map(|run| run.stdout).unwrap_or_default();
        logs.lines().filter(|line| line.contains(what)).count()
    }
}

#[test]
fn guards_deny_rewrite_and_are_told_what_happens() -> Outcome {
    let lab = Lab::witnessed("volume:create")?;
    let path = lab.place.path().join("forbidden").display().to_string();
    lab.reeve(&["pool", "define-as", "forbidden", "dir", "-", "-", "-", "-", &path])?.ok();
    lab.reeve(&["pool", "build", "forbidden"])?.ok();
    let said = lab.reeve(&["pool", "start", "forbidden"])?.fails(4);
    let expected = "policy 'witness' denies pool-start of storage pool 'forbidden': its name says so";
    assert!(said.contains(expected), "{said}");

    let said = lab.create("forbidden", "1MiB")?.fails(4);
    let expected =
        "policy 'witness' denies volume-create of volume 'forbidden' of pool 'lab': its name says so";
    assert!(said.contains(expected), "{said}");
    assert!(lab.volumes("lab")?.is_empty() && std::fs::read_dir(lab.images())?.next().is_none());

    // Another name is granted, and what the guard gave counts.
    assert_eq!(lab.create("unnamed", "1MiB")?.ok(), "Vol 'named' created\n");
    let rows = lab.json(&["policy", "decisions", "--hook", "volume-create"])?;
    let rewritten = rows.as_array().and_then(|rows| rows.iter().find(|row| row["subject"] == "lab/unnamed"));
    let changes = rewritten.map(|row| row["changes"].clone()).unwrap_or_default();
    let expected = json!([{"path": "name", "before": "\"unnamed\"", "after": "\"named\""}]);
    assert_eq!(changes, expected, "{rows}");
    let said = lab.create("larger", "1MiB")?.fails(4);
    assert!(
        said.contains("it rewrites 'capacity', which its grants of 'volume:rewrite' do not cover"),
        "{said}"
    );

    lab.create("precious", "1MiB")?.ok();
    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "precious", "2GiB"])?.fails(4);
    assert!(said.contains("denies volume-resize") && said.contains("more than a GiB"), "{said}");
    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "precious", "1GiB", "--delta"])?.fails(4);
    assert!(said.contains("more than a GiB"), "a delta is asked about as what comes of it: {said}");
    lab.reeve(&["vol", "resize", "--pool", "lab", "precious", "3MiB"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "precious"])?.fails(4);
    assert!(lab.images().join("precious").metadata()?.len() == 3 << 20);
    lab.reeve(&["vol", "clone", "--pool", "lab", "precious", "copy"])?.ok();
    lab.reeve(&["vol", "delete", "--pool", "lab", "copy"])?.ok();
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    wait::until("all of it was told", PATIENCE, || {
        [
            "volume-create: lab/copy Some(3145728) of precious",
            "storage-events: lab StorageChange::VolumeCreated named",
            "storage-events: lab StorageChange::VolumeResized precious",
            "storage-events: lab StorageChange::VolumeDeleted copy",
            "storage-events: lab StorageChange::Stopped",
        ]
        .iter()
        .all(|line| lab.heard(line) == 1)
    })
}

#[test]
fn a_policy_makes_no_more_than_its_grant_says() -> Outcome {
    let lab = Lab::witnessed("volume:create name=lab max-bytes=3MiB")?;
    let make = |pool: &str, name: &str, capacity: &str| {
        lab.reeve(&["policy", "task", "run", "witness", "volume", pool, name, capacity])
    };
    assert_eq!(make("lab", "a", "2097152")?.ok().trim(), "a");
    let refused = make("lab", "b", "1048577")?;
    assert_ne!(refused.code, 0, "{refused:?}");
    let expected =
        "policy 'witness' may use volume:create on storage pool 'lab' while its volumes have 3145728 bytes";
    assert!(refused.stderr.contains(expected), "{refused:?}");
    let elsewhere = make("default", "b", "1")?;
    assert!(elsewhere.stderr.contains("has not been granted 'volume:create' on 'default'"), "{elsewhere:?}");
    assert_eq!(make("lab", "b", "1048576")?.ok().trim(), "b");
    assert_eq!(lab.volumes("lab")?, ["a", "b"]);
    // The bound is the policy's, not the pool's.
    lab.create("c", "8MiB")?.ok();
    Ok(())
}

#[test]
fn low_space_is_told_once_each_time_it_becomes_low() -> Outcome {
    let config = |percent: u32| format!("[storage]\nlow-space-percent = {percent}\nspace-interval = 1\n");
    let options = Options { config: config(0), ..Options::default() };
    let lab = Lab { daemon: Daemon::start_with(options)?, place: tempfile::tempdir()? };
    let path = lab.images().display().to_string();
    lab.reeve(&["pool", "define-as", "lab", "dir", "-", "-", "-", "-", &path])?.ok();
    lab.reeve(&["pool", "build", "lab"])?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    lab.load(&test_policy("witness")?, &[&GRANTS[..], &["volume:create"]].concat(), "{}")?;
    let mut reloads = 0;
    let mut reload = |percent| -> Outcome {
        std::fs::write(lab.daemon.root().join("etc/reeve/reeve.toml"), config(percent))?;
        lab.daemon.signal(rustix::process::Signal::HUP)?;
        reloads += 1;
        wait::until("the configuration was read", PATIENCE, || lab.heard("DaemonChange::Reloaded") == reloads)
    };
    let low = "storage-events: lab StorageChange::LowSpace";
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    // More than all of it can't be free.
    reload(101)?;
    wait::until("it was measured and told", PATIENCE, || lab.heard(low) == 1)?;
    for _ in 0..3 {
        lab.reeve(&["pool", "refresh", "lab"])?.ok();
    }
    reload(0)?;
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    assert_eq!(lab.heard(low), 1, "once");
    reload(101)?;
    wait::until("it was told again", PATIENCE, || lab.heard(low) == 2)
}

#[test]
fn quota_bounds_what_is_made_copied_and_grown() -> Outcome {
    let lab = Lab::with_pool()?;
    let config = r#"{"limits": [{"pool": "lab", "max-bytes": 4194304}, {"prefix": "x-", "max-volumes": 1}]}"#;
    lab.load(&policy("quota")?, &["volume:read"], config)?;
    lab.create("a", "1MiB")?.ok();
    let said = lab.create("b", "4MiB")?.fails(4);
    let expected = "the volumes of pool 'lab' may have 4194304 bytes together, and would have 5242880";
    assert!(said.contains(expected), "{said}");
    let said = lab.reeve(&["vol", "resize", "--pool", "lab", "a", "5MiB"])?.fails(4);
    assert!(said.contains("would have 5242880"), "{said}");
    lab.reeve(&["vol", "clone", "--pool", "lab", "a", "x-1"])?.ok();
    let said = lab.reeve(&["vol", "clone", "--pool", "lab", "a", "x-2"])?.fails(4);
    assert!(said.contains("the volumes 'x-*' of pool 'lab' may be 1, and there are 1"), "{said}");
    let overlay = ["--format", "qcow2", "--backing-vol", "a", "--backing-vol-format", "raw"];
    let overlay = [&["vol", "create-as", "lab", "over", "3MiB"], &overlay[..]].concat();
    lab.reeve(&overlay)?.fails(4);
    // Two at once, of which one fits: never both.
    let outcomes: Vec<i32> = std::thread::scope(|scope| {
        let lab = &lab;
        let make = |name| scope.spawn(move || lab.create(name, "2MiB").map(|run| run.code));
        let both = ["p", "q"].map(make);
        both.into_iter().filter_map(|thread| thread.join().ok()?.ok()).collect()
    });
    assert!(outcomes.len() == 2 && outcomes.iter().filter(|code| **code == 0).count() <= 1, "{outcomes:?}");
    let sizes = lab.json(&["vol", "list", "lab"])?;
    let sum: u64 = sizes.as_array().into_iter().flatten().filter_map(|row| row["capacity"].as_u64()).sum();
    assert!(sum <= 4 << 20, "{sizes}");
    Ok(())
}

#[test]
fn clone_naming_names_what_nobody_named() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.create("disk.img", "1MiB")?.ok();
    let clone = |name: &[&str]| lab.reeve(&[&["vol", "clone", "--pool", "lab", "disk.img"], name].concat());
    assert_eq!(clone(&[])?.ok(), "Vol 'disk-clone.img' cloned from 'disk.img'\n", "without a policy");
    let grants = ["volume:read", "volume:rewrite path=name"];
    lab.load(&policy("clone-naming")?, &grants, r#"{"volume": "{stem}.{n}{ext}", "width": 3}"#)?;
    clone(&[])?.ok();
    clone(&[])?.ok();
    clone(&["mine.img"])?.ok();
    assert_eq!(
        lab.volumes("lab")?,
        ["disk-clone.img", "disk.001.img", "disk.002.img", "disk.img", "mine.img"]
    );
    lab.load(
        &policy("clone-naming")?,
        &grants,
        r#"{"volume": "{stem}.{n}{ext}", "width": 3, "rename": true}"#,
    )?;
    assert_eq!(clone(&["other.img"])?.ok(), "Vol 'disk.003.img' cloned from 'disk.img'\n");
    clone(&["disk.007.img"])?.ok();
    lab.create("other.img", "1MiB")?.ok();
    assert!(!lab.images().join("disk.004.img").exists() && lab.images().join("other.img").exists());
    Ok(())
}

#[test]
fn snapshot_retention_keeps_the_newest() -> Outcome {
    let lab = Lab::with_pool()?;
    for name in ["web-snap-1", "web-snap-2", "web-snap-3", "db-snap-1", "web.img"] {
        lab.create(name, "1MiB")?.ok();
    }
    let config = r#"{"rules": [{"pool": "lab", "name": "*-snap-*", "keep": 2}]}"#;
    lab.load(&policy("snapshot-retention")?, &["volume:read", "volume:delete name=lab"], config)?;
    let run = |arguments: &[&str]| {
        lab.reeve(&[&["policy", "task", "run", "snapshot-retention"], arguments].concat())
            .map(|run| run.ok().trim().to_owned())
    };
    assert_eq!(run(&["--dry-run"])?, "1 of 4 volumes would be deleted");
    lab.reeve(&["policy", "mode", "snapshot-retention", "monitor"])?.ok();
    assert_eq!(run(&[])?, "0 of 4 volumes deleted, 1 more could not be");
    assert_eq!(lab.volumes("lab")?.len(), 5, "the host refuses in monitor mode");
    lab.reeve(&["policy", "mode", "snapshot-retention", "enforce"])?.ok();
    assert_eq!(run(&[])?, "1 of 4 volumes deleted");
    assert_eq!(lab.volumes("lab")?, ["db-snap-1", "web-snap-2", "web-snap-3", "web.img"]);
    assert!(!lab.images().join("web-snap-1").exists());

    // What is outside of the grant is not even seen.
    let config = r#"{"rules": [{"pool": "default", "name": "*", "keep": 1}]}"#;
    lab.load(&policy("snapshot-retention")?, &["volume:read name=lab", "volume:delete name=lab"], config)?;
    lab.reeve(&["policy", "revoke", "snapshot-retention", "volume:read"])?.ok();
    let refused = lab.reeve(&["policy", "task", "run", "snapshot-retention"])?;
    assert!(
        refused.code != 0 && refused.stderr.contains("storage pool 'default' does not exist"),
        "{refused:?}"
    );
    Ok(())
}
