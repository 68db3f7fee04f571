//! Initial RAM disks: cpio archives of the "newc" form (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const ALIGN: usize = 4;
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows by a file at a time.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    files: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds an empty directory, with those above it.
    pub fn directory(&mut self, name: &str) {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        for end in ends {
            if self.directories.insert(name[..end].to_owned()) {
                self.entry(&name[..end], DIRECTORY, &[]);
            }
        }
    }

    /// Adds an executable file, with the directories above it. `name` has no leading slash.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        if let Some((directory, _)) = name.rsplit_once('/') {
            self.directory(directory);
        }
        self.files.insert(name.to_owned());
        self.entry(name, PROGRAM, content);
    }

    /// Whether a file of this name is in it.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains(name)
    }

    /// Adds a copy of a file of this machine.
    pub fn copy(&mut self, name: &str, from: &Path) -> anyhow::Result<()> {
        let content = std::fs::read(from).with_context(|| format!("{} can't be read", from.display()))?;
        self.file(name, &content);
        Ok(())
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (name_size, size) = (name.len() as u32 + 1, content.len() as u32);
        let links = 1;
        // Inode, mode, user, group, links, time, size, four device numbers, size of the name, checksum.
        let header = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in header {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_once_and_before_their_files() {
        let mut archive = Archive::default();
        archive.file("lib/x/a", b"1");
        archive.file("lib/x/b", b"22");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % ALIGN, 0);
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<_> =
            text.split("070701").skip(1).map(|entry| entry[104..].split('\0').next()).collect();
        assert_eq!(names, ["lib", "lib/x", "lib/x/a", "lib/x/b", TRAILER].map(Some));
    }
}
