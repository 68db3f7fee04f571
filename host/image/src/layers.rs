//! What moves data between the images of an open chain, a step at a time, while others read and write the disk in between.
//!
//! ```text
//!   pull     top <─ middle <─ base      what the top lacks goes into it, until it needs no middle
//!   commit   middle ─> base             what the middle has goes into the base, until nobody needs the middle
//!   copy     chain ─> another image     what the disk shows goes elsewhere
//! ```
//!
//! Between any two steps the disk shows the same bytes as before, also to who opens the chain after everybody was killed: what is written
//! below is hidden by who is above, and what is written above is what was seen through it. `bypass` takes the middle out at the end, by one
//! write of a header.

use crate::backing::BackingReference;
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::image::{Access, Below, Driver, Image, Source, open_alone};
use crate::qcow2::Entry;
use crate::raw::Raw;
use crate::zero::is_zero;
use reeve_sys::sparse::Stretch;

/// Most bytes of data that one step moves.
const CHUNK: u64 = 256 << 10;
/// Most bytes of zeros that one step makes.
const ZEROS: u64 = 1 << 30;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where the next one begins; the end of the disk when there is none.
    pub next: u64,
    /// Bytes of data that it moved.
    pub moved: u64,
}

/// What a disk shows from an offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Bytes that are to be read.
    Data,
    /// Zeros.
    Zero,
    /// What is below the image that is written, which has nothing of its own there.
    Below,
}

/// What the bytes from an offset on are, as far as one step looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    length: u64,
    /// How far down the chain the image is that has them.
    depth: usize,
    zero: bool,
}

impl Image {
    /// The image at a depth of the chain, 0 for this one.
    pub fn layer(&self, depth: usize) -> Option<&Image> {
        std::iter::successors(Some(self), |image| image.below()).nth(depth)
    }

    /// The same, to change it.
    pub fn layer_mut(&mut self, depth: usize) -> Option<&mut Image> {
        let mut image = self;
        for _ in 0..depth {
            match &mut image.below {
                Below::Open(below) => image = below,
                Below::Nothing | Below::Closed => return None,
            }
        }
        Some(image)
    }

    /// How many images the chain has, this one included.
    pub fn layers(&self) -> usize {
        std::iter::successors(Some(self), |image| image.below()).count()
    }

    /// Puts what this image lacks and an image above the one at depth `base` has into this image, from an offset on; without a base, all
    /// that it lacks.
    pub fn pull_step(&mut self, offset: u64, base: Option<usize>) -> Result<Step, ImageError> {
        let found = self.find(offset)?;
        let end = found.step(offset, 0);
        let below = found.depth >= base.unwrap_or(usize::MAX);
        let own = found.depth == 0 && !self.lacks(offset)?;
        if below || own {
            return Ok(end);
        }
        if found.zero {
            // Without a base, zeros are what is nowhere.
            let shows = base.and_then(|base| self.layer(base)).map_or(0, Image::size);
            if shows > offset {
                self.zero(offset, found.length.min(shows - offset))?;
            }
            return Ok(end);
        }
        let mut bytes = vec![0; found.length as usize];
        self.read(&mut bytes, offset)?;
        if base.is_some() || !is_zero(&bytes) {
            self.write(&bytes, offset)?;
        }
        Ok(found.step(offset, found.length))
    }

