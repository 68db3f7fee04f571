//! Journals that take their time, and journals that nothing more goes into: a migration that is not written down is none.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use reeve_store::DATABASE;
use reeve_tests::{Daemon, Run, Small, program, wait};
use rusqlite::Connection;

use crate::pair::{Pair, host, state, wait_for};
use crate::{Outcome, PATIENCE};

/// Where a host keeps its journal.
fn journal(daemon: &Daemon) -> PathBuf {
    daemon.root().join("var/lib/reeve")
}

#[test]
fn a_migration_is_given_up_while_its_host_still_writes_it_down() -> Outcome {
    let pair = Pair::with_guest(64)?;
    // A host waits for its journal, and not for ever: where an operator was too slow, once more.
    for _ in 0..10 {
        let database = Connection::open(journal(&pair.source).join(DATABASE))?;
        database.execute_batch("BEGIN IMMEDIATE")?;
        let (root, uri) = (pair.source.root().to_owned(), pair.destination());
        let moving = std::thread::spawn(move || {
            Run::reeve(&root, &["domain", "migrate", "guest", &uri, "--live"], "", &[])
        });
        // The stream is there, and no worker has it at the source.
        wait::until("the other host waits for the guest", PATIENCE, || {
            pair.target.worker("guest").is_ok() || moving.is_finished()
        })?;
        let aborted = pair.source.reeve(&["domain", "domjobabort", "guest"])?;
        database.execute_batch("ROLLBACK")?;
        let run = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??;
        wait_for(&pair.target, "absent")?;
        assert_eq!(state(&pair.source)?, "running");
        if run.stderr.contains("database is locked") {
            continue;
        }
        aborted.ok();
        let said = run.fails(1);
        assert!(said.contains("stays here") && said.contains("an operator ended it"), "{said}");
        pair.is_intact(&pair.source)?;
        // Nothing of it is left.
        pair.migrate(&["--live"])?.ok();
        return pair.is_intact(&pair.target);
    }
    anyhow::bail!("nobody was fast enough")
}

/// A file system of its own for all that a host keeps, as full as it can be on demand.
struct Full(Small);

impl Full {
    /// The daemon is started again on it.
    fn under(daemon: &mut Daemon) -> anyhow::Result<Self> {
        daemon.stop()?;
        let (at, before) = (journal(daemon), journal(daemon).with_file_name("before"));
        std::fs::rename(&at, &before)?;
        let small = Small::mount(&at)?;
        program("cp", &["-a", &format!("{}/.", before.display()), &at.display().to_string()])?;
        daemon.launch()?;
        Ok(Self(small))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("in-the-way")
    }

    fn fill(&self) -> Outcome {
        let mut file = File::create(self.file())?;
        for size in [1 << 16, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        Ok(())
    }

    fn empty(&self) -> Outcome {
        Ok(std::fs::remove_file(self.file())?)
    }
}

#[test]
fn a_guest_stays_where_its_host_can_not_write_down_that_it_gave_it_up() -> Outcome {
    let (mut source, target) = (host()?, host()?);
    let full = Full::under(&mut source)?;
    let mut pair = Pair { source, target, place: tempfile::tempdir()?, addresses: None }.boot(64)?;
    for options in [&[][..], &["--postcopy", "--postcopy-after-precopy"]] {
        let run = pair.slowly_with(options, |pair| {
            full.fill()?;
            pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
            Ok(())
        })?;
        let said = run.fails(1);
        assert!(said.contains("was undone") && said.contains("disk is full"), "{said}");
        assert_eq!(state(&pair.source)?, "running");
        wait_for(&pair.target, "absent")?;
        pair.is_intact(&pair.source)?;
        // It can't even begin, and says so.
        let said = pair.migrate(&["--live"])?.fails(1);
        assert!(said.contains("disk is full"), "{said}");
        wait_for(&pair.target, "absent")?;
        full.empty()?;
    }
    pair.migrate(&["--live"])?.ok();
    wait_for(&pair.source, "shut-off")?;
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_that_has_arrived_runs_on_a_host_that_can_not_write_any_more() -> Outcome {
    let (source, mut target) = (host()?, host()?);
    let full = Full::under(&mut target)?;
    let mut pair = Pair { source, target, place: tempfile::tempdir()?, addresses: None }.boot(64)?;
    // It takes no guest of which it can't write down that it comes.
    full.fill()?;
    let said = pair.migrate(&["--live"])?.fails(1);
    assert!(said.contains("stays here"), "{said}");
    wait_for(&pair.target, "absent")?;
    pair.is_intact(&pair.source)?;
    full.empty()?;
    let run = pair.slowly(|pair| {
        full.fill()?;
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
        Ok(())
    })?;
    run.ok();
    wait_for(&pair.target, "running")?;
    wait_for(&pair.source, "shut-off")?;
    pair.is_intact(&pair.target)?;
    full.empty()?;
    pair.turn_around();
    pair.migrate(&["--live"])?.ok();
    pair.is_intact(&pair.target)
}
