//! Which image is put on which, and who needs them: what external snapshots of a domain come to on the disk.
//!
//! ```text
//!   web.img <─ web.first <─ web.second     first has web.img, second has web.first, the domain goes on in web.second
//!          └── web.1700000000              what the domain went on in after it went back to first
//! ```
//! The image of a snapshot is the one that its disk had; what is put on it came later. To delete the snapshot, the one image that is put on
//! its own goes into it. An image that several are put on can't take any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use reeve_image::{Access, Directories, Format, ImageFile, open_alone};
use reeve_model::domain::{Disk, DomainConfig};
use reeve_model::domain_disk::DomainDisk;
use reeve_model::snapshot::Snapshot;
use reeve_model::{Error, ErrorCode};
use reeve_sys::open::{self, ImageAccess, Sharing};
use serde::{Deserialize, Serialize};

use super::Kept;
use super::plan::find_disk;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    format: Format,
    /// The one that it is put on.
    below: Option<PathBuf>,
}

/// Somebody whose disk is an image, with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    /// The snapshot; none is what the domain has now.
    snapshot: Option<String>,
    path: PathBuf,
}

/// The images of a domain and its snapshots.
#[derive(Debug, Default)]
pub(super) struct Chains {
    layers: BTreeMap<PathBuf, Layer>,
    needs: Vec<Need>,
    /// Images that were made for snapshots: nobody but them has a reason to keep one.
    made: BTreeSet<PathBuf>,
    /// Images that other domains have, and which.
    foreign: BTreeMap<PathBuf, String>,
    /// Images that went into others.
    merged: BTreeMap<PathBuf, PathBuf>,
}

/// What is done with images when a snapshot is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    /// What an image has goes into the one it is put on.
    Merge(Merge),
    /// Whoever was on the upper image is on the lower one.
    Settle(Merge),
    /// Nobody needs an image any more.
    Remove(PathBuf),
}

/// An image, and the one that it is put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merge {
    pub target: String,
    pub top: PathBuf,
    pub base: PathBuf,
    pub base_format: Format,
    /// Images that are put on the upper one.
    pub above: Vec<PathBuf>,
}

impl Chains {
    /// Reads the chains that a domain has now, in these configurations, those of its snapshots, and those of other domains.
    pub fn find(now: &[DomainConfig], others: &[DomainConfig], kept: &[Kept]) -> Result<Self, Error> {
        let mut chains = Self::default();
        for config in others {
            for (path, format) in config.devices.disks.iter().filter_map(image) {
                let path = real(&path);
                // One that can't be read is on nothing that is known.
                let images = chain(&path, format).unwrap_or_else(|_| vec![(path, format)]);
                chains.foreign.extend(images.into_iter().map(|(image, _)| (image, config.name.clone())));
            }
        }
        let wanted: BTreeSet<&str> = kept.iter().flat_map(|kept| kept.snapshot.external_disks()).collect();
        let is_wanted = |disk: &&Disk| wanted.iter().any(|name| DomainDisk::from(*disk).is_named(name));
        for config in now {
            for disk in config.devices.disks.iter().filter(is_wanted) {
                chains.add(disk, None)?;
            }
        }
        for Kept { snapshot, .. } in kept {
            // What it goes back to may be on other images than the machine was.
            let configs = snapshot.domain.iter().chain(&snapshot.inactive);
            let disks = configs.flat_map(|config| &config.devices.disks);
            for disk in disks.filter(is_wanted) {
                chains.add(disk, Some(&snapshot.name))?;
            }
            chains.made.extend(snapshot.made_images().map(|file| real(Path::new(file))));
        }
        Ok(chains)
    }

    /// Adds the images of a disk. One that is not there has nothing below it.
    fn add(&mut self, disk: &Disk, snapshot: Option<&str>) -> Result<(), Error> {
        let Some((path, format)) = image(disk) else { return Ok(()) };
        let path = real(&path);
        self.needs.push(Need { snapshot: snapshot.map(str::to_owned), path: path.clone() });
        let images = match chain(&path, format) {
            Err(_) if !path.exists() => return Ok(()),
            images => images?,
        };
        for (number, (image, format)) in images.iter().enumerate() {
            let below = images.get(number + 1).map(|(below, _)| below.clone());
            self.layers.insert(image.clone(), Layer { format: *format, below });
        }
        Ok(())
    }

