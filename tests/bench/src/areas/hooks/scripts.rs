//! The peers: hook scripts as libvirt runs them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// The name rule alone, without a parser, which flatters the shell.
const SH: &str = r#"document=$(cat)
name=${document#*<name>}
name=${name%%</name>*}
case "$name" in
    web-*|db-*) exit 0 ;;
    *) echo "the name '$name' must begin with one of: web-, db-" >&2; exit 1 ;;
esac
"#;

/// Looks at an event and has nothing to do; without a process of its own, which flatters the shell.
const SH_EVENT: &str = r#"read -r event
case "$event" in
    *started*) exit 0 ;;
    *) echo "not an event: $event" >&2; exit 1 ;;
esac
"#;

/// Name rule and open settings, with the parser of the standard library.
const PYTHON: &str = r#"import sys
import xml.etree.ElementTree as tree

domain = tree.fromstring(sys.stdin.read())
name = domain.findtext("name", "")
if not name.startswith(("web-", "db-")):
    sys.exit(f"the name '{name}' must begin with one of: web-, db-")
open_disks = [
    disk for disk in domain.iterfind("devices/disk")
    if disk.get("device", "disk") == "disk" and disk.find("readonly") is None
    and disk.find("source") is not None and (disk.find("driver") is None or disk.find("driver").get("cache") is None)
]
has_balloon = domain.find("devices/memballoon") is not None
has_rng = domain.find("devices/rng") is not None
sys.exit(0 if not open_disks and has_balloon and has_rng else 2)
"#;

/// An interpreter and its script.
pub struct Script {
    interpreter: &'static str,
    file: NamedTempFile,
}

impl Script {
    /// The shell hook.
    pub fn sh() -> Result<Self> {
        Self::new("/bin/sh", SH)
    }

    /// A shell hook that is told events.
    pub fn sh_event() -> Result<Self> {
        Self::new("/bin/sh", SH_EVENT)
    }

    /// The Python hook, with Debian's interpreter: one found by a search path may be a version manager's shell wrapper.
    pub fn python3() -> Result<Self> {
        Self::new("/usr/bin/python3", PYTHON)
    }

    fn new(interpreter: &'static str, text: &str) -> Result<Self> {
        let mut file = NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(Self { interpreter, file })
    }

    /// How long one call takes: a process, the document on its standard input, its exit status.
    #[allow(clippy::disallowed_methods, reason = "starting a process is what is measured")]
    pub fn run(&self, document: &str) -> Result<Duration> {
        let before = Instant::now();
        let mut child = Command::new(self.interpreter)
            .arg(self.file.path())
            .args(["web-07", "prepare", "begin", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.interpreter))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(document.as_bytes())?;
        }
        let status = child.wait()?;
        let time = before.elapsed();
        ensure!(status.success(), "the {} hook must allow: {status}", self.interpreter);
        Ok(time)
    }
}
