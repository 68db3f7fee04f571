//! Components of policies: files named by what is in them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Store, StoreError};

impl Store {
    /// Keeps a component and gives its digest; on disk when it returns. Keeping the same bytes again changes nothing.
    pub fn put_component(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = digest(bytes);
        let path = self.component_path(&digest)?;
        let written = |source| StoreError::File { doing: "written", path: path.clone(), source };
        if path.exists() && self.component(&digest).is_ok() {
            return Ok(digest);
        }
        let unfinished = path.with_extension("part");
        let mut file = File::create(&unfinished).map_err(written)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(written)?;
        std::fs::rename(&unfinished, &path).map_err(written)?;
        sync_directory(&self.inner.components).map_err(written)?;
        Ok(digest)
    }

    /// The bytes of a component, checked against their digest.
    pub fn component(&self, digest: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.component_path(digest)?;
        let bytes = std::fs::read(&path).map_err(|source| StoreError::File {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        let found = self::digest(&bytes);
        if found == digest { Ok(bytes) } else { Err(StoreError::ComponentChanged { path, found }) }
    }

    /// Removes the components that no installed policy uses or has in its history, and what an interrupted write left; gives how many.
    pub fn sweep_components(&self) -> Result<usize, StoreError> {
        let installed = self.policies()?.into_iter().map(|policy| policy.digest);
        let used: Vec<String> =
            installed.chain(self.version_digests()?).map(|digest| format!("{digest}.wasm")).collect();
        let directory = &self.inner.components;
        let list = |source| StoreError::File { doing: "read", path: directory.clone(), source };
        let mut removed = 0;
        for entry in std::fs::read_dir(directory).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name();
            let ours = Path::new(&name).extension().is_some_and(|kind| kind == "wasm" || kind == "part");
            if ours && !used.iter().any(|used| name == used.as_str()) {
                std::fs::remove_file(entry.path()).map_err(|source| StoreError::File {
                    doing: "removed",
                    path: entry.path(),
                    source,
                })?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn component_path(&self, digest: &str) -> Result<PathBuf, StoreError> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if digest.len() != 64 || !digest.chars().all(hex) {
            return Err(StoreError::NotADigest(digest.to_owned()));
        }
        Ok(self.inner.components.join(format!("{digest}.wasm")))
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a rename survive a power cut.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
