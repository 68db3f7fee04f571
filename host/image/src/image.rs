//! An open image with its backing chain, read and written as one disk.

use crate::backing::{BackingReference, BackingResolver};
use crate::chain::{chain, open_chain};
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::qcow2::{Entry, Qcow2};
use crate::raw::Raw;

/// What an image is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing; the caller opened the file for both and holds whatever lock keeps others away.
    Write,
}

/// An open image. Its backing files are open for reading.
#[derive(Debug)]
pub struct Image {
    pub(crate) driver: Driver,
    pub(crate) below: Below,
}

#[derive(Debug)]
pub(crate) enum Driver {
    Raw(Raw),
    // Large, and moved about.
    Qcow2(Box<Qcow2>),
}

/// What is behind an image where it has no bytes of its own.
#[derive(Debug)]
pub(crate) enum Below {
    /// Zeros.
    Nothing,
    /// A backing file that was not asked for.
    Closed,
    Open(Box<Image>),
}

/// Where bytes of the disk come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// No image of the chain has them: zeros.
    Nowhere,
    /// A raw image, at this offset.
    Raw(&'a Raw, u64),
    /// A qcow2 image, by this entry.
    Qcow2(&'a Qcow2, Entry),
}

/// A stretch of the disk that one image of the chain has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) length: u64,
    /// How far down the chain: 0 is the image itself.
    pub(crate) depth: usize,
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Raw {}
impl PartialEq for Qcow2 {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Qcow2 {}

/// Opens an image and every backing file below it. The format is told, as [`crate::probe`] explains; those of backing files are what
/// the images record.
pub fn open(
    file: ImageFile,
    format: Format,
    access: Access,
    resolver: &dyn BackingResolver,
) -> Result<Image, ImageError> {
    open_chain(chain(file, format, resolver)?, access)
}

/// Opens an image without its backing file: for everything that looks at this image's own tables. Reading what only the backing file
/// has is an error then.
pub fn open_alone(file: ImageFile, format: Format, access: Access) -> Result<Image, ImageError> {
    let driver = match format {
        Format::Raw => Driver::Raw(Raw::open(file)?),
        Format::Qcow2 => Driver::Qcow2(Box::new(Qcow2::open(file, access == Access::Write)?)),
    };
    let below = match &driver {
        Driver::Qcow2(image) if image.header.backing.is_some() => Below::Closed,
        _ => Below::Nothing,
    };
    Ok(Image { driver, below })
}

impl Image {
    /// Its file.
    pub fn file(&self) -> &ImageFile {
        match &self.driver {
            Driver::Raw(raw) => &raw.file,
            Driver::Qcow2(image) => &image.file,
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        self.file().name()
    }

    /// Its format.
    pub fn format(&self) -> Format {
        match self.driver {
            Driver::Raw(_) => Format::Raw,
            Driver::Qcow2(_) => Format::Qcow2,
        }
    }

    /// Size of the disk in bytes.
    pub fn size(&self) -> u64 {
        match &self.driver {
            Driver::Raw(raw) => raw.size,
            Driver::Qcow2(image) => image.header.size,
        }
    }

    /// The backing file it names.
    pub fn backing(&self) -> Option<&BackingReference> {
        match &self.driver {
            Driver::Raw(_) => None,
            Driver::Qcow2(image) => image.header.backing.as_ref(),
        }
    }

    /// The open image below it.
    pub fn below(&self) -> Option<&Image> {
        match &self.below {
            Below::Open(image) => Some(image),
            Below::Nothing | Below::Closed => None,
        }
    }

    /// The qcow2 image, to do what only qcow2 can.
    pub(crate) fn qcow2(&self, doing: &'static str) -> Result<&Qcow2, ImageError> {
        match &self.driver {
            Driver::Qcow2(image) => Ok(image),
            Driver::Raw(raw) => Err(only_qcow2(raw, doing)),
        }
    }

    pub(crate) fn qcow2_mut(&mut self, doing: &'static str) -> Result<&mut Qcow2, ImageError> {
        match &mut self.driver {
            Driver::Qcow2(image) if !image.writable => {
                Err(image.file.refused(doing, "it is open for reading only"))
            }
            Driver::Qcow2(image) => Ok(image),
            Driver::Raw(raw) => Err(only_qcow2(raw, doing)),
        }
    }

    /// Where the bytes at an offset of the disk come from, and for how many of the `limit` that holds.
    pub(crate) fn locate(&self, offset: u64, limit: u64) -> Result<Located<'_>, ImageError> {
        let mut image = self;
        let mut length = limit;
        let mut depth = 0;
        loop {
            if offset >= image.size() {
                // It is the image above that says so, by being longer.
                let depth = depth.max(1) - 1;
                return Ok(Located { source: Source::Nowhere, length, depth });
            }
            length = length.min(image.size() - offset);
            match &image.driver {
                Driver::Raw(raw) => return Ok(Located { source: Source::Raw(raw, offset), length, depth }),
                Driver::Qcow2(qcow2) => {
                    let run = qcow2.run(offset, length)?;
                    length = run.length;
                    if run.entry != Entry::Unallocated {
                        return Ok(Located { source: Source::Qcow2(qcow2, run.entry), length, depth });
                    }
                }
            }
            match &image.below {
                Below::Open(below) => image = below,
                Below::Nothing => return Ok(Located { source: Source::Nowhere, length, depth }),
                Below::Closed => return Err(image.file().refused("read", "its backing file is not open")),
            }
            depth += 1;
        }
    }

    /// Reads from the disk; behind its end there are zeros.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), ImageError> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let located = self.locate(at, (buffer.len() - done) as u64)?;
            let part = &mut buffer[done..done + located.length as usize];
            match located.source {
                Source::Nowhere => part.fill(0),
                Source::Raw(raw, host) => raw.file.read_padded(part, host)?,
                Source::Qcow2(image, entry) => image.fill(entry, part, at)?,
            }
            done += located.length as usize;
        }
        Ok(())
    }

    /// Writes within the disk.
    pub fn write(&mut self, data: &[u8], offset: u64) -> Result<(), ImageError> {
        self.within(offset, data.len() as u64)?;
        let below = &self.below;
        match &mut self.driver {
            Driver::Raw(raw) => raw.file.write(data, offset),
            Driver::Qcow2(image) if image.writable => {
                image.write(data, offset, &|part: &mut [u8], at| read_below(below, part, at))
            }
            Driver::Qcow2(image) => Err(image.file.refused("written", "it is open for reading only")),
        }
    }

    /// Makes a range within the disk read as zeros, and gives its space back where that can be.
    pub fn zero(&mut self, offset: u64, length: u64) -> Result<(), ImageError> {
        self.within(offset, length)?;
        let below = &self.below;
        match &mut self.driver {
            Driver::Raw(raw) => raw.file.punch(offset, length),
            Driver::Qcow2(image) if image.writable => {
                image.zero(offset, length, &|part: &mut [u8], at| read_below(below, part, at))
            }
            Driver::Qcow2(image) => Err(image.file.refused("written", "it is open for reading only")),
        }
    }

    /// Everything written is on the disk when this returns.
    pub fn sync(&mut self) -> Result<(), ImageError> {
        match &mut self.driver {
            Driver::Raw(raw) => raw.file.sync(),
            Driver::Qcow2(image) => image.sync(),
        }
    }

    /// Whether all that was written is in the file, so that a sync of the file makes it last.
    pub fn is_settled(&self) -> bool {
        match &self.driver {
            Driver::Raw(_) => true,
            Driver::Qcow2(image) => image.is_settled(),
        }
    }

    /// Everything written is in the file when this returns, so that whoever opens it next finds it; with `last` it is on the disk too, or an
    /// error says why not.
    pub fn put_down(&mut self, last: bool) -> Result<(), ImageError> {
        match &mut self.driver {
            Driver::Raw(raw) if last => raw.file.sync(),
            Driver::Raw(_) => Ok(()),
            Driver::Qcow2(image) => image.put_down(last),
        }
    }

    fn within(&self, offset: u64, length: u64) -> Result<(), ImageError> {
        if offset.checked_add(length).is_some_and(|end| end <= self.size()) {
            return Ok(());
        }
        let reason = format!("{length} bytes at {offset} are not within its {} bytes", self.size());
        Err(self.file().refused("written", reason))
    }
}

/// What the image below has; zeros behind its end or without one.
pub(crate) fn read_below(below: &Below, part: &mut [u8], offset: u64) -> Result<(), ImageError> {
    match below {
        Below::Open(image) => image.read(part, offset),
        // An image whose backing file is closed is written only where no byte of that file is needed, see `resize`.
        Below::Nothing | Below::Closed => {
            part.fill(0);
            Ok(())
        }
    }
}

fn only_qcow2(raw: &Raw, doing: &'static str) -> ImageError {
    raw.file.refused(doing, "only qcow2 images can, and it is raw")
}
