//! Disks that go along with a guest: which at the source, and where they go at the destination.
//!
//! ```text
//!   source        choose ── CopiedDisk{target, size, backing} ──> PrepareMigration
//!   destination   check: every place is free, or has the same size and nobody has it
//!                 make: a file a disk (`made_file.rs`); removed when the guest never ran here
//! ```
//! The content goes over the guest's own stream (`reeve_migrate`), and is written by the worker that has the files locked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use reeve_image::{
    Access, BackingReference, BackingRequest, BackingResolver as _, CreateOptions, Directories, Format,
    Image, ImageFile, create, open_alone,
};
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::migration::{CopiedBacking, CopiedDisk, CopyStorage, Migrate};
use reeve_model::{Error, ErrorCode};
use reeve_sys::open::{self, ImageAccess, Sharing};
use reeve_sys::whole;

use super::made_file::MadeFile;

/// For reading, whoever writes it.
pub(super) const LOOK: ImageAccess =
    ImageAccess { readonly: true, direct: false, sharing: Sharing::Later, follow: true };
/// Nobody else has it.
pub(super) const ALONE: ImageAccess =
    ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: true };

/// The disks of a running domain that go along, as they are now.
pub(super) fn choose(config: &DomainConfig, request: &Migrate) -> Result<Vec<CopiedDisk>, Error> {
    let Some(how) = request.copy_storage else {
        if request.migrate_disks.is_empty() {
            return Ok(Vec::new());
        }
        let message = "disks are named that go along, and not how";
        return Err(Error::new(ErrorCode::Invalid, message)
            .with_hint("give --copy-storage-all, or --copy-storage-inc, with --migrate-disks"));
    };
    let disks = &config.devices.disks;
    for target in &request.migrate_disks {
        let disk = disks.iter().find(|disk| disk.target == *target);
        let disk = disk.ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("domain '{}' has no disk '{target}'", config.name))
        })?;
        movable(disk).map_err(|why| refused(disk, ErrorCode::Unsupported, &why))?;
    }
    let is_chosen = |disk: &&Disk| match request.migrate_disks.as_slice() {
        [] => !stays(disk),
        named => named.contains(&disk.target),
    };
    disks.iter().filter(is_chosen).map(|disk| describe(disk, how)).collect()
}

/// What is never written, or shared by more guests, does not go along.
fn stays(disk: &Disk) -> bool {
    disk.readonly || disk.shareable || disk.device != "disk" || disk.source.is_empty()
}

fn movable(disk: &Disk) -> Result<(), String> {
    if stays(disk) {
        return Err("it is read-only, shared by guests, or no disk with a medium".to_owned());
    }
    if disk.encryption.is_some() {
        return Err("it is encrypted: its container would have to be made at the destination".to_owned());
    }
    if disk.source.path().is_none() {
        return Err(format!("its source of type '{}' has no path", disk.source.kind()));
    }
    Ok(())
}

fn refused(disk: &Disk, code: ErrorCode, why: &str) -> Error {
    Error::new(code, format!("disk '{}' can't go along with its guest: {why}", disk.target))
}

pub(super) fn format_of(disk: &Disk) -> Result<Format, Error> {
    let format = disk.driver.format.as_deref().unwrap_or("raw").parse::<Format>();
    format.map_err(|unknown| refused(disk, ErrorCode::Unsupported, &unknown.to_string()))
}

fn describe(disk: &Disk, how: CopyStorage) -> Result<CopiedDisk, Error> {
    movable(disk).map_err(|why| refused(disk, ErrorCode::Unsupported, &why))?;
    let path = disk.source.path().unwrap_or_default();
    let image = look(disk, Path::new(path), format_of(disk)?)?;
    let backing = image.backing().filter(|_| how == CopyStorage::Incremental);
    let backing = backing.map(|backing| match &backing.format {
        Some(format) => Ok(CopiedBacking { name: backing.name.clone(), format: format.clone() }),
        None => Err(refused(
            disk,
            ErrorCode::Unsupported,
            "its image does not say the format of its backing file",
        )),
    });
    Ok(CopiedDisk { target: disk.target.clone(), size: image.size(), backing: backing.transpose()? })
}

/// What an image says of itself, whoever has it.
fn look(disk: &Disk, path: &Path, format: Format) -> Result<Image, Error> {
    let failed =
        |cause: String| refused(disk, ErrorCode::Internal, &format!("'{}': {cause}", path.display()));
    let fd = open::image(path, LOOK).map_err(|error| failed(error.to_string()))?;
    ImageFile::new(File::from(fd), path.display().to_string())
        .and_then(|file| open_alone(file, format, Access::Read))
        .map_err(|error| {
            refused(disk, ErrorCode::Invalid, &Error::caused(ErrorCode::Invalid, &error).message)
        })
}

