//! Debian's docker-registry on a loopback port with storage of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use reeve_tests::{free_port, wait};
use tempfile::TempDir;

use crate::authority::Authority;

const PROGRAM: &str = "/usr/bin/docker-registry";
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom the registry lets in when it asks: user, password, and the password as `htpasswd -B` keeps it.
pub const USER: (&str, &str, &str) =
    ("ada", "open sesame", "$2b$04$VgNdQU2MV3utKvpin6jXm.ZK8bAcU9THB/QlYUCN3.8h/5S2F13mC");

/// A running registry, ended with the test.
pub struct Registry {
    child: Child,
    directory: TempDir,
    port: u16,
}

impl Registry {
    /// Without TLS, open to everybody; none, with a SKIP line, where the program is missing.
    pub fn open(test: &str) -> anyhow::Result<Option<Self>> {
        Self::start(test, |_| Ok(String::new()))
    }

    /// With a certificate of `authority`, for [`USER`] only.
    pub fn guarded(test: &str, authority: &Authority) -> anyhow::Result<Option<Self>> {
        Self::start(test, |directory| {
            let file = |name: &str| directory.join(name).display().to_string();
            std::fs::write(file("certificate.pem"), &authority.certificate)?;
            std::fs::write(file("key.pem"), &authority.key)?;
            std::fs::write(file("htpasswd"), format!("{}:{}\n", USER.0, USER.2))?;
            Ok(format!(
                "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                file("certificate.pem"),
                file("key.pem"),
                file("htpasswd")
            ))
        })
    }

    fn start(test: &str, more: impl FnOnce(&Path) -> anyhow::Result<String>) -> anyhow::Result<Option<Self>> {
        if !Path::new(PROGRAM).exists() {
            println!("SKIP C {test}: {PROGRAM} is missing; 'cargo xtask setup' installs docker-registry");
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("reeve-registry-").tempdir()?;
        let port = free_port("127.0.0.1")?;
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
            directory.path().join("storage").display(),
            more(directory.path())?
        );
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the registry of the test is a program of this machine"
        )]
        let mut command = Command::new(PROGRAM);
        let child =
            command.arg("serve").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let mut registry = Self { child, directory, port };
        let mut ended = None;
        wait::until("the registry answers", PATIENCE, || {
            ended = registry.child.try_wait().ok().flatten();
            ended.is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        let log = || std::fs::read_to_string(registry.directory.path().join("log")).unwrap_or_default();
        anyhow::ensure!(ended.is_none(), "the registry ended: {}", log());
        Ok(Some(registry))
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A name in it.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host())
    }

    /// A file of its repositories.
    pub fn tag(&self, path: &str) -> PathBuf {
        self.directory.path().join("storage/docker/registry/v2/repositories").join(path)
    }

    /// The file in which it keeps a blob: a component or a manifest.
    pub fn blob(&self, digest: &str) -> anyhow::Result<PathBuf> {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let start = hex.get(..2).context("a digest has 64 digits")?;
        let blobs = self.directory.path().join("storage/docker/registry/v2/blobs/sha256");
        Ok(blobs.join(start).join(hex).join("data"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
