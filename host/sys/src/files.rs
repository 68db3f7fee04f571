//! Small files that the kernel makes: sysfs and procfs, below a directory that tests can replace.

use std::io;
use std::path::{Path, PathBuf};

/// A directory of small files, e.g. `/sys/kernel/mm/ksm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

/// A small file could not be read, written or understood.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not there or can't be read.
    #[error("'{path}' can't be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel did not take the value.
    #[error("'{value}' can't be written to '{path}'")]
    Write {
        /// The file.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file holds something else than a number.
    #[error("'{path}' holds '{text}' instead of a number")]
    Number {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
}

impl Tree {
    /// The files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A directory below this one.
    pub fn below(&self, path: impl AsRef<Path>) -> Self {
        Self { root: self.root.join(path) }
    }

    /// Where a file of it is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// True when the file is there.
    pub fn has(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).exists()
    }

    /// The text of a file without white space at its ends.
    pub fn text(&self, name: impl AsRef<Path>) -> Result<String, FileError> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(source) => Err(FileError::Read { path, source }),
        }
    }

    /// The number a file holds.
    pub fn number(&self, name: impl AsRef<Path>) -> Result<u64, FileError> {
        let text = self.text(&name)?;
        text.parse().map_err(|_| FileError::Number { path: self.path(name), text })
    }

    /// Writes a file that is there already, in one write as the kernel wants it.
    pub fn write(&self, name: impl AsRef<Path>, value: impl ToString) -> Result<(), FileError> {
        let (path, value) = (self.path(name), value.to_string());
        let written = std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
        written.map_err(|source| FileError::Write { path, value, source })
    }

    /// The numbers N of all entries named PREFIX and N, in order, e.g. 0 and 1 for `node0` and `node1`.
    pub fn numbered(&self, prefix: &str) -> Vec<u32> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix(prefix)?.parse().ok();
        let mut numbers: Vec<u32> = entries.filter_map(|entry| number(entry.file_name())).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_say_which_file() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path());
        std::fs::write(tree.path("run"), "1\n").unwrap();
        assert_eq!(tree.number("run").unwrap(), 1);
        tree.write("run", 2).unwrap();
        assert_eq!(tree.text("run").unwrap(), "2");
        std::fs::write(tree.path("word"), "always\n").unwrap();
        assert!(tree.number("word").unwrap_err().to_string().ends_with("holds 'always' instead of a number"));
        let missing = tree.write("missing", 1).unwrap_err().to_string();
        assert!(missing.starts_with("'1' can't be written to") && missing.contains("missing"), "{missing}");
    }

    #[test]
    fn numbered_entries_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["node10", "node2", "nodes", "other3"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(Tree::new(dir.path()).numbered("node"), [2, 10]);
    }
}
