//! Kernel samepage merging (guide ch. 7): /sys/kernel/mm/ksm, read, changed, and put back.

use reeve_model::node::{KsmChange, KsmState};
use reeve_sys::files::{FileError, Tree};
use tracing::info;

/// Most pages to scan before a sleep: the kernel takes an unsigned int.
const PAGES_MAX: u64 = u32::MAX as u64;
/// Longest sleep in milliseconds: the kernel takes an unsigned int.
const SLEEP_MAX: u64 = u32::MAX as u64;

/// Kernel samepage merging could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KsmError {
    /// The kernel was built without it.
    #[error("this kernel has no samepage merging")]
    Missing,
    /// `run` is not 0, 1 or 2.
    #[error("KSM can't be switched to {0}: 0 stops it, 1 runs it, 2 stops it and unmerges all pages")]
    Run(u8),
    /// Merging across NUMA nodes can't be switched now.
    #[error(
        "KSM can't switch merging across NUMA nodes while {0} pages are shared: unmerge them first (run 2)"
    )]
    Shared(u64),
    /// A file of the kernel can't be used.
    #[error("KSM can't be read or changed")]
    File(#[from] FileError),
}

/// The switches of kernel samepage merging, and how they were found.
#[derive(Debug)]
pub struct Ksm {
    files: Tree,
    found: Option<KsmState>,
}

impl Ksm {
    /// The switches in a directory.
    pub fn new(files: Tree) -> Self {
        Self { files, found: None }
    }

    /// Everything as it is now.
    pub fn state(&self) -> Result<KsmState, KsmError> {
        if !self.files.has("run") {
            return Err(KsmError::Missing);
        }
        let number = |name| self.files.number(name);
        let merge_across_nodes = match self.files.has("merge_across_nodes") {
            true => Some(number("merge_across_nodes")? != 0),
            false => None,
        };
        Ok(KsmState {
            run: u8::try_from(number("run")?).unwrap_or(u8::MAX),
            pages_to_scan: number("pages_to_scan")?,
            sleep_millisecs: number("sleep_millisecs")?,
            merge_across_nodes,
            pages_shared: number("pages_shared")?,
            pages_sharing: number("pages_sharing")?,
            pages_unshared: number("pages_unshared")?,
            // Negative for a moment while the kernel counts.
            pages_volatile: number("pages_volatile").unwrap_or(0),
            full_scans: number("full_scans")?,
        })
    }

    /// Applies a change, or nothing of it. What holds already is not written: writing `run` makes the kernel work even then.
    pub fn apply(&mut self, change: KsmChange) -> Result<KsmState, KsmError> {
        let now = self.state()?;
        check(&change, &now)?;
        let change = clamped(change);
        self.found.get_or_insert_with(|| now.clone());
        self.write(&now, &change)?;
        info!(?change, "kernel samepage merging changed");
        self.state()
    }

    /// Puts back what was found before the first change; nothing to do when there was none.
    pub fn restore(&mut self) -> Result<(), KsmError> {
        let Some(found) = self.found.clone() else {
            return Ok(());
        };
        let now = self.state()?;
        let change = KsmChange {
            run: Some(found.run),
            pages_to_scan: Some(found.pages_to_scan),
            sleep_millisecs: Some(found.sleep_millisecs),
            merge_across_nodes: found.merge_across_nodes,
        };
        if check(&change, &now).is_err() {
            // Merging across nodes can't be switched before everything is unmerged.
            self.files.write("run", 2)?;
        }
        self.write(&self.state()?, &change)?;
        self.found = None;
        info!(run = found.run, "kernel samepage merging put back as it was found");
        Ok(())
    }

    /// `merge_across_nodes` and the pace first, so that a start finds them in place.
    fn write(&self, now: &KsmState, change: &KsmChange) -> Result<(), KsmError> {
        if let Some(across) =
            change.merge_across_nodes.filter(|across| now.merge_across_nodes != Some(*across))
        {
            self.files.write("merge_across_nodes", u8::from(across))?;
        }
        if let Some(pages) = change.pages_to_scan.filter(|pages| *pages != now.pages_to_scan) {
            self.files.write("pages_to_scan", pages)?;
        }
        if let Some(sleep) = change.sleep_millisecs.filter(|sleep| *sleep != now.sleep_millisecs) {
            self.files.write("sleep_millisecs", sleep)?;
        }
        if let Some(run) = change.run.filter(|run| *run != now.run) {
            self.files.write("run", run)?;
        }
        Ok(())
    }
}

