//! Policies as signed artifacts: pushed to, signed in, and installed from a real registry; and everything that must be refused.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod authority;
mod component;
mod hostile;
mod installing;
mod liar;
mod lies;
mod registry;
mod roundtrip;
mod tampering;
mod tutorial;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use reeve_tests::{Daemon, Run};
use tempfile::TempDir;

type Outcome = anyhow::Result<()>;

/// Grants that the shipped policy `naming` asks for.
const GRANTS: [&str; 3] = [
    "domain:rewrite path=devices.disks*",
    "domain:rewrite path=devices.memballoon*",
    "domain:rewrite path=devices.rngs*",
];

/// A person at a terminal with a directory of their own, and no daemon.
struct Author {
    directory: TempDir,
}

impl Author {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { directory: tempfile::Builder::new().prefix("reeve-author-").tempdir()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same as text.
    fn file(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<String> {
        std::fs::write(self.path(name), content)?;
        Ok(self.file(name))
    }

    /// `reeve policy …` with the credentials of this directory.
    fn policy(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        let arguments = [&["policy"], arguments].concat();
        let docker: &OsStr = self.directory.path().as_ref();
        Run::reeve(self.directory.path(), &arguments, "", &[("DOCKER_CONFIG", docker)])
    }

    /// A new pair of keys; gives the public half as PEM text.
    fn keygen(&self, name: &str) -> anyhow::Result<String> {
        self.policy(&["keygen", &self.file(name)])?.ok();
        Ok(std::fs::read_to_string(self.path(&format!("{name}.pub")))?)
    }

    fn push(&self, component: &Path, to: &str) -> anyhow::Result<String> {
        let said = self.policy(&["push", &component.to_string_lossy(), to, "-o", "json"])?.ok();
        let pushed: serde_json::Value = serde_json::from_str(&said)?;
        Ok(pushed["digest"].as_str().unwrap_or_default().to_owned())
    }

    fn sign(&self, what: &str, key: &str) -> Outcome {
        self.policy(&["sign", what, "--key", &self.file(key)])?.ok();
        Ok(())
    }
}

/// `reeve.toml` with one rule of trust.
fn trusting(repository: &str, key: &str) -> String {
    format!("[policies.trust]\nrules = [{{ repository = \"{repository}\", keys = ['''{key}'''] }}]\n")
}

/// `reeve policy install` with all that naming wants, and a house rule for names.
fn install(daemon: &Daemon, reference: &str, options: &[&str]) -> anyhow::Result<Run> {
    let mut arguments = vec!["policy", "install", reference, "--config", r#"{"prefixes": ["web-"]}"#];
    arguments.extend(GRANTS.iter().flat_map(|grant| ["--grant", grant]));
    arguments.extend(options);
    daemon.reeve(&arguments)
}

/// Defines a simulated domain, or is refused.
fn define(daemon: &Daemon, name: &str) -> anyhow::Result<Run> {
    let document = format!(
        "<domain type='sim'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64'>hvm</type></os><devices/></domain>"
    );
    daemon.reeve_with_input(&["domain", "define", "-"], &document)
}

/// What is in place: version and digest of the component.
fn in_place(daemon: &Daemon) -> anyhow::Result<(String, String)> {
    let shown: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["policy", "show", "naming", "-o", "json"])?.ok())?;
    let text = |key: &str| shown[key].as_str().unwrap_or_default().to_owned();
    Ok((text("version"), text("digest")))
}
