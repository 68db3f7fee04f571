//! Where everything is on disk, below one root.
//!
//! ```text
//!   ROOT/etc/reeve/            0755  reeve.toml, policies.toml
//!   ROOT/var/lib/reeve/        0700  state.db, images/ policies/ snapshots/ save/
//!   ROOT/run/reeve/            0755  reeve.sock, daemon.lock
//!   ROOT/run/reeve/domains/    0700  UUID/ of every running domain: control socket, worker log
//! ```

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt};

const ETC: &str = "etc/reeve";
const LIB: &str = "var/lib/reeve";
const RUN: &str = "run/reeve";
const DOMAINS: &str = "run/reeve/domains";

/// Directories of one host. Nothing outside of the root is reached through it.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    run: Dir,
    domains: Dir,
}

/// The directories of a host can't be made.
#[derive(Debug, thiserror::Error)]
#[error("directory '{path}' can't be used")]
pub struct LayoutError {
    /// Which one.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl Layout {
    /// The directories below `root`, made where they are missing.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| LayoutError { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(root).map_err(failed(root))?;
        let root = root.canonicalize().map_err(failed(root))?;
        let top = Dir::open_ambient_dir(&root, ambient_authority()).map_err(failed(&root))?;
        let made = [(ETC, 0o755), (LIB, 0o700), (RUN, 0o755), (DOMAINS, 0o700)];
        let below =
            ["images", "policies", "snapshots", "save", "dump"].map(|name| (format!("{LIB}/{name}"), 0o700));
        let made = made.iter().map(|(path, mode)| ((*path).to_owned(), *mode));
        for (path, mode) in made.chain(below) {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o755);
            if let Some((parent, _)) = path.rsplit_once('/') {
                top.create_dir_with(parent, &builder).map_err(failed(&root.join(parent)))?;
            }
            builder.mode(mode);
            top.create_dir_with(&path, &builder).map_err(failed(&root.join(&path)))?;
        }
        let run = top.open_dir(RUN).map_err(failed(&root.join(RUN)))?;
        let domains = top.open_dir(DOMAINS).map_err(failed(&root.join(DOMAINS)))?;
        Ok(Self { root, run, domains })
    }

    /// The root itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Configuration.
    pub fn etc(&self) -> PathBuf {
        self.root.join(ETC)
    }

    /// What must survive a reboot.
    pub fn lib(&self) -> PathBuf {
        self.root.join(LIB)
    }

    /// What must not.
    pub fn run(&self) -> PathBuf {
        self.root.join(RUN)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.lib().join("state.db")
    }

    /// Installed policies.
    pub fn policies(&self) -> PathBuf {
        self.lib().join("policies")
    }

    /// The API socket.
    pub fn api_socket(&self) -> PathBuf {
        self.run().join("reeve.sock")
    }

    /// Binds a socket in the run directory, in place of what an earlier daemon left there, however long the root's path is.
    pub fn bind(&self, name: &str) -> io::Result<UnixListener> {
        bind_in(&self.run, name)
    }

    /// Names of the directories in the domains directory.
    pub fn domain_directories(&self) -> Vec<String> {
        let entries = self.domains.entries().into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// The directory of a running domain, made when it is missing; `name` is its UUID.
    pub fn domain_directory(&self, name: &str) -> Result<DomainDirectory, LayoutError> {
        let path = self.root.join(DOMAINS).join(name);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let made = self.domains.create_dir_with(name, &builder).and_then(|()| self.domains.open_dir(name));
        match made {
            Ok(dir) => Ok(DomainDirectory { dir, path }),
            Err(source) => Err(LayoutError { path, source }),
        }
    }

    /// Where the directory of a domain is, or would be.
    pub fn domain_path(&self, name: &str) -> PathBuf {
        self.root.join(DOMAINS).join(name)
    }

    /// The directory of a domain if it is there.
    pub fn find_domain_directory(&self, name: &str) -> io::Result<DomainDirectory> {
        Ok(DomainDirectory { dir: self.domains.open_dir(name)?, path: self.root.join(DOMAINS).join(name) })
    }

    /// Removes the directory of a domain; no error when it is not there.
    pub fn remove_domain_directory(&self, name: &str) -> io::Result<()> {
        match self.domains.remove_dir_all(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o644);
        Ok(self.run.open_with("daemon.lock", &options)?.into_std())
    }
}

/// The directory of one running domain.
#[derive(Debug)]
pub struct DomainDirectory {
    dir: Dir,
    path: PathBuf,
}

impl DomainDirectory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Binds a socket in it, in place of an earlier one.
    pub fn bind(&self, name: &str) -> io::Result<UnixListener> {
        bind_in(&self.dir, name)
    }

    /// Connects to a socket in it.
    pub fn connect(&self, name: &str) -> io::Result<UnixStream> {
        UnixStream::connect(short_path(&self.dir, name))
    }

    /// Opens a file in it to append to.
    pub fn append(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        Ok(self.dir.open_with(name, &options)?.into_std())
    }

    /// The text of a file in it; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.dir.read(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

fn bind_in(dir: &Dir, name: &str) -> io::Result<UnixListener> {
    match dir.remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(short_path(dir, name))
}

/// A socket's path may have 107 bytes; this one is short wherever the directory is.
fn short_path(dir: &Dir, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn directories_have_their_modes_and_opening_twice_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("some/root");
        Layout::open(&root).unwrap();
        let layout = Layout::open(&root).unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(layout.etc()), 0o755);
        assert_eq!(mode(layout.lib()), 0o700);
        assert_eq!(mode(layout.policies()), 0o700);
        assert_eq!(mode(layout.run()), 0o755);
        assert_eq!(mode(layout.run().join("domains")), 0o700);
        assert_eq!(mode(root.join("var")), 0o755);
    }

    #[test]
    fn sockets_work_under_a_long_root() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("long-name/".repeat(20))).unwrap();
        assert!(layout.api_socket().as_os_str().len() > 107);
        let domain = layout.domain_directory("d").unwrap();
        for _ in 0..2 {
            let listener = domain.bind("control").unwrap();
            domain.connect("control").unwrap();
            listener.accept().unwrap();
        }
        assert_eq!(layout.domain_directories(), ["d"]);
        layout.remove_domain_directory("d").unwrap();
        layout.remove_domain_directory("d").unwrap();
        assert!(layout.domain_directories().is_empty());
        assert!(layout.domain_directory("../escape").is_err());
    }
}
