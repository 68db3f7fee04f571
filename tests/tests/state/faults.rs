//! Whoever dies while a domain is saved: it runs on, or it is saved, and nothing half is left.

use std::path::Path;
use std::time::{Duration, Instant};

pub use reeve_tests::Small;
use reeve_tests::{Run, program, wait};
use rustix::process::{Signal, kill_process};

use crate::lab::{Lab, entries, field};
use crate::{Outcome, PATIENCE};

fn unfinished(directory: &Path) -> bool {
    entries(directory).iter().any(|path| path.display().to_string().contains(".saving-"))
}

/// Begins a save in the background.
pub fn begin(lab: &Lab, words: &[&str]) -> std::thread::JoinHandle<anyhow::Result<Run>> {
    let (root, words) =
        (lab.daemon.root().to_owned(), words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    std::thread::spawn(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Run::reeve(&root, &words, "", &[])
    })
}

#[test]
fn a_daemon_that_is_killed_at_any_moment_leaves_it_running_or_saved() -> Outcome {
    let mut lab = Lab::start()?;
    let mut known = lab.boot()?;
    let (mut ran_on, mut was_saved) = (0, 0);
    for round in 0..12u64 {
        let file = lab.file("web.save");
        let (saves, words) = match round % 2 {
            0 => (lab.place.path().to_owned(), vec!["domain", "save", "web", file.as_str()]),
            _ => (lab.daemon.root().join("var/lib/reeve/save"), vec!["domain", "managedsave", "web"]),
        };
        let saving = begin(&lab, &words);
        let began = Instant::now();
        wait::until("the save begins", PATIENCE, || {
            unfinished(&saves) || saving.is_finished() || began.elapsed() > Duration::from_millis(500)
        })?;
        let pause = Duration::from_millis(round * 12);
        while began.elapsed() < pause && !saving.is_finished() {
            std::thread::yield_now();
        }
        lab.daemon.kill()?;
        drop(saving.join().expect("the thread lives"));
        lab.daemon.launch()?;
        assert!(!unfinished(&saves), "round {round}: what was not finished is gone");
        match lab.state()?.as_str() {
            "running" => {
                ran_on += 1;
                assert!(!lab.path("web.save").exists() && lab.managed().is_empty(), "round {round}: both");
            }
            "shut-off" if round % 2 == 0 => {
                was_saved += 1;
                lab.reeve(&["domain", "restore", &file])?.ok();
                std::fs::remove_file(&file)?;
            }
            "shut-off" => {
                was_saved += 1;
                assert!(!lab.managed().is_empty(), "round {round}: it is neither");
                lab.reeve(&["domain", "start", "web"])?.ok();
            }
            other => panic!("round {round}: it is {other}"),
        }
        lab.remembers(&mut known)?;
    }
    assert!(ran_on + was_saved == 12, "{ran_on} times it ran on, {was_saved} times it was saved");
    Ok(())
}

#[test]
fn a_worker_that_is_killed_leaves_no_file() -> Outcome {
    let lab = Lab::start()?;
    lab.boot()?;
    let worker = lab.daemon.worker("web")?;
    let file = lab.file("web.save");
    let saving = begin(&lab, &["domain", "save", "web", &file]);
    wait::until("the save begins", PATIENCE, || unfinished(lab.place.path()) || saving.is_finished())?;
    // It may have been saved by now, and the process with it.
    let _ = kill_process(worker, Signal::KILL);
    let run = saving.join().expect("the thread lives")?;
    assert!(!unfinished(lab.place.path()));
    if run.code == 0 {
        lab.reeve(&["domain", "restore", &file])?.ok();
        return lab.told("mem verify 0x5151 32").map(drop);
    }
    assert!(!lab.path("web.save").exists(), "{run:?}");
    // The save knows that its worker is gone before all of it is cleared away.
    wait::until("it has crashed", PATIENCE, || lab.state().is_ok_and(|state| state == "crashed"))
}