/// A disk that comes, and where it goes.
struct Coming<'a> {
    disk: &'a Disk,
    copied: &'a CopiedDisk,
    path: &'a Path,
    format: Format,
}

impl<'a> Coming<'a> {
    fn find(config: &'a DomainConfig, copied: &'a CopiedDisk) -> Result<Self, Error> {
        let disk = config.devices.disks.iter().find(|disk| disk.target == copied.target);
        let disk = disk.ok_or_else(|| {
            let message = format!("the document of domain '{}' has no disk '{}'", config.name, copied.target);
            Error::new(ErrorCode::Invalid, message)
        })?;
        movable(disk).map_err(|why| refused(disk, ErrorCode::Unsupported, &why))?;
        let path = Path::new(disk.source.path().unwrap_or_default());
        let coming = Self { disk, copied, path, format: format_of(disk)? };
        if !path.is_absolute() {
            return Err(coming.refused(ErrorCode::Invalid, "its path is not absolute"));
        }
        if copied.backing.is_some() && coming.format != Format::Qcow2 {
            return Err(coming.refused(ErrorCode::Invalid, "only a qcow2 image has a backing file"));
        }
        Ok(coming)
    }

    fn refused(&self, code: ErrorCode, why: &str) -> Error {
        let (target, path) = (&self.disk.target, self.path.display());
        Error::new(code, format!("disk '{target}' can't come to '{path}': {why}"))
    }

    /// Whether its file is there already; an error where it can't be taken for the disk.
    fn is_there(&self) -> Result<bool, Error> {
        let metadata = match std::fs::metadata(self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.can_be_made().map(|()| false);
            }
            Err(error) => return Err(self.refused(ErrorCode::Internal, &error.to_string())),
        };
        let fits = match &self.disk.source {
            DiskSource::File { .. } => metadata.is_file(),
            DiskSource::Block { .. } => metadata.file_type().is_block_device(),
            DiskSource::Volume { .. } | DiskSource::Other { .. } => true,
        };
        if !fits {
            let why = format!("what is there is not of the type '{}'", self.disk.source.kind());
            return Err(self.refused(ErrorCode::Invalid, &why));
        }
        // Its lock goes with this descriptor: the worker's is another.
        let alone = open::image(self.path, ALONE).map_err(|error| match error {
            open::ImageError::InUse => {
                let hint = "where both hosts have the same storage, its disks do not go along";
                self.refused(ErrorCode::Busy, "it is in use").with_hint(hint)
            }
            other => self.refused(ErrorCode::Internal, &other.to_string()),
        })?;
        let image = ImageFile::new(File::from(alone), self.path.display().to_string())
            .and_then(|file| open_alone(file, self.format, Access::Read))
            .map_err(|error| self.in_the_way(&Error::caused(ErrorCode::Invalid, &error).message))?;
        if image.size() != self.copied.size {
            let why =
                format!("what is there has {} bytes, and the disk has {}", image.size(), self.copied.size);
            return Err(self.in_the_way(&why));
        }
        if let Some(backing) = &self.copied.backing {
            let empty = image.shows_below_alone();
            let empty = empty.map_err(|error| self.in_the_way(&error.to_string()))?;
            if image.backing().is_none() || !empty {
                return Err(
                    self.in_the_way(&format!("what is there is no empty image on '{}'", backing.name))
                );
            }
        }
        Ok(true)
    }

    fn in_the_way(&self, why: &str) -> Error {
        let hint = "remove it, or give a document with another file for the disk (--xml)";
        self.refused(ErrorCode::AlreadyExists, why).with_hint(hint)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether a file can be made for it.
    fn can_be_made(&self) -> Result<(), Error> {
        match &self.disk.source {
            DiskSource::File { .. } => {}
            other => {
                let why = format!("there is nothing of type '{}', and only files are made", other.kind());
                return Err(self.refused(ErrorCode::NotFound, &why));
            }
        }
        if !self.directory().is_dir() {
            return Err(self.refused(ErrorCode::NotFound, "its directory is not there"));
        }
        if let Some(backing) = &self.copied.backing {
            let missing = |error: &dyn std::fmt::Display| {
                let why = format!("its backing file '{}' is not at the destination: {error}", backing.name);
                self.refused(ErrorCode::NotFound, &why)
                    .with_hint("copy it there first, or send all of the disk with --copy-storage-all")
            };
            let directories = Directories::new();
            let directories = directories.allow_path(self.directory(), self.directory());
            let directories = directories.map_err(|error| missing(&error))?;
            let name = self.path.display().to_string();
            let request = BackingRequest { image: &name, name: &backing.name, write: false };
            directories.open(request).map_err(|error| missing(&error))?;
        }
        Ok(())
    }

    /// Makes its image at a path that is not its own yet.
    fn make(&self, unfinished: &Path) -> Result<MadeFile, Error> {
        let failed = |cause: String| self.refused(ErrorCode::Internal, &cause);
        let mut options = CreateOptions::new(self.format, self.copied.size);
        options.qcow2.backing = self.copied.backing.as_ref().map(|backing| BackingReference {
            name: backing.name.clone(),
            format: Some(backing.format.clone()),
        });
        let file = MadeFile::begin(unfinished).map_err(|error| failed(error.to_string()))?;
        let made = MadeFile::of(&file).map_err(|error| failed(error.to_string()))?;
        let image = file.try_clone().map_err(|error| failed(error.to_string()))?;
        ImageFile::new(image, self.path.display().to_string())
            .and_then(|image| create(image, &options))
            .map_err(|error| failed(Error::caused(ErrorCode::Internal, &error).message))?;
        file.sync_all().map_err(|error| failed(error.to_string()))?;
        Ok(made)
    }

    /// Gives the image that was made its name, which nobody else took meanwhile.
    fn keep(&self, unfinished: &Path) -> Result<(), Error> {
        whole::rename_new(unfinished, self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.in_the_way("somebody else put a file there meanwhile"),
            _ => self.refused(ErrorCode::Internal, &error.to_string()),
        })?;
        // A crash of this host must not lose it once the source has given its guest up.
        let kept = File::open(self.directory()).and_then(|directory| directory.sync_all());
        kept.map_err(|error| self.refused(ErrorCode::Internal, &error.to_string()))
    }
}

