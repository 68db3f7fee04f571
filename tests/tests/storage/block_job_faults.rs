//! Jobs on the images of disks when something dies or runs full: the disk stays what it was, and whoever comes next finds the job or its end.

use std::time::Duration;

use reeve_tests::{Run, Small, program, wait};

use crate::block_jobs::{Chain, SIZE, sector};
use crate::{Outcome, PATIENCE};

#[test]
fn a_daemon_that_is_killed_finds_the_job_and_its_end() -> Outcome {
    let mut chain = Chain::running("type='qcow2'")?;
    let copy = chain.path("copy");
    let words = ["domain", "blockcopy", "web", "vda", &copy, "--raw", "--bandwidth", "4096", "--bytes"];
    chain.reeve(&words)?;
    chain.lab.daemon.kill()?;
    chain.lab.daemon.launch()?;
    let job = chain.job()?;
    assert_eq!((&job["kind"], &job["state"]), (&"copy".into(), &"running".into()), "{job}");
    chain.reeve(&["domain", "blockjob", "web", "vda", "0"])?;
    chain.job_is("ready")?;
    chain.lab.daemon.kill()?;
    chain.lab.daemon.launch()?;
    chain.say("disk write 0 0 100 77\n", "us=")?;
    let after = chain.sum()?;
    chain.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?;
    assert_eq!(chain.disk(true)?, (copy, "raw".to_owned()));
    assert_eq!(chain.sum()?, after);
    assert_eq!(sector(&chain.at("copy"), 0)?[..8], 77u64.to_le_bytes());

    // One that ends while no daemon is there.
    let other = chain.path("other");
    chain.reeve(&["domain", "blockcopy", "web", "vda", &other, "--bandwidth", "16", "--wait", "--pivot"])?;
    chain.restart()?;
    assert_eq!((chain.disk(false)?.0, chain.sum()?), (other, after));
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_around_a_pivot_knows_where_the_disk_is() -> Outcome {
    let mut chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let mut place = chain.path("top");
    for (round, delay) in [0, 1, 2, 4, 8, 16, 32].into_iter().enumerate() {
        let copy = chain.path(&format!("copy{round}"));
        chain.reeve(&["domain", "blockcopy", "web", "vda", &copy, "--raw", "--wait"])?;
        let root = chain.lab.daemon.root().to_owned();
        let words = ["domain", "blockjob", "web", "vda", "--pivot"];
        let pivoting = std::thread::spawn(move || Run::reeve(&root, &words, "", &[]));
        std::thread::park_timeout(Duration::from_millis(delay));
        chain.lab.daemon.kill()?;
        let told = pivoting.join().expect("the thread of the pivot lives")?;
        chain.lab.daemon.launch()?;
        let moved = chain.disk(false)?.0 == copy;
        assert!(moved || told.code != 0, "{delay} ms: {told:?}");
        place = if moved { copy } else { place };
        assert_eq!((chain.disk(false)?.0, chain.disk(true)?.0), (place.clone(), place.clone()), "{delay} ms");
        assert_eq!(chain.job()?["state"], if moved { "completed" } else { "ready" }, "{delay} ms");
        assert_eq!(chain.sum()?, before, "{delay} ms");
        if !moved {
            chain.reeve(&["domain", "blockjob", "web", "vda", "--abort"])?;
        }
    }
    chain.restart()?;
    assert_eq!((chain.disk(false)?.0, chain.sum()?), (place, before));
    Ok(())
}

#[test]
fn a_worker_that_is_killed_leaves_sound_images() -> Outcome {
    for (words, writes) in [
        (&["blockpull", "web", "vda"][..], false),
        (&["blockcommit", "web", "vda", "--top", "vda[1]", "--base", "vda[3]"], false),
        (&["blockcommit", "web", "vda", "--active"], true),
        (&["blockpull", "web", "vda", "--base", "vda[3]"], true),
    ] {
        let chain = Chain::running("type='qcow2'")?;
        let before = chain.sum()?;
        let limited = [&["domain"][..], words, &["--bandwidth", "300000", "--bytes"]].concat();
        chain.reeve(&limited)?;
        if writes {
            chain.write_for(5000)?;
        }
        wait::until("the job has done some", PATIENCE, || {
            chain.job().is_ok_and(|job| job["done"].as_u64() > Some(0))
        })?;
        chain.lab.daemon.kill_worker("web")?;
        wait::until("the domain is crashed", PATIENCE, || {
            chain.lab.json(&["domain", "state", "web"]).is_ok_and(|state| state["state"] == "crashed")
        })?;
        // Clusters that nobody refers to may be left, and nothing worse.
        for name in ["first", "second", "top"] {
            let path = chain.path(name);
            let run = chain.lab.reeve(&["image", "check", &path, "-f", "qcow2"])?;
            assert!(run.code == 0 || run.stderr.contains("0 corruptions"), "{words:?} {name}: {run:?}");
            if program("qemu-img", &["--version"]).is_ok() {
                program("qemu-img", &["check", "-q", "-r", "leaks", "-f", "qcow2", &path])?;
            }
            chain.reeve(&["image", "check", &path, "-f", "qcow2", "--repair", "leaks"])?;
        }
        if !writes {
            assert_eq!(chain.judged("top", "qcow2")?, before, "{words:?}");
        }
        // It starts again, and the job is done once more.
        chain.reeve(&["domain", "start", "web"])?;
        chain.say("", "reeve-guest: ready")?;
        let now = chain.sum()?;
        let again = [&["domain"][..], words, &["--wait"]].concat();
        chain.reeve(&again)?;
        assert_eq!(chain.sum()?, now, "{words:?}");
        chain.reeve(&["domain", "destroy", "web"])?;
        assert_eq!(chain.judged("top", "qcow2")?, now, "{words:?}");
    }
    Ok(())
}

#[test]
fn a_full_disk_fails_the_copy_and_nothing_else() -> Outcome {
    let chain = Chain::running("type='qcow2'")?;
    let before = chain.sum()?;
    let small = Small::mount(&chain.at("small"))?;
    let copy = chain.path("small/copy");
    let run = chain.lab.reeve(&["domain", "blockcopy", "web", "vda", &copy, "--raw", "--wait", "--pivot"])?;
    assert!(run.code != 0 && run.stderr.contains("No space left on device"), "{run:?}");
    assert_eq!((chain.job()?["state"].clone(), chain.disk(false)?.0), ("failed".into(), chain.path("top")));
    assert_eq!(chain.sum()?, before);

    // One that is ready and then can't follow the guest.
    std::fs::remove_file(&copy)?;
    let empty = chain.path("small/empty");
    chain.reeve(&["domain", "destroy", "web"])?;
    chain.reeve(&["image", "create", &chain.path("blank"), &SIZE.to_string(), "-f", "qcow2"])?;
    chain.start("blank", "type='qcow2'")?;
    chain.reeve(&["domain", "blockcopy", "web", "vda", &empty, "--wait"])?;
    chain.job_is("ready")?;
    chain.say("disk write 0 0 65536 5\n", "us=")?;
    let after = chain.sum()?;
    chain.job_is("failed")?;
    let run = chain.lab.reeve(&["domain", "blockjob", "web", "vda", "--pivot"])?;
    assert!(run.code != 0 && run.stderr.contains("not ready"), "{run:?}");
    assert_eq!(chain.sum()?, after);
    chain.reeve(&["domain", "destroy", "web"])?;
    assert_eq!(chain.judged("blank", "qcow2")?, after);
    drop(small);
    Ok(())
}