#[test]
fn a_full_disk_lets_the_domain_run_on() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    let small = Small::mount(&lab.path("small"))?;
    let file = lab.file("small/web.save");
    let said = lab.reeve(&["domain", "save", "web", &file])?;
    assert!(said.code != 0 && said.stderr.contains("No space left on device"), "{said:?}");
    assert!(entries(small.path()).is_empty(), "the file is gone");
    let said = lab.reeve(&["domain", "dump", "web", &lab.file("small/web.core"), "--memory-only"])?;
    assert!(said.code != 0 && said.stderr.contains("No space left on device"), "{said:?}");
    assert!(entries(small.path()).is_empty(), "the core is gone");
    assert_eq!(lab.state()?, "running");
    lab.remembers(&mut known)?;
    let file = lab.file("web.save");
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    lab.reeve(&["domain", "restore", &file])?.ok();
    lab.remembers(&mut known)
}

/// A directory in which nothing can be changed any more, until this is dropped.
struct ReadOnly(String);

impl ReadOnly {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let at = directory.display().to_string();
        program("mount", &["--bind", &at, &at])?;
        let mounted = Self(at);
        program("mount", &["-o", "remount,bind,ro", &mounted.0])?;
        Ok(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // What fails here fails in a test that is over.
        let _ = program("umount", &["-l", &self.0]);
    }
}

/// Old memory must not meet disks that have changed since: a managed save that stays where it is has not run.
#[test]
fn a_managed_save_that_can_not_be_put_out_of_use_is_not_run() -> Outcome {
    let lab = Lab::start()?;
    lab.boot()?;
    lab.tell("disk churn 1000000 7", "reeve-guest: churning")?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    let before = std::fs::read(lab.path("vda"))?;
    let frozen = ReadOnly::new(&lab.daemon.root().join("var/lib/reeve/save"))?;
    for words in [&["domain", "start", "web"][..], &["domain", "start", "web", "--force-boot"]] {
        let said = lab.reeve(words)?;
        assert!(said.code != 0 && said.stderr.contains("can't be put out of use"), "{said:?}");
        assert_eq!(lab.state()?, "shut-off");
        assert!(std::fs::read(lab.path("vda"))? == before, "the guest has run");
        assert_eq!(lab.managed().len(), 1, "what was saved is there");
    }
    drop(frozen);
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert!(lab.managed().is_empty());
    wait::until("it goes on", PATIENCE, || std::fs::read(lab.path("vda")).is_ok_and(|now| now != before))
}

#[test]
fn a_save_can_be_cancelled_and_nobody_else_changes_the_domain_meanwhile() -> Outcome {
    let lab = Lab::with_memory(1024)?;
    let mut known = lab.boot()?;
    lab.told("mem write 0x9 900")?;
    lab.told("mem write 0x5151 32")?;
    let file = lab.file("web.save");
    let saving = begin(&lab, &["domain", "save", "web", &file]);
    wait::until("the save begins", PATIENCE, || unfinished(lab.place.path()) || saving.is_finished())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = lab.daemon.client();
    let mut cancelled = false;
    wait::until("it is cancelled", PATIENCE, || {
        let asked = runtime.block_on(async {
            let status = client.save_status("web").await?;
            assert_eq!(status.total, 1 << 30);
            client.cancel_save("web").await
        });
        cancelled |= asked.is_ok();
        cancelled || saving.is_finished()
    })?;
    let run = saving.join().expect("the thread lives")?;
    if run.code == 0 {
        // It was faster than its cancellation.
        lab.reeve(&["domain", "restore", &file])?.ok();
    } else {
        assert!(run.stderr.contains("cancelled"), "{run:?}");
        assert!(!lab.path("web.save").exists() && !unfinished(lab.place.path()));
    }
    assert_eq!(lab.state()?, "running");
    lab.remembers(&mut known)?;
    let refused = runtime.block_on(client.save_status("web"));
    assert!(refused.is_err(), "{refused:?}");
    assert!(!field(&lab.told("mem info")?, "total").is_empty());
    Ok(())
}
