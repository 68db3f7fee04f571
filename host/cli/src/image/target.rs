//! New images: under their name when they are whole, and not before.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_image::{Access, ImageFile};
use reeve_model::{Error, ErrorCode};
use reeve_sys::whole::Whole;

use super::open;

/// The place of a new image.
pub(crate) struct Target {
    path: PathBuf,
    overwrite: bool,
    /// None for a block device, which has its name already.
    whole: Option<Whole>,
}

impl Target {
    /// Starts an image, in a file without a name or on a block device. One that is there is replaced only when that is said and nobody
    /// uses it.
    pub(crate) fn begin(path: &Path, overwrite: bool) -> anyhow::Result<(Self, ImageFile)> {
        let target = |whole| Self { path: path.to_owned(), overwrite, whole };
        let name = path.display().to_string();
        if let Ok(there) = path.metadata() {
            if !overwrite {
                let text = format!("there is '{name}' already");
                let hint = "replace it with --overwrite";
                return Err(Error::new(ErrorCode::AlreadyExists, text).with_hint(hint).into());
            }
            // Locked for as long as it is open: for a device that is until the end.
            let file = open::file(path, Access::Write)?;
            if there.file_type().is_block_device() {
                return Ok((target(None), file));
            }
        }
        let whole = Whole::begin(path).with_context(|| format!("cannot create '{name}'"))?;
        let file = whole.file().try_clone().with_context(|| format!("cannot create '{name}'"))?;
        Ok((target(Some(whole)), ImageFile::new(file, name)?))
    }

    /// Gives it its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Some(whole) = self.whole else { return Ok(()) };
        whole.finish(self.overwrite).with_context(|| format!("cannot create '{}'", self.path.display()))
    }
}