    /// Puts what was read at an offset into this image, as far as it came of an image below and is data.
    pub fn keep(&mut self, data: &[u8], offset: u64) -> Result<(), ImageError> {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let found = self.find(at)?;
            let length = usize::try_from(found.length).unwrap_or(usize::MAX).min(data.len() - done);
            if length == 0 {
                break;
            }
            if found.depth > 0 && !found.zero {
                self.write(&data[done..done + length], at)?;
            }
            done += length;
        }
        Ok(())
    }

    /// Where a commit of the images from depth `top` to the one above `base` ends: what an image above them sees behind their end is zeros,
    /// and the base would show something else there.
    pub fn commit_end(&self, top: usize, base: usize) -> u64 {
        let size = |depth: usize| self.layer(depth).map_or(0, Image::size);
        let seen = top.checked_sub(1).map_or(0, |above| size(above).min(size(base)));
        size(top).max(seen)
    }

    /// Puts what the images from depth `top` to the one above `base` have into the one at depth `base`, from an offset on that is before
    /// [`commit_end`](Self::commit_end). The base is open for writing and as large as they are.
    pub fn commit_step(&mut self, offset: u64, top: usize, base: usize) -> Result<Step, ImageError> {
        let missing = |image: &Self| image.file().refused("committed", "its chain is shorter than that");
        let last = self.commit_end(top, base);
        let Some(upper) = self.layer(top) else { return Err(missing(self)) };
        let found = match offset < upper.size() {
            true => upper.find(offset)?,
            false => Found { length: ZEROS.min(last.saturating_sub(offset)), depth: 0, zero: true },
        };
        if found.depth + top >= base {
            return Ok(found.step(offset, 0));
        }
        let mut bytes = Vec::new();
        if !found.zero {
            bytes.resize(found.length as usize, 0);
            upper.read(&mut bytes, offset)?;
        }
        let Some(lower) = self.layer_mut(base) else { return Err(missing(self)) };
        if found.zero {
            lower.zero(offset, found.length)?
        } else {
            lower.write(&bytes, offset)?
        }
        Ok(found.step(offset, bytes.len() as u64))
    }

    /// What the disk shows from an offset on that is within it, and for how many bytes; with `shallow`, only what this image has itself.
    pub fn shown(&self, offset: u64, shallow: bool) -> Result<(Shown, u64), ImageError> {
        let found = self.find(offset)?;
        let shown = match found {
            _ if shallow && (found.depth > 0 || self.lacks(offset)?) => Shown::Below,
            Found { zero: true, .. } => Shown::Zero,
            Found { zero: false, .. } => Shown::Data,
        };
        Ok((shown, found.length))
    }

    /// True when it has nothing of its own: what is below it shows everywhere.
    pub fn shows_below_alone(&self) -> Result<bool, ImageError> {
        let Driver::Qcow2(image) = &self.driver else { return Ok(false) };
        let (mut offset, size) = (0, self.size());
        while offset < size {
            let run = image.run(offset, size - offset)?;
            if run.entry != Entry::Unallocated {
                return Ok(false);
            }
            offset += run.length.max(1);
        }
        Ok(true)
    }

    /// Puts what the disk shows into another image of at least the same size, from an offset on; with `shallow`, only what this image has
    /// itself. `blank` says that the other one shows zeros where nothing was put yet.
    pub fn copy_step(
        &self,
        offset: u64,
        to: &mut Image,
        shallow: bool,
        blank: bool,
    ) -> Result<Step, ImageError> {
        let found = self.find(offset)?;
        let end = found.step(offset, 0);
        if shallow && (found.depth > 0 || self.lacks(offset)?) {
            return Ok(end);
        }
        let blank = blank && !shallow;
        if found.zero {
            if !blank {
                to.zero(offset, found.length)?;
            }
            return Ok(end);
        }
        let mut bytes = vec![0; found.length as usize];
        self.read(&mut bytes, offset)?;
        if !blank || !is_zero(&bytes) {
            to.write(&bytes, offset)?;
        }
        Ok(found.step(offset, found.length))
    }

    /// Writes into the header of the image at depth `upper` that the one at depth `lower`, or none, is its backing file, and closes those
    /// between. They must be needed no more, and the image be open for writing. The files that were closed.
    pub fn bypass(
        &mut self,
        upper: usize,
        lower: Option<usize>,
        reference: Option<BackingReference>,
    ) -> Result<Vec<ImageFile>, ImageError> {
        let layers = self.layers();
        let valid =
            lower.map_or(reference.is_none(), |lower| lower > upper && lower < layers && reference.is_some());
        let name = self.file().refused("rebased", "its chain is shorter than that");
        let Some(image) = self.layer_mut(upper).filter(|_| valid) else { return Err(name) };
        image.sync()?;
        image.set_backing(reference)?;
        let mut rest = std::mem::replace(&mut image.below, Below::Nothing);
        let mut closed = Vec::new();
        for _ in upper + 1..lower.unwrap_or(layers) {
            let Below::Open(middle) = rest else { break };
            let Image { driver, below } = *middle;
            closed.push(driver.into_file());
            rest = below;
        }
        image.below = rest;
        Ok(closed)
    }

    /// Opens the image of the chain that is in this file again through this descriptor, and gives the one back that it had.
    pub fn reopen(&mut self, file: ImageFile, access: Access) -> Result<ImageFile, ImageError> {
        let wanted = file.identity()?;
        let mut image = self;
        while image.file().identity()? != wanted {
            match &mut image.below {
                Below::Open(below) => image = below,
                Below::Nothing | Below::Closed => {
                    return Err(file.refused("opened", "it is not in the chain of the disk"));
                }
            }
        }
        if !image.is_settled() {
            image.put_down(true)?;
        }
        let Image { driver, .. } = open_alone(file, image.format(), access)?;
        Ok(std::mem::replace(&mut image.driver, driver).into_file())
    }

    /// Becomes the image at a depth of its chain; what was above is closed, and its files come back.
    pub fn descend(&mut self, depth: usize) -> Vec<ImageFile> {
        let mut closed = Vec::new();
        for _ in 0..depth {
            let Below::Open(below) = std::mem::replace(&mut self.below, Below::Nothing) else { break };
            let Image { driver, .. } = std::mem::replace(self, *below);
            closed.push(driver.into_file());
        }
        closed
    }

    /// The bytes from an offset on that are found in one way, as many as one step moves.
    fn find(&self, offset: u64) -> Result<Found, ImageError> {
        let located = self.locate(offset, ZEROS.min(self.size().saturating_sub(offset)))?;
        let (mut length, depth) = (located.length, located.depth);
        let zero = match located.source {
            Source::Nowhere | Source::Qcow2(_, Entry::Unallocated | Entry::Zero { .. }) => true,
            Source::Raw(raw, host) => {
                let Stretch { data, length: stretch } = raw.file.stretch(host, host + length);
                length = length.min(stretch);
                !data
            }
            Source::Qcow2(_, Entry::Data { .. } | Entry::Compressed { .. }) => false,
        };
        Ok(Found { length: if zero { length } else { length.min(CHUNK) }, depth, zero })
    }

    /// True where this image has nothing of its own.
    fn lacks(&self, offset: u64) -> Result<bool, ImageError> {
        match &self.driver {
            Driver::Raw(_) => Ok(false),
            Driver::Qcow2(image) => Ok(image.run(offset, 1)?.entry == Entry::Unallocated),
        }
    }
}

