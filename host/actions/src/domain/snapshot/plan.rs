//! What becomes of each disk of a domain, and where its memory goes, when a snapshot is made.

use std::path::{Path, PathBuf};

use reeve_image::Format;
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::domain_disk::DomainDisk;
use reeve_model::snapshot::{CreateSnapshot, Snapshot, SnapshotDisk, SnapshotMemory, SnapshotPlace};
use reeve_model::{Error, ErrorCode};
use reeve_storage::ImageSource;
use serde::{Deserialize, Serialize};

use super::{DiskImage, images};
use crate::domain::shares::refuse_shares;

/// Longest name of a snapshot.
const LONGEST: usize = 255;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// As the document shows it, a disk an entry.
    pub disks: Vec<SnapshotDisk>,
    /// Images that get a snapshot within.
    pub internal: Vec<DiskImage>,
    /// Images that are put on others.
    pub overlays: Vec<Overlay>,
    pub memory: SnapshotMemory,
}

/// A new image on the one that a disk has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overlay {
    pub target: String,
    pub path: PathBuf,
    pub base: PathBuf,
    pub format: Format,
    /// The file is there already.
    pub reuse: bool,
    /// The disk of the definition that has the image too.
    pub before: Option<Disk>,
    /// How many images are below the one that the disk of the machine has.
    pub depth: Option<usize>,
    /// Its length when it was made.
    pub fresh: Option<u64>,
}

impl Overlay {
    /// Makes the image; its length.
    pub fn make(self) -> Result<u64, Error> {
        let Self { path, base, format, reuse, .. } = self;
        let source = ImageSource {
            path: base.clone(),
            format: format.to_string(),
            follow: true,
            locked: false,
            encrypted: false,
        };
        let size = reeve_storage::measure(&source)?.capacity.0;
        images::overlay(&path, (&base, format), size, reuse)
    }

    /// Puts the disk of a definition on this image, or back on what it had before, unless the definition has another image there by now.
    pub fn put(&self, definition: &mut DomainConfig, on: bool) {
        let Some(before) = &self.before else { return };
        let disk = definition.devices.disks.iter_mut().find(|disk| disk.target == self.target);
        let Some(disk) = disk else { return };
        if on && is_same_place(&disk.source, &before.source) {
            *disk = self.on(disk);
        } else if !on && disk.source == self.on(before).source {
            disk.source = before.source.clone();
            disk.driver.format.clone_from(&before.driver.format);
        }
    }

    /// The disk with this image in the place of the one it had.
    pub fn on(&self, disk: &Disk) -> Disk {
        let mut disk = disk.clone();
        disk.source = DiskSource::File { path: Some(self.path.display().to_string()) };
        disk.driver.format = Some("qcow2".to_owned());
        disk
    }
}

/// Whether two sources are one, wherever a volume was found.
fn is_same_place(one: &DiskSource, other: &DiskSource) -> bool {
    match (one, other) {
        (
            DiskSource::Volume { pool, volume, .. },
            DiskSource::Volume { pool: other_pool, volume: other_volume, .. },
        ) => (pool, volume) == (other_pool, other_volume),
        _ => one == other,
    }
}

/// Whether a name can be that of a snapshot: it is part of file names and of paths of the API.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let bad = name.is_empty()
        || name.len() > LONGEST
        || name.starts_with('.')
        || name.chars().any(|c| c == '/' || c.is_control());
    match bad {
        false => Ok(()),
        true => Err(Error::new(
            ErrorCode::Invalid,
            format!(
                "'{}' can't be the name of a snapshot: it has 1 to {LONGEST} bytes, no '/', and does not begin with '.'",
                name.escape_default()
            ),
        )),
    }
}

