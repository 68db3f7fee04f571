//! Cache modes on a command line.

use clap::ValueEnum;
use reeve_image::Cache;

/// When what is written is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Past the host's page cache; on the disk at the end
    None,
    /// By the page cache; on the disk at the end
    #[default]
    Writeback,
    /// By the page cache; on the disk before a write is done
    Writethrough,
    /// Past the page cache; on the disk before a write is done
    Directsync,
    /// By the page cache; on the disk whenever the host likes: faster, and lost when it stops soon after
    Unsafe,
}

impl From<Mode> for Cache {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::None => Self::None,
            Mode::Writeback => Self::Writeback,
            Mode::Writethrough => Self::Writethrough,
            Mode::Directsync => Self::Directsync,
            Mode::Unsafe => Self::Unsafe,
        }
    }
}

/// Cache modes of an image and of what is below it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caches {
    pub image: Cache,
    pub below: Cache,
}

impl Caches {
    /// One mode for all.
    pub(crate) fn all(mode: Mode) -> Self {
        Self { image: mode.into(), below: mode.into() }
    }
}
