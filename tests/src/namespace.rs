//! Network namespaces, so that a test's networks are nobody else's.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::debian::run;

/// A network namespace with nothing in it but a loopback interface; deleted with its value.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A new one. Takes root.
    pub fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reeve-test-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self(name);
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The words that put a program into it, before the program's own.
    pub fn through(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.0].map(str::to_owned).to_vec()
    }

    /// Runs a program inside to its end and gives what it printed.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        ip(&[&["netns", "exec", &self.0], words].concat())
    }

    /// Process ids inside.
    pub fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let pids = ip(&["netns", "pids", &self.0])?;
        Ok(pids.lines().filter_map(|line| line.trim().parse().ok()).collect())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What fails here fails in a test that is over.
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<String> {
    run(Path::new("/"), "ip", arguments)
}