/// Works out what `given` and the options mean for a domain.
pub(super) fn plan(
    config: &DomainConfig,
    given: &Snapshot,
    name: &str,
    how: CreateSnapshot,
    active: bool,
) -> Result<Plan, Error> {
    let invalid = |message: String| Err(Error::new(ErrorCode::Invalid, message));
    for wanted in &given.disks {
        if !config.devices.disks.iter().any(|disk| DomainDisk::from(disk).is_named(&wanted.name)) {
            let message = format!("domain '{}' has no disk '{}'", config.name, wanted.name);
            return Err(Error::new(ErrorCode::NotFound, message));
        }
    }
    let memory = match (&given.memory, active && !how.disk_only) {
        (SnapshotMemory::External { file }, true) => SnapshotMemory::External { file: file.clone() },
        (SnapshotMemory::External { .. }, false) => {
            return invalid("memory is kept of a running domain only, and not with --disk-only".to_owned());
        }
        (_, true) => SnapshotMemory::Internal,
        (_, false) => SnapshotMemory::None,
    };
    if memory != SnapshotMemory::None {
        refuse_shares(config, "kept with its memory (--disk-only keeps its disks)")?;
    }
    let usual = match active && (how.disk_only || matches!(memory, SnapshotMemory::External { .. })) {
        true => SnapshotPlace::External { file: None, format: None },
        false => SnapshotPlace::Internal,
    };
    let mut plan = Plan { disks: Vec::new(), internal: Vec::new(), overlays: Vec::new(), memory };
    for disk in &config.devices.disks {
        let wanted = given.disks.iter().find(|wanted| DomainDisk::from(disk).is_named(&wanted.name));
        let asked =
            wanted.map(|wanted| wanted.place.clone()).filter(|place| *place != SnapshotPlace::Default);
        let place = match asked.or_else(|| own(disk)) {
            Some(place) => place,
            None if is_left_alone(disk) => SnapshotPlace::No,
            None => usual.clone(),
        };
        let place = plan.add(config, disk, place, name, how.reuse_external)?;
        plan.disks.push(SnapshotDisk { name: disk.target.clone(), place, deleting: false });
    }
    if plan.internal.is_empty() && plan.overlays.is_empty() && plan.memory == SnapshotMemory::None {
        return invalid(format!("nothing of domain '{}' would be in the snapshot", config.name));
    }
    if !plan.internal.is_empty() && !plan.overlays.is_empty() {
        return invalid(
            "a snapshot within some images and with new ones for others could not be gone back to; take one kind for all disks"
                .to_owned(),
        );
    }
    Ok(plan)
}

/// The disk of a configuration that has a name.
pub(super) fn find_disk<'a>(config: &'a DomainConfig, name: &str) -> Option<&'a Disk> {
    config.devices.disks.iter().find(|disk| DomainDisk::from(*disk).is_named(name))
}

/// What the domain's own document says about the disk (guide 20.16.1).
fn own(disk: &Disk) -> Option<SnapshotPlace> {
    let word = disk.common.extra.attributes.iter().find(|(name, _)| name == "snapshot");
    match word.map(|(_, word)| word.as_str()) {
        Some("no") => Some(SnapshotPlace::No),
        Some("internal") => Some(SnapshotPlace::Internal),
        Some("external") => Some(SnapshotPlace::External { file: None, format: None }),
        _ => None,
    }
}

/// A disk that nobody writes is as it was.
fn is_left_alone(disk: &Disk) -> bool {
    disk.readonly || disk.device != "disk" || disk.source.path().is_none()
}

