//! What was pulled, by digest; and what was installed of it, by policy.
//!
//! ```text
//!   artifacts/sha256/HEX               manifests and components; what does not have its name's digest is never given out
//!   artifacts/installed/NAME/HEX.json  where the component HEX of policy NAME came from, and the signatures it came with
//! ```

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::COMPONENT_LIMIT;
use crate::digest::Digest;
use crate::record::Record;

/// A directory of artifacts.
#[derive(Debug, Clone)]
pub struct Store {
    blobs: PathBuf,
    installed: PathBuf,
}

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The kernel says no.
    #[error("'{}' cannot be {doing}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file was changed behind our back.
    #[error("'{}' was changed: its digest is {found}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its digest now.
        found: Digest,
    },
    /// A record that cannot be understood.
    #[error("'{}' is not what was written there: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Store {
    /// The store in `directory`, made where it is missing.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let store = Self { blobs: directory.join("sha256"), installed: directory.join("installed") };
        for path in [&store.blobs, &store.installed] {
            make(path)?;
        }
        Ok(store)
    }

    /// Keeps `bytes`; on disk when it returns.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !matches!(self.blob(digest), Ok(Some(_))) {
            write(&self.blobs.join(digest.hex()), bytes)?;
        }
        Ok(digest)
    }

    /// The bytes with this digest, none when they are not there. What changed is an error.
    pub fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.blobs.join(digest.hex());
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let found = Digest::of(&bytes);
        if found == digest { Ok(Some(bytes)) } else { Err(StoreError::Changed { path, found }) }
    }

    /// Writes down where a component of a policy came from.
    pub fn put_record(&self, policy: &str, record: &Record) -> Result<(), StoreError> {
        let path = self.record_path(policy, record.component);
        make(path.parent().unwrap_or(&path))?;
        let text = serde_json::to_vec_pretty(record).expect("a record is made of strings and lists");
        write(&path, &text)
    }

    /// Where a component of a policy came from, none when it did not come from a registry.
    pub fn record(&self, policy: &str, component: Digest) -> Result<Option<Record>, StoreError> {
        read_record(&self.record_path(policy, component))
    }

    /// Forgets where components of a policy came from, but for those in `keep`.
    pub fn retain(&self, policy: &str, keep: &[Digest]) -> Result<(), StoreError> {
        let directory = self.records_of(policy);
        if !directory.exists() {
            return Ok(());
        }
        let kept: Vec<String> = keep.iter().map(|digest| format!("{}.json", digest.hex())).collect();
        for name in names(&directory)?.into_iter().filter(|name| !kept.contains(name)) {
            remove(&directory.join(name))?;
        }
        Ok(())
    }

    /// Removes what no record names, and what an interrupted write left; gives how many.
    pub fn sweep(&self) -> Result<usize, StoreError> {
        let mut used = BTreeSet::new();
        for policy in names(&self.installed)? {
            let directory = self.installed.join(policy);
            for name in names(&directory)?.into_iter().filter(|name| name.ends_with(".json")) {
                if let Some(record) = read_record(&directory.join(name))? {
                    used.extend([record.manifest.hex(), record.component.hex()]);
                }
            }
        }
        let mut removed = 0;
        for name in names(&self.blobs)?.into_iter().filter(|name| !used.contains(name)) {
            remove(&self.blobs.join(name))?;
            removed += 1;
        }
        Ok(removed)
    }

    fn record_path(&self, policy: &str, component: Digest) -> PathBuf {
        self.records_of(policy).join(format!("{}.json", component.hex()))
    }

    fn records_of(&self, policy: &str) -> PathBuf {
        // Policy names have letters, digits and dashes only; nothing else may become a path.
        let name: String = policy.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        self.installed.join(name)
    }
}

fn make(path: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StoreError::File { path: path.to_owned(), doing: "made", source })
}

fn read_record(path: &Path) -> Result<Option<Record>, StoreError> {
    let Some(text) = read(path)? else { return Ok(None) };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| StoreError::Record { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), doing: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(COMPONENT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Whole or not at all, also over a power cut.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), doing: "written", source };
    let part = path.with_extension("part");
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::File { path: path.to_owned(), doing: "removed", source })
        }
        _ => Ok(()),
    }
}

fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::File { path: directory.to_owned(), doing: "read", source };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(manifest: Digest, component: Digest) -> Record {
        Record {
            reference: "example.org/naming:1".into(),
            name: "example.org/naming".into(),
            manifest,
            component,
            signatures: Vec::new(),
            key: None,
        }
    }

    #[test]
    fn what_is_kept_comes_back_or_is_an_error() {
        let dir = tempfile::tempdir().expect("temporary");
        let store = Store::open(dir.path()).expect("made");
        let digest = store.put(b"component").expect("kept");
        assert_eq!(store.blob(digest).expect("read").as_deref(), Some(&b"component"[..]));
        assert_eq!(store.blob(Digest::of(b"other")).expect("read"), None);

        let file = dir.path().join("sha256").join(digest.hex());
        std::fs::write(&file, b"tampered!").expect("mine");
        let error = store.blob(digest).expect_err("changed").to_string();
        assert!(error.contains("was changed: its digest is sha256:"), "{error}");
        store.put(b"component").expect("mended");
        assert!(store.blob(digest).expect("read").is_some());
    }

    #[test]
    fn records_keep_what_they_name_from_being_swept() {
        let dir = tempfile::tempdir().expect("temporary");
        let store = Store::open(dir.path()).expect("made");
        let (manifest, component) =
            (store.put(b"manifest").expect("kept"), store.put(b"component").expect("kept"));
        store.put(b"left over").expect("kept");
        let record = record(manifest, component);
        store.put_record("naming", &record).expect("kept");
        assert_eq!(store.record("naming", component).expect("read"), Some(record));
        assert_eq!(store.record("naming", manifest).expect("read"), None);
        assert_eq!(store.sweep().expect("swept"), 1);
        store.retain("naming", &[component]).expect("kept");
        assert!(store.blob(component).expect("read").is_some());

        store.retain("naming", &[]).expect("removed");
        store.retain("other", &[]).expect("nothing to do");
        assert_eq!(store.record("naming", component).expect("read"), None);
        assert_eq!(store.sweep().expect("swept"), 2);
        store.put_record("../escape", &super::tests::record(manifest, component)).expect("kept");
        assert!(dir.path().join("installed/escape").exists(), "a name is never a path");
    }
}
