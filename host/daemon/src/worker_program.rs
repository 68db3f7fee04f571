//! The program of workers.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// It stands beside the daemon's own program.
const NAME: &str = "reeve-worker";

/// The executable that becomes a worker, opened when the daemon starts: an upgrade that replaces the file changes no worker of this daemon.
pub struct WorkerProgram {
    file: File,
}

impl WorkerProgram {
    /// The program at `configured`, or beside this very program where that is empty.
    pub fn open(configured: &str) -> anyhow::Result<Self> {
        let path = match configured {
            "" => beside(&std::env::current_exe().context("the daemon can't tell where its program is")?),
            path => PathBuf::from(path),
        };
        let file = File::open(&path).with_context(|| {
            let path = path.display();
            format!("the program of workers, '{path}', can't be opened; 'workers.program' says where it is")
        })?;
        Ok(Self { file })
    }

    /// A path that leads to it as long as this process is there, for children too, which have no descriptor of it.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }
}

fn beside(program: &Path) -> PathBuf {
    program.with_file_name(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_stays_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker");
        std::fs::write(&path, "old").unwrap();
        let program = WorkerProgram::open(path.to_str().unwrap()).unwrap();
        std::fs::write(directory.path().join("new"), "new").unwrap();
        std::fs::rename(directory.path().join("new"), &path).unwrap();
        assert_eq!(std::fs::read_to_string(program.path()).unwrap(), "old");
    }

    #[test]
    fn one_that_is_missing_is_named_with_its_setting() {
        let Err(error) = WorkerProgram::open("/nowhere/reeve-worker") else { panic!("there is none") };
        let text = error.to_string();
        assert!(text.contains("'/nowhere/reeve-worker'") && text.contains("workers.program"), "{text}");
        assert_eq!(beside(Path::new("/usr/bin/reeve")), Path::new("/usr/bin/reeve-worker"));
    }
}
