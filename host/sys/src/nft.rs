//! Packet filter rules of the kernel, through the program nft.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Finished, Run, RunError};

mod fake;

pub use fake::FakeNft;

/// How long nft may take; thousands of rules are a second.
const DEADLINE: Duration = Duration::from_secs(60);

/// Largest listing of a table that is read.
const LARGEST_LISTING: usize = 64 << 20;

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NftFamily {
    /// IPv4 and IPv6 packets.
    Inet,
    /// IPv4 packets.
    Ip,
    /// IPv6 packets.
    Ip6,
    /// ARP packets.
    Arp,
    /// Frames that pass bridges.
    Bridge,
    /// Frames of one link.
    Netdev,
}

impl fmt::Display for NftFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        })
    }
}

/// The kernel's packet filter.
pub trait Nft: Send + Sync {
    /// Applies a script of nft as one transaction: all of it, or nothing.
    fn apply(&self, script: &str) -> Result<(), NftError>;

    /// A table as nft prints it; none when there is no such table.
    fn list_table(&self, family: NftFamily, name: &str) -> Result<Option<String>, NftError>;

    /// True when rules can be set and read here.
    fn available(&self) -> bool;
}

/// Rules could not be set or read.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The rules were refused; the old ones are in place.
    #[error("packet filter rules are refused: {message}")]
    Refused {
        /// The first line of what nft said.
        message: String,
    },
    /// A table could not be read.
    #[error("table '{family} {name}' of the packet filter can't be read: {message}")]
    List {
        /// Its family.
        family: NftFamily,
        /// Its name.
        name: String,
        /// The first line of what nft said.
        message: String,
    },
    /// What was given is not the name of a table.
    #[error("'{0}' can't be the name of a table of the packet filter")]
    Name(String),
    /// nft did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// The program nft, in the network namespace of the calling thread.
#[derive(Debug, Clone)]
pub struct KernelNft {
    program: PathBuf,
}

impl Default for KernelNft {
    /// Where distributions install it.
    fn default() -> Self {
        Self::at("/usr/sbin/nft")
    }
}

impl KernelNft {
    /// Another program that is like nft.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    fn run(&self, args: &[&str], input: &str) -> Result<Finished, RunError> {
        let run = Run {
            path: Path::new(&self.program),
            args: args.iter().map(OsStr::new).collect(),
            input: input.as_bytes(),
            deadline: DEADLINE,
            output_limit: LARGEST_LISTING,
        };
        run.finish()
    }
}

impl Nft for KernelNft {
    fn apply(&self, script: &str) -> Result<(), NftError> {
        let finished = self.run(&["-f", "-"], script)?;
        if finished.succeeded() { Ok(()) } else { Err(NftError::Refused { message: finished.first_line() }) }
    }

    fn list_table(&self, family: NftFamily, name: &str) -> Result<Option<String>, NftError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Err(NftError::Name(name.to_owned()));
        }
        let finished = self.run(&["list", "table", &family.to_string(), name], "")?;
        let message = finished.first_line();
        match finished.succeeded() {
            true => Ok(Some(String::from_utf8_lossy(&finished.stdout).into_owned())),
            false if message.contains("No such file or directory") => Ok(None),
            false => Err(NftError::List { family, name: name.to_owned(), message }),
        }
    }

    fn available(&self) -> bool {
        self.run(&["list", "tables"], "").is_ok_and(|finished| finished.succeeded())
    }
}
