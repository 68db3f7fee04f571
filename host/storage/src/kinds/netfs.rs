//! A directory of an NFS server, mounted at the pool's directory (guide 12.6). `mount.nfs` resolves the server's name and settles on
//! a version of the protocol; the kernel alone can't.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use reeve_model::storage::{BuildMode, FoundSource, PoolConfig, SourceHost, SourceLookup};
use reeve_sys::mount;
use reeve_sys::process::Run;

use super::dir::{Target, refuse_modes};
use super::fs::unmount;
use crate::StorageError;
use crate::pool::{Pool, Volumes};
use crate::program;

/// A server that does not answer is given up after that.
const MOUNTING: Duration = Duration::from_secs(120);
const ANSWERING: Duration = Duration::from_secs(60);
/// The most directories of one server that are looked at, and the longest name of one.
const EXPORTS: usize = 4096;
const LONGEST: usize = 4095;

/// The directories that a server exports, where it tells.
pub(crate) fn sources(lookup: &SourceLookup, subject: &str) -> Result<Vec<FoundSource>, StorageError> {
    let host = lookup.host.as_deref().unwrap_or_default();
    let printed = program::run("showmount", &["--exports", "--no-headers", host], ANSWERING, subject)?;
    let host = Some(SourceHost { name: host.to_owned(), port: None });
    let format = Some("nfs".to_owned());
    let source = |path| FoundSource {
        path,
        format: format.clone(),
        size: None,
        host: host.clone(),
        devices: Vec::new(),
    };
    Ok(exported(&printed).into_iter().map(source).collect())
}

/// What `showmount` prints of a server: a directory, and who may have it, a line each.
fn exported(printed: &[u8]) -> Vec<String> {
    let directory = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        // Who may have it is one word; a directory may have blanks in it.
        let (directory, _who) = line.trim_end().rsplit_once([' ', '\t'])?;
        let directory = directory.trim_end();
        let is_path = directory.starts_with('/')
            && directory.len() <= LONGEST
            && !directory.contains(char::is_control)
            && directory.split('/').all(|step| step != "..");
        is_path.then(|| directory.to_owned())
    };
    let mut found: Vec<String> =
        printed.split(|byte| *byte == b'\n').filter_map(directory).take(EXPORTS).collect();
    found.sort();
    found.dedup();
    found
}

/// A directory of a server and where it is mounted.
#[derive(Debug)]
pub(crate) struct NetfsPool {
    target: Target,
    /// `host:/directory`.
    source: String,
    options: String,
}

impl NetfsPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let target = Target::new(config);
        let format = config.source.format.as_deref().unwrap_or("auto");
        if !["auto", "nfs"].contains(&format) {
            let reason = format!("'{format}' can't be mounted by this version; 'nfs' can");
            return Err(StorageError::unsupported(target.subject(), reason));
        }
        let host = config.source.hosts.first().map(|host| host.name.as_str()).unwrap_or_default();
        let host =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let dir = config.source.dir.as_deref().unwrap_or_default();
        let mut options = "nodev,nosuid,noexec".to_owned();
        if let Some(version) = &config.source.protocol {
            if !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                return Err(StorageError::invalid(
                    target.subject(),
                    format!("'{version}' is no version of NFS"),
                ));
            }
            options = format!("{options},vers={version}");
        }
        if let Some(port) = config.source.hosts.first().and_then(|host| host.port) {
            options = format!("{options},port={port}");
        }
        Ok(Self { target, source: format!("{host}:{dir}"), options })
    }

    fn arguments(&self) -> [&OsStr; 4] {
        [&self.source, &self.target.path, "-o", &self.options].map(OsStr::new)
    }

    fn is_mounted(&self) -> Result<bool, StorageError> {
        let failed = StorageError::file(&self.target.path, "looked at");
        let Some(found) = mount::mounted(Path::new(&self.target.path)).map_err(failed)? else {
            return Ok(false);
        };
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        match trimmed(&found.source.to_string_lossy()) == trimmed(&self.source) {
            true => Ok(true),
            false => {
                let reason =
                    format!("'{}' is mounted at '{}' already", found.source.display(), self.target.path);
                Err(StorageError::conflict(self.target.subject(), reason))
            }
        }
    }
}

impl Pool for NetfsPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        refuse_modes(&self.target, mode, "netfs")?;
        self.target.make()
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        if !self.is_mounted()? {
            let subject = self.target.subject();
            let path = program::find("mount.nfs", &subject)?;
            let args = self.arguments().to_vec();
            let run = Run { path: &path, args, input: &[], deadline: MOUNTING, output_limit: 64 << 10 };
            let finished = run.finish()?;
            if !finished.succeeded() {
                let complaint = finished.first_line();
                return Err(StorageError::Program { subject, program: "mount.nfs", complaint });
            }
        }
        self.target.volumes()
    }

    fn stop(&self) -> Result<(), StorageError> {
        unmount(&self.target, || self.is_mounted())
    }

    fn delete(&self) -> Result<(), StorageError> {
        self.target.remove()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reeve_model::storage::{PoolKind, PoolSource, PoolTarget};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_server_becomes_what_mount_nfs_takes() {
        let config = |host: &str, port, protocol: Option<&str>, format: Option<&str>| PoolConfig {
            kind: PoolKind::Netfs,
            name: "attic".to_owned(),
            uuid: Uuid::nil(),
            capacity: None,
            allocation: None,
            available: None,
            cow: None,
            source: PoolSource {
                hosts: vec![SourceHost { name: host.to_owned(), port }],
                dir: Some("/export".to_owned()),
                protocol: protocol.map(str::to_owned),
                format: format.map(str::to_owned),
                ..PoolSource::default()
            },
            target: PoolTarget { path: Some("/srv/attic".to_owned()), ..PoolTarget::default() },
            extra: Default::default(),
        };
        let pool = NetfsPool::new(&config("fd00::1", Some(2050), Some("4.2"), Some("nfs"))).unwrap();
        let expected = ["[fd00::1]:/export", "/srv/attic", "-o", "nodev,nosuid,noexec,vers=4.2,port=2050"];
        assert_eq!(pool.arguments(), expected.map(OsStr::new));
        let error = NetfsPool::new(&config("a", None, Some("4,hard"), None)).unwrap_err();
        assert!(error.to_string().contains("no version of NFS"), "{error}");
        let error = NetfsPool::new(&config("a", None, None, Some("cifs"))).unwrap_err();
        assert!(error.to_string().contains("'cifs' can't be mounted"), "{error}");
    }

    #[test]
    fn directories_are_found_in_what_a_server_exports() {
        let printed = b"/export        *\n/srv/my images 10.0.0.0/8,fd00::/8\n/all (everyone)\n/export *\n\
                        relative *\n/up/../etc *\n/bell\x07 *\n/alone\n/not\xfftext *\n\n";
        assert_eq!(exported(printed), ["/all", "/export", "/srv/my images"]);
        let long = format!("/{} *\n", "a".repeat(LONGEST));
        assert_eq!(exported(long.as_bytes()), Vec::<String>::new());
        let many = "/a *\n".repeat(EXPORTS) + "/b *\n";
        assert_eq!(exported(many.as_bytes()), ["/a"]);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_gives_paths_only(printed in proptest::collection::vec(any::<u8>(), 0..512)) {
            let found = exported(&printed);
            prop_assert!(found.iter().all(|path| path.starts_with('/') && !path.contains(char::is_control)));
        }
    }
}