    /// What has to be done with images so that a snapshot is gone, and how it is here afterwards.
    pub fn delete(&mut self, snapshot: &Snapshot) -> Result<Vec<Work>, Error> {
        let name = &snapshot.name;
        self.needs.retain(|need| need.snapshot.as_ref() != Some(name));
        let mut work = Vec::new();
        for target in snapshot.external_disks() {
            let mut base = real(&image_of(name, snapshot.domain.as_ref(), target)?);
            while let Some(into) = self.merged.get(&base) {
                base.clone_from(into);
            }
            work.extend(self.release(name, target, base)?);
        }
        Ok(work)
    }

    /// The same of one image of a snapshot, which nobody needs for the snapshot any more.
    fn release(&mut self, name: &str, target: &str, base: PathBuf) -> Result<Vec<Work>, Error> {
        let shown = base.display();
        let refused = |why: String, hint: &str| {
            let message = format!("snapshot '{name}' can't be deleted: disk '{target}': {why}");
            Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
        };
        let own = self.needs.iter().find(|need| need.path == base);
        let above = self.above(&base);
        let top = match (above.as_slice(), own) {
            ([], Some(_)) => return Ok(Vec::new()),
            ([], None) => {
                let goes = self.is_made(&base) && !self.foreign.contains_key(&base) && base.exists();
                return Ok(match goes {
                    true => {
                        self.layers.remove(&base);
                        vec![Work::Remove(base)]
                    }
                    false => Vec::new(),
                });
            }
            (_, Some(Need { snapshot: Some(other), .. })) => {
                return refused(
                    format!("snapshot '{other}' has the image '{shown}' too"),
                    "delete that one first",
                );
            }
            (_, Some(_)) => {
                return refused(
                    format!("the domain writes to '{shown}', which other images are put on"),
                    "go back to a snapshot, so that the domain has an image of its own again",
                );
            }
            ([top], None) => top.clone(),
            (several, None) => {
                let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
                return refused(
                    format!(
                        "'{}' are put on its image '{shown}', which can take one only",
                        names.join("' and '")
                    ),
                    "delete the snapshots that come from it first, or all at once with --children",
                );
            }
        };
        if let Some(other) = self.foreign.get(&base).or_else(|| self.foreign.get(&top)) {
            return refused(
                format!("domain '{other}' has the image '{shown}' too, or one that is put on it"),
                "give that one an image of its own first, e.g. with 'reeve image convert'",
            );
        }
        let held = within(&top, self.layers[&top].format)?;
        if let Some(held) = held.first() {
            return refused(
                format!("'{}' has the snapshot '{held}' within, which would be lost", top.display()),
                "delete that one first",
            );
        }
        let merge = Merge {
            target: target.to_owned(),
            above: self.above(&top),
            base_format: self.layers[&base].format,
            top: top.clone(),
            base: base.clone(),
        };
        self.layers.remove(&top);
        self.merged.insert(top.clone(), base.clone());
        for layer in self.layers.values_mut().filter(|layer| layer.below.as_ref() == Some(&top)) {
            layer.below = Some(base.clone());
        }
        self.needs.iter_mut().filter(|need| need.path == top).for_each(|need| need.path.clone_from(&base));
        Ok(vec![Work::Merge(merge.clone()), Work::Settle(merge), Work::Remove(top)])
    }

    /// Images that nobody needs once the domain goes on in others, which are put on these.
    pub fn left_by(mut self, bases: &[PathBuf]) -> Vec<PathBuf> {
        self.needs.retain(|need| need.snapshot.is_some());
        let bases = bases.iter().map(|base| Need { snapshot: None, path: real(base) });
        self.needs.extend(bases);
        // Nor does anything go that somebody has put an image of their own on.
        let foreign = self.layers.keys().filter(|image| !self.is_made(image));
        let foreign = foreign.map(|path| Need { snapshot: None, path: path.clone() }).collect::<Vec<_>>();
        self.needs.extend(foreign);
        let mut needed = BTreeSet::new();
        for Need { path, .. } in &self.needs {
            let mut next = Some(path);
            // A chain that was read has an end.
            while let Some(path) = next.filter(|path| needed.insert((*path).clone())) {
                next = self.layers.get(path).and_then(|layer| layer.below.as_ref());
            }
        }
        let is_left = |image: &&PathBuf| !needed.contains(*image) && !self.foreign.contains_key(*image);
        self.layers.keys().filter(is_left).cloned().collect()
    }

