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

use reeve_image::{Access, Content, Directories, Format, ImageFile, open_alone};
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
    /// The disk, by the name that it has there.
    target: String,
    path: PathBuf,
    promise: Promise,
}

/// What a snapshot says of the image of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// It is what it was then.
    Image,
    /// What was then is within it.
    Within,
    /// Nothing.
    Nothing,
}

/// Who needs an image to be what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// A snapshot of the domain.
    Snapshot(String),
    /// Somebody else, by kind and name.
    Other(String),
}

/// The images of a domain and its snapshots.
#[derive(Debug, Default)]
pub(super) struct Chains {
    layers: BTreeMap<PathBuf, Layer>,
    needs: Vec<Need>,
    /// Images that were made for snapshots: nobody but them has a reason to keep one.
    made: BTreeSet<PathBuf>,
    /// Images that others have, and who.
    foreign: BTreeMap<PathBuf, String>,
    /// Those of them that images of others are put on.
    lent: BTreeMap<PathBuf, String>,
    /// Images that were made for snapshots, and that no disk has any more.
    detached: BTreeSet<PathBuf>,
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
            let owner = format!("domain '{}'", config.name);
            for (path, format) in config.devices.disks.iter().filter_map(image) {
                let path = real(&path);
                // One that can't be read is on nothing that is known.
                let images = chain(&path, format).unwrap_or_else(|_| vec![(path, format)]);
                chains.belong_to(&owner, images);
            }
        }
        // All disks: since a snapshot one may have got another name, or its images another disk.
        for disk in now.iter().flat_map(|config| &config.devices.disks) {
            chains.add(disk, None)?;
        }
        let wanted: BTreeSet<&str> = kept.iter().flat_map(|kept| kept.snapshot.external_disks()).collect();
        let is_wanted = |disk: &Disk| wanted.iter().any(|name| DomainDisk::from(disk).is_named(name));
        for Kept { snapshot, .. } in kept {
            // What it goes back to may be on other images than the machine was.
            let configs = snapshot.domain.iter().chain(&snapshot.inactive);
            for disk in configs.flat_map(|config| &config.devices.disks) {
                match chains.add(disk, Some(snapshot)) {
                    // No snapshot is about it, and it is on nothing that is known.
                    Err(_) if !is_wanted(disk) => {}
                    added => added?,
                }
            }
            chains.made.extend(snapshot.made_images().map(|file| real(Path::new(file))));
        }
        Ok(chains)
    }

    /// Reads also images that no disk has: those that were made for snapshots and are there still, and overlays of storage pools, each with what
    /// it is called. Whoever writes or removes an image asks for them; they keep nothing that a domain has left.
    pub fn find_unused(&mut self, overlays: Vec<(PathBuf, String)>) -> Result<(), Error> {
        for path in self.made.clone() {
            // What is no image was not made for one, whatever a document says.
            if self.layers.contains_key(&path) || !path.exists() || !is_qcow2(&path)? {
                continue;
            }
            let images = chain(&path, Format::Qcow2)?;
            let new = images.iter().map(|(image, _)| image).filter(|image| !self.layers.contains_key(*image));
            let new: Vec<PathBuf> = new.cloned().collect();
            self.detached.extend(new);
            self.insert(&images);
        }
        for (path, owner) in overlays {
            let path = real(&path);
            // What a domain has is known, and not by what its guest wrote there.
            if self.layers.contains_key(&path) || self.foreign.contains_key(&path) {
                continue;
            }
            // One that is gone or can't be read is on nothing that is known.
            if let Ok(images) = chain(&path, Format::Qcow2) {
                self.belong_to(&owner, images);
            }
        }
        Ok(())
    }

    /// Notes that somebody has an image, with all below it.
    fn belong_to(&mut self, owner: &str, images: Vec<(PathBuf, Format)>) {
        for (depth, (image, _)) in images.into_iter().enumerate() {
            if depth > 0 {
                self.lent.entry(image.clone()).or_insert_with(|| owner.to_owned());
            }
            self.foreign.entry(image).or_insert_with(|| owner.to_owned());
        }
    }

    /// Adds the images of a disk, of a snapshot or of now. One that is not there has nothing below it.
    fn add(&mut self, disk: &Disk, snapshot: Option<&Snapshot>) -> Result<(), Error> {
        let Some((path, format)) = image(disk) else { return Ok(()) };
        let path = real(&path);
        self.needs.push(Need {
            snapshot: snapshot.map(|snapshot| snapshot.name.clone()),
            target: disk.target.clone(),
            path: path.clone(),
            promise: snapshot.map_or(Promise::Image, |snapshot| promise(snapshot, disk)),
        });
        if !path.exists() {
            return Ok(());
        }
        let images = match format {
            // Nothing is below it; and the drive may have no medium that could be read.
            Format::Raw => vec![(path, format)],
            Format::Qcow2 => chain(&path, format)?,
        };
        self.insert(&images);
        Ok(())
    }

    /// Notes images that are put on each other, the upper ones first.
    fn insert(&mut self, images: &[(PathBuf, Format)]) {
        for (number, (image, format)) in images.iter().enumerate() {
            let below = images.get(number + 1).map(|(below, _)| below.clone());
            // Who has an image as bytes does not know what is below it.
            if below.is_some() || !self.layers.contains_key(image) {
                self.layers.insert(image.clone(), Layer { format: *format, below });
            }
        }
    }

    /// An image and all that are known to be below it.
    fn down<'a>(&'a self, image: &'a PathBuf) -> impl Iterator<Item = &'a PathBuf> {
        let below = move |image: &&'a PathBuf| self.layers.get(*image).and_then(|layer| layer.below.as_ref());
        // No chain has more than all images.
        std::iter::successors(Some(image), below).take(self.layers.len() + 1)
    }

    /// The disk that has an image now, itself or below others, by the name it has now.
    fn target(&self, image: &Path) -> Option<&str> {
        let mut now = self.needs.iter().filter(|need| need.snapshot.is_none());
        let has = now.find(|need| self.down(&need.path).any(|below| below.as_path() == image));
        has.map(|need| need.target.as_str())
    }

    /// An image of a disk that can't be written or go, and for whom: when those from depth `top` to `base` become one, what is put on the
    /// first shows the same, and nothing else does.
    pub fn held_between(&self, images: &[PathBuf], top: usize, base: usize) -> Option<(PathBuf, Holder)> {
        let range = images.get(top..=base)?;
        let snapshots = self.needs.iter().filter(|need| need.promise != Promise::Nothing);
        for need in snapshots {
            let Some(snapshot) = &need.snapshot else { continue };
            let mut upper: Option<&PathBuf> = None;
            for image in self.down(&need.path) {
                if !range.contains(image) {
                    upper = Some(image);
                    continue;
                }
                let stays = match upper {
                    // What is within an image stays there when others are merged into it.
                    None => need.promise == Promise::Within && *image == images[base],
                    Some(upper) => top > 0 && *upper == images[top - 1] && *image == images[top],
                };
                if !stays {
                    return Some((image.clone(), Holder::Snapshot(snapshot.clone())));
                }
                break;
            }
        }
        let (base, gone) = range.split_last()?;
        let mut foreign = gone.iter().filter_map(|image| Some((image, self.foreign.get(image)?)));
        // Who has the lowest as its disk is kept from it by locks, and sees whole disks before and after.
        let (image, owner) = foreign.next().or_else(|| Some((base, self.lent.get(base)?)))?;
        Some((image.clone(), Holder::Other(owner.clone())))
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
        let mut above = self.above(&base);
        if own.is_some() {
            // What nobody has stands in nobody's way where the image is written, or stays.
            above.retain(|image| !self.detached.contains(image));
        }
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
                format!("{other} has the image '{shown}' too, or one that is put on it"),
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
            // A machine knows it by the name of now.
            target: self.target(&top).unwrap_or(target).to_owned(),
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
        let need =
            |path: PathBuf| Need { snapshot: None, target: String::new(), path, promise: Promise::Image };
        let bases = bases.iter().map(|base| need(real(base)));
        self.needs.extend(bases);
        // Nor does anything go that somebody has put an image of their own on.
        let foreign = self.layers.keys().filter(|image| !self.is_made(image));
        let foreign = foreign.map(|path| need(path.clone())).collect::<Vec<_>>();
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

/// What a snapshot says of the image that a disk had.
fn promise(snapshot: &Snapshot, disk: &Disk) -> Promise {
    let shown = DomainDisk::from(disk);
    if snapshot.external_disks().any(|name| shown.is_named(name)) {
        Promise::Image
    } else if snapshot.internal_disks().any(|name| shown.is_named(name)) {
        Promise::Within
    } else {
        Promise::Nothing
    }
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

/// Whether a file looks like an image that others can be below.
fn is_qcow2(path: &Path) -> Result<bool, Error> {
    let file = look(path).map_err(|error| Error::caused(ErrorCode::Internal, &error))?;
    let file = ImageFile::new(file, path.display().to_string());
    let found = file.and_then(|file| reeve_image::probe(&file));
    let found = found.map_err(|error| Error::caused(ErrorCode::Internal, &error))?;
    Ok(found.content == Content::Qcow2)
}

/// A file for reading that nobody locks.
fn look(path: &Path) -> Result<File, io::Error> {
    let how = ImageAccess { readonly: true, direct: false, sharing: Sharing::Later, follow: true };
    open::image(path, how).map(File::from).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

#[cfg(test)]
mod tests;