impl Plan {
    /// Adds a disk; its place with all that was left open.
    fn add(
        &mut self,
        config: &DomainConfig,
        disk: &Disk,
        place: SnapshotPlace,
        name: &str,
        reuse: bool,
    ) -> Result<SnapshotPlace, Error> {
        let invalid = |why: String| {
            let message = format!("disk '{}' of domain '{}': {why}", disk.target, config.name);
            Err(Error::new(ErrorCode::Invalid, message))
        };
        let asks = matches!(place, SnapshotPlace::Internal | SnapshotPlace::External { .. });
        if !asks {
            return Ok(place);
        }
        let Some(path) = disk.source.path().map(PathBuf::from) else {
            return invalid("it has no image".to_owned());
        };
        if disk.readonly || disk.shareable {
            return invalid("an image that is not written, or by others too, gets no snapshot".to_owned());
        }
        if disk.encryption.is_some() {
            return invalid("an encrypted image gets no snapshot: copy its volume instead".to_owned());
        }
        let word = disk.driver.format.as_deref().unwrap_or("raw");
        let Ok(format) = word.parse::<Format>() else {
            return invalid(format!("its format '{word}' can't be run"));
        };
        let SnapshotPlace::External { file, format: wanted } = place else {
            if format == Format::Raw {
                return invalid(
                    "a raw image holds no snapshot; take an external one, e.g. with --disk-only, or convert it to qcow2"
                        .to_owned(),
                );
            }
            self.internal.push(DiskImage { target: disk.target.clone(), path });
            return Ok(SnapshotPlace::Internal);
        };
        if wanted.as_deref().is_some_and(|wanted| wanted != "qcow2") {
            return invalid("only a qcow2 image can be put on another one".to_owned());
        }
        let new = match file {
            Some(file) => PathBuf::from(file),
            None => beside(&path, name),
        };
        if let Some(why) = complaint(&new, &path, reuse) {
            return invalid(why);
        }
        if self.overlays.iter().any(|other| other.path == new) {
            return invalid(format!("'{}' is the new image of another disk too", new.display()));
        }
        let place = SnapshotPlace::External {
            file: Some(new.display().to_string()),
            format: Some("qcow2".to_owned()),
        };
        self.overlays.push(Overlay {
            target: disk.target.clone(),
            path: new,
            base: path,
            format,
            reuse,
            before: None,
            depth: None,
            fresh: None,
        });
        Ok(place)
    }
}

/// The name of the snapshot in the place of what follows the last dot.
pub(super) fn beside(base: &Path, name: &str) -> PathBuf {
    let stem = base.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    base.with_file_name(format!("{stem}.{name}"))
}

/// Why a file can't be the image above another one.
fn complaint(new: &Path, base: &Path, reuse: bool) -> Option<String> {
    let shown = new.display();
    if !new.is_absolute() || new.file_name().is_none() {
        return Some(format!("'{shown}' is no absolute path of a file"));
    }
    match (reuse, std::fs::symlink_metadata(new)) {
        (false, Ok(_)) => {
            return Some(format!("'{shown}' is there already; with --reuse-external it is overwritten"));
        }
        (true, Ok(there)) if !there.is_file() => return Some(format!("'{shown}' is no ordinary file")),
        (true, Err(_)) => return Some(format!("'{shown}' is not there to be reused")),
        _ => {}
    }
    let real = |path: &Path| path.parent().and_then(|directory| directory.canonicalize().ok());
    match (real(new), real(base)) {
        (None, _) => Some(format!("the directory of '{shown}' is not there")),
        (Some(above), Some(below)) if below.starts_with(&above) => None,
        _ => Some(format!(
            "an image is found below the directory of the one above it only, and '{}' is not below that of '{shown}'; put the new one beside it",
            base.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_image_has_its_name_from_the_snapshot() {
        let beside = |base: &str| beside(Path::new(base), "clean").display().to_string();
        assert_eq!(beside("/srv/web.img"), "/srv/web.clean");
        assert_eq!(beside("/srv/web.old.qcow2"), "/srv/web.old.clean");
        assert_eq!(beside("/srv/web"), "/srv/web.clean");
    }

    #[test]
    fn names_are_parts_of_paths() {
        for name in ["", ".", "../x", "a/b", "new\nline", &"x".repeat(256)] {
            check_name(name).unwrap_err();
        }
        for name in ["clean", "before & after", "1700000000"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn a_new_image_is_above_or_beside_the_one_it_is_put_on() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("below")).unwrap();
        for name in ["a.img", "there", "below/b.img"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert_eq!(complaint(&at("a.new"), &at("a.img"), false), None);
        assert_eq!(complaint(&at("b.new"), &at("below/b.img"), false), None);
        assert_eq!(complaint(&at("there"), &at("a.img"), true), None);
        for (new, base, reuse, part) in [
            ("there", "a.img", false, "is there already"),
            ("missing", "a.img", true, "not there to be reused"),
            ("below", "a.img", true, "no ordinary file"),
            ("below/new", "a.img", false, "put the new one beside it"),
            ("nowhere/new", "a.img", false, "the directory of"),
        ] {
            let why = complaint(&at(new), &at(base), reuse).unwrap();
            assert!(why.contains(part), "{why}");
        }
        assert!(complaint(Path::new("new"), &at("a.img"), false).is_some());
    }
}
