//! Network namespaces, so that a test's networks are nobody else's.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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

    /// Does something on a thread inside. Sockets that are opened there stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let path = format!("/run/netns/{}", self.0);
        let namespace = File::open(&path).with_context(|| path.clone())?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), kind).with_context(|| path.clone())?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
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