/// Numbers out of the kernel's range become the nearest that are in it.
fn clamped(change: KsmChange) -> KsmChange {
    KsmChange {
        pages_to_scan: change.pages_to_scan.map(|pages| pages.clamp(1, PAGES_MAX)),
        sleep_millisecs: change.sleep_millisecs.map(|sleep| sleep.min(SLEEP_MAX)),
        ..change
    }
}

fn check(change: &KsmChange, now: &KsmState) -> Result<(), KsmError> {
    if let Some(run) = change.run
        && run > 2
    {
        return Err(KsmError::Run(run));
    }
    match (change.merge_across_nodes, now.merge_across_nodes) {
        (Some(wanted), Some(is)) if wanted != is && now.pages_shared > 0 => {
            Err(KsmError::Shared(now.pages_shared))
        }
        (Some(_), None) => Err(KsmError::Missing),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(values: &[(&str, &str)]) -> (tempfile::TempDir, Ksm) {
        let dir = tempfile::tempdir().unwrap();
        let defaults = [
            ("run", "0"),
            ("pages_to_scan", "100"),
            ("sleep_millisecs", "20"),
            ("merge_across_nodes", "1"),
            ("pages_shared", "0"),
            ("pages_sharing", "0"),
            ("pages_unshared", "0"),
            ("pages_volatile", "-1"),
            ("full_scans", "0"),
        ];
        for (name, value) in defaults.iter().chain(values) {
            std::fs::write(dir.path().join(name), value).unwrap();
        }
        let ksm = Ksm::new(Tree::new(dir.path()));
        (dir, ksm)
    }

    #[test]
    fn a_change_is_applied_and_put_back_once() {
        let (_dir, mut ksm) = fake(&[]);
        let found = ksm.state().unwrap();
        let change = KsmChange { run: Some(1), pages_to_scan: Some(1250), ..KsmChange::default() };
        let after = ksm.apply(change).unwrap();
        assert_eq!((after.run, after.pages_to_scan, after.sleep_millisecs), (1, 1250, 20));
        ksm.apply(KsmChange { sleep_millisecs: Some(10), ..KsmChange::default() }).unwrap();
        ksm.restore().unwrap();
        assert_eq!(ksm.state().unwrap(), found);
        std::fs::write(_dir.path().join("run"), "1").unwrap();
        ksm.restore().unwrap();
        assert_eq!(ksm.state().unwrap().run, 1, "an operator's change after the restore was undone");
    }

    #[test]
    fn nothing_is_applied_when_something_is_wrong() {
        let (_dir, mut ksm) = fake(&[("pages_shared", "7")]);
        let before = ksm.state().unwrap();
        let wrong = [
            KsmChange { run: Some(3), pages_to_scan: Some(5), ..KsmChange::default() },
            KsmChange { run: Some(1), merge_across_nodes: Some(false), ..KsmChange::default() },
        ];
        for change in wrong {
            ksm.apply(change).unwrap_err();
            assert_eq!(ksm.state().unwrap(), before, "{change:?}");
        }
        let error = reeve_model::Error::from(ksm.apply(wrong[1]).unwrap_err());
        assert_eq!(error.code, reeve_model::ErrorCode::WrongState);
        assert!(error.message.contains("7 pages are shared"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_become_the_nearest_in_range() {
        let (_dir, mut ksm) = fake(&[]);
        let change =
            KsmChange { pages_to_scan: Some(0), sleep_millisecs: Some(u64::MAX), ..KsmChange::default() };
        let after = ksm.apply(change).unwrap();
        assert_eq!((after.pages_to_scan, after.sleep_millisecs), (1, SLEEP_MAX));
    }

    #[test]
    fn a_kernel_without_it_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Ksm::new(Tree::new(dir.path())).state(), Err(KsmError::Missing)));
    }

    #[test]
    fn the_real_switches_take_a_change_and_are_put_back() {
        let mut ksm = Ksm::new(Tree::new("/sys/kernel/mm/ksm"));
        let found = match ksm.state() {
            Ok(found) => found,
            Err(error) => {
                eprintln!("SKIP: {error}");
                return;
            }
        };
        let change = KsmChange { pages_to_scan: Some(found.pages_to_scan + 1), ..KsmChange::default() };
        match ksm.apply(change) {
            Ok(after) => assert_eq!(after.pages_to_scan, found.pages_to_scan + 1),
            Err(error) => eprintln!("SKIP: {error}: this needs root"),
        }
        ksm.restore().unwrap();
        assert_eq!(ksm.state().unwrap().pages_to_scan, found.pages_to_scan);
    }
}
