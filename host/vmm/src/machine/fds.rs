//! The descriptors that came with a configuration.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use crate::config::FdIndex;

/// A descriptor can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FdError {
    /// The index is past the end of the list.
    #[error("descriptor {index} is used by the configuration, but only {count} came with it")]
    Missing {
        /// Index in the configuration.
        index: u32,
        /// How many came.
        count: usize,
    },
    /// The process has no room for a copy of it.
    #[error("descriptor {index} can't be used: {source}")]
    Copy {
        /// Index in the configuration.
        index: u32,
        /// Reason.
        source: io::Error,
    },
}

/// The descriptors that came with a message.
#[derive(Debug, Default)]
pub struct FdTable(Vec<OwnedFd>);

impl FdTable {
    /// Descriptors in the order they came.
    pub fn new(fds: Vec<OwnedFd>) -> Self {
        Self(fds)
    }

    /// A copy of a descriptor.
    pub fn get(&self, index: FdIndex) -> Result<OwnedFd, FdError> {
        let missing = FdError::Missing { index: index.0, count: self.0.len() };
        let fd = self.0.get(index.0 as usize).ok_or(missing)?;
        fd.try_clone().map_err(|source| FdError::Copy { index: index.0, source })
    }

    /// A copy of a descriptor of a file or device.
    pub fn file(&self, index: FdIndex) -> Result<File, FdError> {
        self.get(index).map(File::from)
    }
}