impl Found {
    fn step(self, offset: u64, moved: u64) -> Step {
        Step { next: offset + self.length, moved }
    }
}

impl Driver {
    fn into_file(self) -> ImageFile {
        match self {
            Self::Raw(Raw { file, .. }) => file,
            Self::Qcow2(image) => image.into_file(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::{CreateOptions, Directories, Format, Repair, check, create, open};

    const SIZE: u64 = 4 << 20;
    const CLUSTER: u64 = 64 << 10;

    /// A chain base <- first <- second <- top in a directory: pieces of each, holes, zeros that hide data, and lengths that differ.
    struct Lab {
        dir: tempfile::TempDir,
        expected: Vec<u8>,
    }

    fn file(path: &Path) -> ImageFile {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        ImageFile::new(file, path.display().to_string()).unwrap()
    }

    impl Lab {
        fn new(base_format: Format) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let lab = Self { dir, expected: Vec::new() };
            let mut options = CreateOptions::new(base_format, SIZE + CLUSTER);
            create(file(&lab.at("base")), &options).unwrap();
            options.format = Format::Qcow2;
            let mut below = ("base", base_format);
            // The second is shorter than what is below it: its end reads as zeros.
            for (name, size) in [("first", SIZE), ("second", SIZE - CLUSTER), ("top", SIZE)] {
                options.size = size;
                options.qcow2.backing = Some(BackingReference::new(below.0, below.1));
                create(file(&lab.at(name)), &options).unwrap();
                below = (name, Format::Qcow2);
            }
            let put = |name: &str, format, at: u64, byte: u8, length: u64| {
                let mut image = open(file(&lab.at(name)), format, Access::Write, &lab.allowed()).unwrap();
                match byte {
                    0 => image.zero(at, length).unwrap(),
                    byte => image.write(&vec![byte; length as usize], at).unwrap(),
                }
            };
            put("base", base_format, 0, 1, SIZE + CLUSTER);
            put("first", Format::Qcow2, 3 * CLUSTER + 512, 2, 2 * CLUSTER);
            put("first", Format::Qcow2, 20 * CLUSTER, 0, 4 * CLUSTER);
            put("second", Format::Qcow2, 4 * CLUSTER, 3, CLUSTER);
            put("second", Format::Qcow2, 10 * CLUSTER, 0, 2 * CLUSTER);
            put("top", Format::Qcow2, 30 * CLUSTER + 512, 4, 1024);
            put("top", Format::Qcow2, 10 * CLUSTER, 5, CLUSTER);
            Self { expected: shown(&lab.open(Access::Read)), ..lab }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn allowed(&self) -> Directories {
            Directories::new().allow_path(self.dir.path(), self.dir.path()).unwrap()
        }

        fn open(&self, access: Access) -> Image {
            open(file(&self.at("top")), Format::Qcow2, access, &self.allowed()).unwrap()
        }

        /// Every qcow2 image is whole, and the disk as it was.
        fn judge(&self, names: &[&str], top: (&str, Format)) {
            for name in names {
                let found = check(file(&self.at(name)), Format::Qcow2, Repair::Nothing).unwrap();
                assert!(found.is_clean(), "{name}: {found:?}");
            }
            let image = open(file(&self.at(top.0)), top.1, Access::Read, &self.allowed()).unwrap();
            assert!(shown(&image) == self.expected, "{top:?}");
        }
    }

    fn shown(image: &Image) -> Vec<u8> {
        let mut bytes = vec![0; SIZE as usize];
        image.read(&mut bytes, 0).unwrap();
        bytes
    }

    fn all(size: u64, mut step: impl FnMut(u64) -> Step) {
        let mut at = 0;
        while at < size {
            let Step { next, .. } = step(at);
            assert!(next > at, "{next} after {at}");
            at = next;
        }
    }

    #[test]
    fn a_pull_makes_the_top_need_less_and_show_the_same() {
        for format in [Format::Raw, Format::Qcow2] {
            for (base, name) in [(None, None), (Some(3), Some("base")), (Some(2), Some("first"))] {
                let lab = Lab::new(format);
                let mut image = lab.open(Access::Write);
                all(SIZE, |at| {
                    let next = image.pull_step(at, base).unwrap();
                    assert!(shown(&image) == lab.expected, "at {at}");
                    next
                });
                let format = image.layer(base.unwrap_or(0)).unwrap().format();
                let reference = name.map(|name| BackingReference::new(name, format));
                let closed = image.bypass(0, base, reference).unwrap();
                assert_eq!(closed.len(), base.unwrap_or(4) - 1);
                assert!(shown(&image) == lab.expected, "{base:?}");
                drop(image);
                lab.judge(&["first", "second", "top"], ("top", Format::Qcow2));
            }
        }
    }

    #[test]
    fn a_commit_makes_the_middle_useless() {
        for format in [Format::Raw, Format::Qcow2] {
            for (top, base) in [(1, 3), (2, 3), (1, 2)] {
                let lab = Lab::new(format);
                let mut image = lab.open(Access::Write);
                let names = ["top", "second", "first", "base"];
                for depth in [base, top - 1].into_iter().filter(|depth| *depth > 0) {
                    image.reopen(file(&lab.at(names[depth])), Access::Write).unwrap();
                }
                all(image.commit_end(top, base), |at| {
                    let next = image.commit_step(at, top, base).unwrap();
                    assert!(shown(&image) == lab.expected, "{top} into {base} at {at}");
                    next
                });
                let reference = BackingReference::new(names[base], image.layer(base).unwrap().format());
                image.bypass(top - 1, Some(base), Some(reference)).unwrap();
                assert!(shown(&image) == lab.expected, "{top} into {base}");
                drop(image);
                lab.judge(&["first", "second", "top"], ("top", Format::Qcow2));
            }
        }
    }

    #[test]
    fn the_active_image_goes_into_a_base_that_becomes_the_disk() {
        for format in [Format::Raw, Format::Qcow2] {
            let lab = Lab::new(format);
            let mut image = lab.open(Access::Write);
            image.reopen(file(&lab.at("base")), Access::Write).unwrap();
            all(SIZE, |at| {
                let next = image.commit_step(at, 0, 3).unwrap();
                assert!(shown(&image) == lab.expected);
                next
            });
            assert_eq!(image.descend(3).len(), 3);
            assert!(shown(&image) == lab.expected);
            drop(image);
            lab.judge(&["first", "second", "top"], ("base", format));
        }
    }

    #[test]
    fn a_copy_shows_the_same_alone_or_above_the_same_backing_file() {
        for (shallow, format) in [(false, Format::Raw), (false, Format::Qcow2), (true, Format::Qcow2)] {
            for blank in [true, false] {
                let lab = Lab::new(Format::Raw);
                let image = lab.open(Access::Read);
                let mut options = CreateOptions::new(format, SIZE);
                options.qcow2.backing = shallow.then(|| BackingReference::new("second", Format::Qcow2));
                create(file(&lab.at("copy")), &options).unwrap();
                let mut copy = open(file(&lab.at("copy")), format, Access::Write, &lab.allowed()).unwrap();
                if !blank {
                    copy.write(&[9; 4096], if shallow { 10 * CLUSTER } else { 50 * CLUSTER }).unwrap();
                }
                all(SIZE, |at| image.copy_step(at, &mut copy, shallow, blank).unwrap());
                assert!(shown(&copy) == lab.expected, "{shallow} {format} {blank}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_told_and_an_image_of_nothing_is_known() {
        let lab = Lab::new(Format::Raw);
        let image = lab.open(Access::Read);
        for shallow in [false, true] {
            let mut offset = 0;
            while offset < SIZE {
                let (shown, length) = image.shown(offset, shallow).unwrap();
                let range = offset as usize..(offset + length) as usize;
                match shown {
                    Shown::Zero => assert!(is_zero(&lab.expected[range])),
                    Shown::Below => assert!(shallow && image.lacks(offset).unwrap()),
                    Shown::Data => assert!(length <= CHUNK && (!shallow || !image.lacks(offset).unwrap())),
                }
                offset += length;
            }
            assert_eq!(offset, SIZE);
        }
        assert!(!image.shows_below_alone().unwrap());
        let mut options = CreateOptions::new(Format::Qcow2, SIZE);
        options.qcow2.backing = Some(BackingReference::new("top", Format::Qcow2));
        create(file(&lab.at("fresh")), &options).unwrap();
        let mut fresh = open_alone(file(&lab.at("fresh")), Format::Qcow2, Access::Write).unwrap();
        assert!(fresh.shows_below_alone().unwrap());
        fresh.zero(7 * CLUSTER, CLUSTER).unwrap();
        assert!(!fresh.shows_below_alone().unwrap(), "zeros hide what is below");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let lab = Lab::new(Format::Raw);
        let mut image = lab.open(Access::Write);
        let reference = || Some(BackingReference::new("base", Format::Raw));
        assert!(image.bypass(0, Some(4), reference()).is_err());
        assert!(image.bypass(2, Some(2), reference()).is_err());
        assert!(image.bypass(0, None, reference()).is_err());
        assert!(image.commit_step(0, 1, 9).is_err());
        assert!(image.reopen(file(&lab.at("other")), Access::Write).is_err());
        assert!(image.layer(3).is_some() && image.layer(4).is_none() && image.layers() == 4);
        lab.judge(&["first", "second", "top"], ("top", Format::Qcow2));
    }
}
