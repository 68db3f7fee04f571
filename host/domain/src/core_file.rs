//! The file of a dumped domain: beside its place first, in its place when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use time::OffsetDateTime;
use uuid::Uuid;

/// Why a core can't be written.
#[derive(Debug, thiserror::Error)]
pub enum CoreFileError {
    /// The kernel refused something.
    #[error("core '{path}' can't be {what}")]
    Io {
        /// Where it is to be.
        path: String,
        /// What was tried, e.g. `made`.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is something else at its place.
    #[error("core '{0}' can't be made: there is something that is no file")]
    NoFile(String),
}

/// A core that is being written.
#[derive(Debug)]
pub struct CoreFile {
    file: File,
    path: PathBuf,
    token: Uuid,
}

/// Where a core is until it is whole.
fn beside(path: &Path, token: Uuid) -> PathBuf {
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    // Names are 255 bytes at most, and the UUID alone makes this one unique.
    let short: String = own.chars().take(32).collect();
    path.with_file_name(format!(".{short}.dumping-{token}"))
}

/// Where the core of a domain goes that nobody asked for: its name and the time.
pub(crate) fn automatic(directory: &Path, domain: &str) -> PathBuf {
    let now = OffsetDateTime::now_utc();
    let (date, time) = (now.date(), now.time());
    let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let name: String =
        domain.chars().map(|letter| if plain(letter) { letter } else { '_' }).take(64).collect();
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = time.as_hms();
    let year = date.year();
    let name = format!("{name}-{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
    // A guest that crashes twice within a second has two cores.
    let others = (2u64..).map(|number| format!("{name}-{number}.core"));
    let mut names = std::iter::once(format!("{name}.core")).chain(others).map(|name| directory.join(name));
    names.find(|path| fs::symlink_metadata(path).is_err()).expect("numbers do not end")
}

/// Removes what a dump left that did not end; no error when there is nothing.
pub fn remove_unfinished_core(path: &Path, token: Uuid) -> Result<(), CoreFileError> {
    let hidden = beside(path, token);
    match fs::remove_file(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&hidden, "removed")(error)),
        _ => Ok(()),
    }
}

impl CoreFile {
    /// Begins a file that shall be at `path` one day. Only its owner reads it: it has all that the guest knew.
    pub fn begin(path: &Path, token: Uuid) -> Result<Self, CoreFileError> {
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(CoreFileError::NoFile(path.display().to_string()));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(beside(path, token)).map_err(failed(path, "made"))?;
        Ok(Self { file, path: path.to_owned(), token })
    }

    /// Where the driver writes, past the page cache where that is wanted.
    pub fn data(&self, bypass_cache: bool) -> Result<File, CoreFileError> {
        let what = match bypass_cache {
            true => "opened so that it bypasses the page cache; its file system may not be able to",
            false => "opened again",
        };
        let mut flags = OFlags::RDWR | OFlags::CLOEXEC;
        flags.set(OFlags::DIRECT, bypass_cache);
        let again = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let opened = rustix::fs::open(again, flags, Mode::empty()).map_err(io::Error::from);
        Ok(File::from(opened.map_err(failed(&self.path, what))?))
    }

    /// Everything is written: it gets its name.
    pub fn finish(self) -> Result<(), CoreFileError> {
        let finished = self.try_finish();
        if finished.is_err() {
            self.discard();
        }
        finished
    }

    fn try_finish(&self) -> Result<(), CoreFileError> {
        let written = failed(&self.path, "written");
        self.file.sync_all().map_err(&written)?;
        fs::rename(beside(&self.path, self.token), &self.path).map_err(&written)?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or(Path::new("."))).map_err(&written)?;
        directory.sync_all().map_err(&written)
    }

    /// It is not wanted any more.
    pub fn discard(&self) {
        if let Err(error) = remove_unfinished_core(&self.path, self.token) {
            tracing::warn!(%error, "an unfinished core is left");
        }
    }
}

fn failed(path: &Path, what: &'static str) -> impl Fn(io::Error) -> CoreFileError {
    let path = path.display().to_string();
    move |source| CoreFileError::Io { path: path.clone(), what, source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_core_has_its_name_when_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("web.core");
        let core = CoreFile::begin(&path, Uuid::from_u128(1)).unwrap();
        core.data(false).unwrap().write_all(b"memory").unwrap();
        assert!(!path.exists());
        core.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"memory");
        CoreFile::begin(&path, Uuid::from_u128(2)).unwrap().discard();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        remove_unfinished_core(&path, Uuid::from_u128(3)).unwrap();
        let error = CoreFile::begin(place.path(), Uuid::from_u128(4)).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");
        let error = CoreFile::begin(&place.path().join("none/core"), Uuid::from_u128(5)).unwrap_err();
        assert!(error.to_string().ends_with("can't be made"), "{error}");
    }

    #[test]
    fn a_core_nobody_asked_for_is_named_by_domain_and_time() {
        let path = automatic(Path::new("/dumps"), "a/b c");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(path.parent() == Some(Path::new("/dumps")) && name.starts_with("a_b_c-20"), "{name}");
        assert_eq!(name.len(), "a_b_c-20260101T000000Z.core".len());
        let place = tempfile::tempdir().unwrap();
        for number in 1..=3 {
            File::create(automatic(place.path(), "web")).unwrap();
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), number, "none replaces another");
        }
    }
}