    /// Whether an image was made for a snapshot. One that was there before stays, and what somebody wrote into a document does not make a
    /// file one: what was made is put on another image.
    fn is_made(&self, image: &Path) -> bool {
        self.made.contains(image) && self.layers.get(image).is_some_and(|layer| layer.below.is_some())
    }

    /// Images that are put on one.
    fn above(&self, base: &Path) -> Vec<PathBuf> {
        let above = self.layers.iter().filter(|(_, layer)| layer.below.as_deref() == Some(base));
        above.map(|(path, _)| path.clone()).collect()
    }
}

/// The image of a disk at the time of a snapshot, of what the domain was then, with its volumes found.
pub(super) fn image_of(snapshot: &str, then: Option<&DomainConfig>, disk: &str) -> Result<PathBuf, Error> {
    let found = then.and_then(|config| find_disk(config, disk));
    let path = found.and_then(|disk| disk.source.path()).map(PathBuf::from);
    path.ok_or_else(|| {
        let message = format!(
            "snapshot '{snapshot}' does not say which image disk '{disk}' had; what is kept of it is not whole"
        );
        Error::new(ErrorCode::WrongState, message)
            .with_hint("what is kept of it goes with 'reeve domain snapshot-delete --metadata'")
    })
}

/// The image of a disk, if it has one.
pub(super) fn image(disk: &Disk) -> Option<(PathBuf, Format)> {
    let format = disk.driver.format.as_deref().unwrap_or("raw").parse().ok()?;
    Some((PathBuf::from(disk.source.path()?), format))
}

/// The path that others may call by another name.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// An image and all below it, by the headers.
pub(super) fn chain(path: &Path, format: Format) -> Result<Vec<(PathBuf, Format)>, Error> {
    let unreadable = |error: &dyn std::error::Error| {
        Error::new(ErrorCode::Internal, format!("the images of '{}' can't be found: {error}", path.display()))
    };
    let file = look(path).map_err(|error| unreadable(&error))?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let directories = Directories::new().allow_path(directory, directory);
    let directories = directories.map_err(|error| unreadable(&error))?;
    let chain = ImageFile::new(file, path.display().to_string())
        .and_then(|file| reeve_image::chain(file, format, &directories))
        .map_err(|error| unreadable(&error))?;
    Ok(chain.into_iter().map(|(file, format)| (real(Path::new(file.name())), format)).collect())
}

/// Names of the snapshots within an image.
fn within(path: &Path, format: Format) -> Result<Vec<String>, Error> {
    if format == Format::Raw {
        return Ok(Vec::new());
    }
    let failed = |error: &dyn std::error::Error| Error::caused(ErrorCode::Internal, error);
    let file = look(path).map_err(|error| failed(&error))?;
    let image = ImageFile::new(file, path.display().to_string())
        .and_then(|file| open_alone(file, format, Access::Read))
        .map_err(|error| failed(&error))?;
    let snapshots = image.snapshots().map_err(|error| failed(&error))?;
    Ok(snapshots.into_iter().map(|snapshot| snapshot.name).collect())
}

