//! Backing files in directories that the caller allows.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use crate::backing::{BackingError, BackingRequest, BackingResolver};
use crate::error::ImageError;
use crate::file::ImageFile;

/// Finds backing files below directories, each a capability: neither a name nor a symbolic link leads out of them. A relative
/// name is relative to the image that holds it.
#[derive(Debug, Default)]
pub struct Directories(Vec<(PathBuf, Dir)>);

impl Directories {
    /// No directory yet: every backing file is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows the files below `directory`, which absolute names and the names of images call `path`.
    pub fn allow(mut self, path: impl Into<PathBuf>, directory: Dir) -> Self {
        self.0.push((path.into(), directory));
        self
    }

    /// Allows the files below a directory that the caller may open by its path, e.g. one that an operator named.
    pub fn allow_path(self, path: impl Into<PathBuf>, directory: &Path) -> io::Result<Self> {
        Ok(self.allow(path, Dir::open_ambient_dir(directory, cap_std::ambient_authority())?))
    }
}

impl BackingResolver for Directories {
    fn open(&self, request: BackingRequest<'_>) -> Result<ImageFile, BackingError> {
        let named = Path::new(request.image).parent().unwrap_or(Path::new("")).join(request.name);
        let path = lexical(&named);
        for (place, directory) in &self.0 {
            let Ok(inside) = path.strip_prefix(lexical(place)) else { continue };
            let file = open_below(directory, inside, request.write).map_err(|error| {
                // cap-std's word for a path that leads out.
                if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
                    BackingError::Refused(format!("it leads out of '{}'", place.display()))
                } else {
                    error.into()
                }
            })?;
            return ImageFile::new(file, path.display().to_string()).map_err(|error| match error {
                ImageError::Io { source, .. } => source.into(),
                other => BackingError::Refused(other.to_string()),
            });
        }
        Err(BackingError::Refused("it is in no directory that is allowed for backing files".to_owned()))
    }
}

fn open_below(directory: &Dir, inside: &Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Non-blocking, or opening a pipe would wait for its other end. It means nothing for a file.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.read(true).write(write).custom_flags(flags.bits().cast_signed());
    Ok(directory.open_with(inside, &options)?.into_std())
}

/// The path without `.` and without `..` after a name. A `..` that follows a symbolic link may mean another place than it does
/// to the kernel; what is opened is below an allowed directory all the same.
fn lexical(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        let root = tempfile::tempdir().unwrap();
        let pool = root.path().join("pool");
        std::fs::create_dir(&pool).unwrap();
        std::fs::write(root.path().join("secret"), "s").unwrap();
        std::fs::write(pool.join("base"), "b").unwrap();
        std::os::unix::fs::symlink("../secret", pool.join("link")).unwrap();
        std::os::unix::fs::symlink("base", pool.join("good")).unwrap();
        let directory = Dir::open_ambient_dir(&pool, cap_std::ambient_authority()).unwrap();
        let allowed = Directories::new().allow(&pool, directory);
        let image = pool.join("top.qcow2").display().to_string();
        let open = |name: &str| {
            let request = BackingRequest { image: &image, name, write: false };
            allowed.open(request).map(|file| file.name().to_owned()).map_err(|error| error.to_string())
        };
        let base = pool.join("base").display().to_string();
        assert_eq!(open("base"), Ok(base.clone()));
        assert_eq!(open("./x/../base"), Ok(base.clone()));
        assert_eq!(open(&base), Ok(base));
        assert!(open("good").is_ok());
        assert!(open("link").unwrap_err().contains("leads out"), "{:?}", open("link"));
        for outside in ["../secret", "/etc/passwd", "x/../../secret"] {
            assert!(open(outside).unwrap_err().contains("no directory that is allowed"), "{outside}");
        }
        assert!(open("missing").unwrap_err().contains("No such file"));
    }
}
