//! What can go wrong with links.

use std::fmt;
use std::io;

use super::LinkName;

/// Something could not be done with a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not there.
    #[error("network interface '{name}' is not there")]
    Missing {
        /// Its name.
        name: LinkName,
    },
    /// A link of its name is there already.
    #[error("network interface '{name}' is there already")]
    Exists {
        /// Its name.
        name: LinkName,
    },
    /// This kernel was built without it.
    #[error("network interface '{name}' can't be had: this kernel has no {what}")]
    Unsupported {
        /// Its name.
        name: LinkName,
        /// What it has not.
        what: &'static str,
    },
    /// The kernel refused.
    #[error("network interface '{name}' can't be {step}")]
    Refused {
        /// Its name.
        name: LinkName,
        /// What was to be done.
        step: String,
        /// Why not.
        source: KernelError,
    },
    /// A route was refused that names no link.
    #[error("route to {route} can't be {step}")]
    Route {
        /// Where it goes to.
        route: String,
        /// What was to be done.
        step: &'static str,
        /// Why not.
        source: KernelError,
    },
    /// The kernel could not be asked.
    #[error("the kernel's {what} can't be read")]
    Read {
        /// What of it.
        what: &'static str,
        /// Why not.
        source: KernelError,
    },
}

/// What the kernel said.
#[derive(Debug)]
pub struct KernelError {
    /// Its number for it.
    pub errno: io::Error,
    /// Its words; older kernels and most refusals have none.
    pub text: Option<String>,
}

impl KernelError {
    /// True when this is what the kernel said.
    pub fn is(&self, errno: rustix::io::Errno) -> bool {
        self.errno.raw_os_error() == Some(errno.raw_os_error())
    }
}

impl From<io::Error> for KernelError {
    fn from(errno: io::Error) -> Self {
        Self { errno, text: None }
    }
}

impl From<rustix::io::Errno> for KernelError {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{text} ({})", self.errno),
            None => self.errno.fmt(f),
        }
    }
}

impl std::error::Error for KernelError {}