/// Paths of the files that have to be made for these disks; an error where one can't come.
pub(super) fn check(config: &DomainConfig, disks: &[CopiedDisk]) -> Result<Vec<PathBuf>, Error> {
    let mut missing: Vec<PathBuf> = Vec::new();
    for copied in disks {
        let coming = Coming::find(config, copied)?;
        if !coming.is_there()? {
            if missing.iter().any(|path| path == coming.path) {
                return Err(coming.refused(ErrorCode::Invalid, "another disk comes there too"));
            }
            missing.push(coming.path.to_owned());
        }
    }
    Ok(missing)
}

/// Makes the image for a path that [`check`] found missing, beside it.
pub(super) fn make(
    config: &DomainConfig,
    disks: &[CopiedDisk],
    path: &Path,
    unfinished: &Path,
) -> Result<MadeFile, Error> {
    coming_to(config, disks, path)?.make(unfinished)
}

/// Gives the image that was made its name.
pub(super) fn keep(
    config: &DomainConfig,
    disks: &[CopiedDisk],
    path: &Path,
    unfinished: &Path,
) -> Result<(), Error> {
    coming_to(config, disks, path)?.keep(unfinished)
}

fn coming_to<'a>(
    config: &'a DomainConfig,
    disks: &'a [CopiedDisk],
    path: &Path,
) -> Result<Coming<'a>, Error> {
    for copied in disks {
        let coming = Coming::find(config, copied)?;
        if coming.path == path {
            return Ok(coming);
        }
    }
    let message = format!("no disk of domain '{}' comes to '{}' any more", config.name, path.display());
    Err(Error::new(ErrorCode::Internal, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(disks: &str) -> DomainConfig {
        let xml = format!(
            "<domain type='kvm'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>\
             <devices>{disks}</devices></domain>"
        );
        crate::document::parse(&xml, false).unwrap().config
    }

    fn disk(target: &str, path: &Path, more: &str) -> String {
        format!(
            "<disk type='file'><driver type='qcow2'/><source file='{}'/><target dev='{target}' bus='virtio'/>{more}</disk>",
            path.display()
        )
    }

    fn image(path: &Path, format: Format, size: u64, backing: Option<&str>) {
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        let mut options = CreateOptions::new(format, size);
        options.qcow2.backing = backing.map(|name| BackingReference::new(name, Format::Raw));
        create(ImageFile::new(file, "image").unwrap(), &options).unwrap();
    }

    fn copied(size: u64, backing: Option<&str>) -> CopiedDisk {
        let backing = backing.map(|name| CopiedBacking { name: name.to_owned(), format: "raw".to_owned() });
        CopiedDisk { target: "vda".to_owned(), size, backing }
    }

    #[test]
    fn disks_that_are_never_written_stay_and_others_are_described() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        image(&at("base"), Format::Raw, 1 << 20, None);
        image(&at("disk"), Format::Qcow2, 1 << 20, Some("base"));
        let config = domain(
            &[
                disk("vda", &at("disk"), ""),
                disk("vdb", &at("disk"), "<readonly/>"),
                disk("vdc", &at("disk"), "<shareable/>"),
            ]
            .concat(),
        );
        let chosen = |how, named: &[&str]| {
            let migrate_disks = named.iter().map(|name| (*name).to_owned()).collect();
            choose(&config, &Migrate { copy_storage: how, migrate_disks, ..Migrate::default() })
        };
        assert_eq!(chosen(None, &[]).unwrap(), []);
        assert_eq!(chosen(Some(CopyStorage::All), &[]).unwrap(), [copied(1 << 20, None)]);
        let incremental = Some(CopyStorage::Incremental);
        assert_eq!(chosen(incremental, &["vda"]).unwrap(), [copied(1 << 20, Some("base"))]);
        assert_eq!(chosen(incremental, &["vdx"]).unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(chosen(incremental, &["vdb"]).unwrap_err().code, ErrorCode::Unsupported);
        assert_eq!(chosen(None, &["vda"]).unwrap_err().code, ErrorCode::Invalid);
    }

    #[test]
    fn a_place_is_free_or_has_what_fits_and_what_is_made_is_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let config = |name: &str| domain(&disk("vda", &at(name), ""));
        let code = |name: &str, copied: &CopiedDisk| {
            check(&config(name), std::slice::from_ref(copied)).unwrap_err().code
        };
        let (all, upper) = (copied(1 << 20, None), copied(1 << 20, Some("base")));
        assert_eq!(check(&config("new"), std::slice::from_ref(&all)).unwrap(), [at("new")]);
        assert_eq!(code("new", &upper), ErrorCode::NotFound, "without its backing file");
        assert_eq!(code("nowhere/new", &all), ErrorCode::NotFound);
        image(&at("base"), Format::Raw, 1 << 20, None);
        assert_eq!(check(&config("new"), std::slice::from_ref(&upper)).unwrap(), [at("new")]);
        let put = |part: &str| {
            let (config, upper) = (config("new"), std::slice::from_ref(&upper));
            let made = make(&config, upper, &at("new"), &at(part))?;
            keep(&config, upper, &at("new"), &at(part)).map(|()| made)
        };
        let new = put("part").unwrap();
        assert_eq!(put("part").unwrap_err().code, ErrorCode::AlreadyExists, "it is there");
        std::fs::remove_file(at("part")).unwrap();
        assert!(check(&config("new"), std::slice::from_ref(&upper)).unwrap().is_empty());
        let made = look(&config("new").devices.disks[0], &at("new"), Format::Qcow2).unwrap();
        assert_eq!((made.size(), made.backing().unwrap().name.as_str()), (1 << 20, "base"));
        // Somebody has it.
        let locked = open::image(&at("new"), ALONE).unwrap();
        assert_eq!(code("new", &upper), ErrorCode::Busy);
        drop(locked);
        assert_eq!(code("new", &copied(2 << 20, Some("base"))), ErrorCode::AlreadyExists, "another size");
        image(&at("alone"), Format::Qcow2, 1 << 20, None);
        assert_eq!(code("alone", &upper), ErrorCode::AlreadyExists, "no backing file");
        std::fs::write(at("text"), "somebody's").unwrap();
        assert_eq!(code("text", &all), ErrorCode::AlreadyExists);
        assert_eq!(code(".", &all), ErrorCode::Invalid, "a directory");
        let twice = domain(&[disk("vda", &at("x"), ""), disk("vdb", &at("x"), "")].concat());
        let both = [all.clone(), CopiedDisk { target: "vdb".to_owned(), ..all.clone() }];
        assert_eq!(check(&twice, &both).unwrap_err().code, ErrorCode::Invalid);
        assert_eq!(check(&domain(""), &both).unwrap_err().code, ErrorCode::Invalid);
        let taken = open::image(&at("new"), ALONE).unwrap();
        new.remove(&at("new"));
        assert!(at("new").exists(), "another has it by now");
        drop(taken);
        new.remove(&at("new"));
        new.remove(&at("new"));
        assert!(!at("new").exists() && at("base").exists());
    }
}
