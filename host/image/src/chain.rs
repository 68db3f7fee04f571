//! A chain as a list: found by who may open files, which takes no more than headers, and opened by who was handed the files.

use crate::backing::{BackingReference, BackingResolver, MAX_CHAIN};
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::image::{Access, Below, Image, open_alone};
use crate::qcow2::Header;

/// The image and every backing file below it, from the top down. Depth is bounded, and a file may be in it once. The format is told, as
/// [`crate::probe`] explains; those of backing files are what the images record.
pub fn chain(
    file: ImageFile,
    format: Format,
    resolver: &dyn BackingResolver,
) -> Result<Vec<(ImageFile, Format)>, ImageError> {
    let mut seen = vec![file.identity()?];
    let mut chain = vec![(file, format)];
    loop {
        let (top, format) = &chain[chain.len() - 1];
        let Some(reference) = reference(top, *format)? else { return Ok(chain) };
        let refused = |reason: String| ImageError::Backing {
            image: top.name().to_owned(),
            backing: reference.name.clone(),
            reason,
        };
        if chain.len() >= MAX_CHAIN {
            return Err(refused(format!("the chain has more than {MAX_CHAIN} images")));
        }
        let (file, format) = reference.resolve(top, resolver, false)?;
        let identity = file.identity()?;
        if seen.contains(&identity) {
            return Err(refused("the chain comes back to an image that is in it already".to_owned()));
        }
        seen.push(identity);
        chain.push((file, format));
    }
}

/// What a file says about its backing file.
fn reference(file: &ImageFile, format: Format) -> Result<Option<BackingReference>, ImageError> {
    match format {
        Format::Raw => Ok(None),
        Format::Qcow2 => Ok(Header::read(file)?.backing),
    }
}

/// Bytes of the disk that an image holds, by its header alone.
pub fn disk_size(file: &ImageFile, format: Format) -> Result<u64, ImageError> {
    match format {
        Format::Raw => file.len(),
        Format::Qcow2 => Ok(Header::read(file)?.size),
    }
}

/// Opens a chain that [`chain`] found, here or in another process. Nothing is opened for writing but the first image.
pub fn open_chain(chain: Vec<(ImageFile, Format)>, access: Access) -> Result<Image, ImageError> {
    let mut opened: Option<Image> = None;
    let top = |number: usize| if number == 0 { access } else { Access::Read };
    for (number, (file, format)) in chain.into_iter().enumerate().rev() {
        let image = open_alone(file, format, top(number))?;
        let below = match (opened.take(), &image.below) {
            (Some(below), Below::Closed) => Below::Open(Box::new(below)),
            (None, Below::Nothing) => Below::Nothing,
            (Some(_), _) => return Err(image.file().damaged("it has no backing file, and one came with it")),
            (None, _) => return Err(image.file().damaged("it has a backing file, and none came with it")),
        };
        opened = Some(Image { below, ..image });
    }
    Ok(opened.expect("a chain has the image itself"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;
    use crate::{CreateOptions, Directories, create};

    fn file(path: &Path) -> ImageFile {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        ImageFile::new(file, path.display().to_string()).unwrap()
    }

    fn overlay(path: &Path, backing: &str, format: Format) {
        let mut options = CreateOptions::new(Format::Qcow2, 1 << 20);
        options.qcow2.backing = Some(BackingReference::new(backing, format));
        create(file(path), &options).unwrap();
    }

    #[test]
    fn a_chain_goes_from_hand_to_hand() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let allowed = Directories::new().allow_path(dir.path(), dir.path()).unwrap();
        std::fs::write(at("base"), vec![7; 1 << 20]).unwrap();
        overlay(&at("middle"), "base", Format::Raw);
        overlay(&at("top"), "middle", Format::Qcow2);
        let found = || chain(file(&at("top")), Format::Qcow2, &allowed).unwrap();
        let formats: Vec<_> = found().iter().map(|(_, format)| *format).collect();
        assert_eq!(formats, [Format::Qcow2, Format::Qcow2, Format::Raw]);

        let handed = found().into_iter().enumerate().map(|(number, (file, format))| {
            (ImageFile::new(file.into_file(), format!("image {number}")).unwrap(), format)
        });
        let mut image = open_chain(handed.collect(), Access::Write).unwrap();
        image.write(&[8; 512], 512).unwrap();
        let mut read = [0; 1024];
        image.read(&mut read, 0).unwrap();
        assert!(read == [[7; 512], [8; 512]].concat()[..]);
        assert_eq!(image.name_at(2), Some("image 2"));
        for (file, format) in found() {
            assert_eq!(disk_size(&file, format).unwrap(), 1 << 20);
        }
        assert_eq!(std::fs::read(at("base")).unwrap(), vec![7; 1 << 20]);

        let cut = found().into_iter().take(2).collect();
        assert!(open_chain(cut, Access::Read).unwrap_err().to_string().contains("none came with it"));
        let mut long = found();
        long.push((file(&at("base")), Format::Raw));
        assert!(open_chain(long, Access::Read).is_err());
    }

    #[test]
    fn loops_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let allowed = Directories::new().allow_path(dir.path(), dir.path()).unwrap();
        overlay(&at("a"), "b", Format::Qcow2);
        overlay(&at("b"), "./a", Format::Qcow2);
        let refused = chain(file(&at("a")), Format::Qcow2, &allowed).unwrap_err().to_string();
        assert!(refused.contains("comes back"), "{refused}");
    }
}