/// A file for reading that nobody locks.
fn look(path: &Path) -> Result<File, io::Error> {
    let how = ImageAccess { readonly: true, direct: false, sharing: Sharing::Later, follow: true };
    open::image(path, how).map(File::from).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

#[cfg(test)]
mod tests {
    use reeve_image::{BackingReference, CreateOptions, create};

    use super::*;
    use crate::document::parse_snapshot;

    /// Images in a directory, each with the one it is put on.
    struct Lab {
        dir: tempfile::TempDir,
        kept: Vec<Kept>,
    }

    impl Lab {
        fn new(images: &[(&str, Option<&str>)]) -> Self {
            let lab = Self { dir: tempfile::tempdir().unwrap(), kept: Vec::new() };
            for (name, below) in images {
                let mut options = CreateOptions::new(Format::Qcow2, 1 << 20);
                options.qcow2.backing = below.map(|below| BackingReference::new(below, Format::Qcow2));
                let made =
                    File::options().read(true).write(true).create_new(true).open(lab.at(name)).unwrap();
                create(ImageFile::new(made, lab.at(name).display().to_string()).unwrap(), &options).unwrap();
            }
            lab
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn domain(&self, image: &str) -> String {
            format!(
                "<domain type='kvm'><name>web</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
                 <memory>65536</memory><os><type>hvm</type></os><devices><disk><driver type='qcow2'/>
                 <source file='{}'/><target dev='vda'/></disk></devices></domain>",
                self.at(image).display()
            )
        }

        /// A snapshot that had one image, and for which another was made.
        fn snapshot(&mut self, name: &str, had: &str, made: &str) {
            let xml = format!(
                "<domainsnapshot><name>{name}</name><creationTime>7</creationTime><disks>
                 <disk name='vda' snapshot='external'><source file='{}'/></disk></disks>{}</domainsnapshot>",
                self.at(made).display(),
                self.domain(had)
            );
            let snapshot = parse_snapshot(&xml, false).unwrap();
            self.kept.push(Kept { snapshot, memory: None, current: false });
        }

        fn chains(&self, now: &str) -> Chains {
            let now = crate::document::parse(&self.domain(now), false).unwrap().config;
            Chains::find(&[now], &[], &self.kept).unwrap()
        }

        fn delete(&self, chains: &mut Chains, name: &str) -> Result<Vec<String>, String> {
            let kept = self.kept.iter().find(|kept| kept.name() == name).unwrap();
            let short = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            let work = chains.delete(&kept.snapshot).map_err(|error| error.message)?;
            let said = work.iter().map(|work| match work {
                Work::Merge(merge) => format!("{} into {}", short(&merge.top), short(&merge.base)),
                Work::Settle(merge) => format!("above {}", merge.above.len()),
                Work::Remove(path) => format!("remove {}", short(path)),
            });
            Ok(said.collect())
        }
    }

    #[test]
    fn what_is_put_on_the_image_of_a_snapshot_goes_into_it() {
        let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("second", Some("first"))]);
        lab.snapshot("one", "base", "first");
        lab.snapshot("two", "first", "second");
        let mut chains = lab.chains("second");
        assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 1", "remove first"]);
        // What was deleted first is considered.
        assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["second into base", "above 0", "remove second"]);
        let mut chains = lab.chains("second");
        assert_eq!(
            lab.delete(&mut chains, "two").unwrap(),
            ["second into first", "above 0", "remove second"]
        );
        assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 0", "remove first"]);
    }

    #[test]
    fn a_branch_that_nobody_is_on_goes_and_one_that_is_needed_stays() {
        let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("back", Some("base"))]);
        lab.snapshot("one", "base", "first");
        lab.snapshot("two", "first", "second");
        let mut chains = lab.chains("back");
        let refused = lab.delete(&mut chains, "one").unwrap_err();
        assert!(refused.contains("back' and '") && refused.contains("can take one only"), "{refused}");
        let mut chains = lab.chains("back");
        assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["remove first"]);
        assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["back into base", "above 0", "remove back"]);
        let other = crate::document::parse(&lab.domain("back"), false).unwrap().config;
        let mut chains = Chains::find(&[], &[other], &lab.kept).unwrap();
        let refused = lab.delete(&mut chains, "one").unwrap_err();
        assert!(refused.contains("domain 'web' has the image"), "{refused}");
        // A domain that was put on the image by hand.
        let refused = lab.delete(&mut lab.chains("base"), "one").unwrap_err();
        assert!(refused.contains("the domain writes to"), "{refused}");
    }

    #[test]
    fn what_was_written_since_is_left_and_what_others_need_is_not() {
        let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("second", Some("first"))]);
        lab.snapshot("one", "base", "first");
        let left = |lab: &Lab, now: &str, base: &str| {
            let left = lab.chains(now).left_by(&[lab.at(base)]);
            left.iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(left(&lab, "first", "base"), ["first"]);
        // Somebody made the second one: it is not the host's, nor can it do without the first.
        assert!(left(&lab, "second", "base").is_empty());
        lab.snapshot("two", "first", "second");
        assert_eq!(left(&lab, "second", "base"), ["second"]);
        assert_eq!(left(&lab, "second", "first"), ["second"]);
    }
}
