//! A new volume with the content of another: the same bytes where that will do, else the same disk in an image that is made anew.

use std::fs::File;

use reeve_image::{Access, ConvertOptions, Format, ImageFile, ResizeOptions};
use reeve_model::storage::{Preallocation, VolumeConfig};
use uuid::Uuid;

use super::{Active, Storage};
use crate::files::image::{self, or_full};
use crate::pool::{Content, Volume};
use crate::probe::{LUKS, RAW};
use crate::{Progress, StorageError, content, probe};

/// The volume that is copied.
struct Template<'a> {
    active: &'a Active,
    volume: Volume,
    file: File,
}

impl Storage {
    /// Makes a volume with the content of another, of the same pool or not. It gets the capacity and, in pools of files, the format of that
    /// one where it names none. An overlay of the same pool stays one unless it has to be converted.
    pub fn create_from(
        &self,
        pool: Uuid,
        config: &VolumeConfig,
        template: (Uuid, &str),
        progress: &Progress,
    ) -> Result<Volume, StorageError> {
        let (active, source) = (self.active(pool)?, self.active(template.0)?);
        let subject = active.subject(&config.name);
        let _held = active.hold(&config.name, true)?;
        let _read = source.hold(template.1, false)?;
        let from = source.volumes.look(template.1)?;
        if let Some(fault) = &from.fault {
            return Err(StorageError::conflict(source.subject(&from.name), fault));
        }
        let capacity = config.capacity.unwrap_or(from.capacity);
        if capacity < from.capacity {
            let reason =
                format!("it can't be smaller than '{}', which has {} bytes", from.name, from.capacity.0);
            return Err(StorageError::invalid(subject, reason));
        }
        let format = match active.config.kind.holds_files() {
            holds_files if from.encryption.is_some() => encrypted(config, holds_files, &subject)?,
            true => config.target.format.clone().unwrap_or_else(|| from.format.clone()),
            false => RAW.to_owned(),
        };
        let config = VolumeConfig { capacity: Some(capacity), ..config.clone() };
        let file = source.volumes.open(&from.name, false)?;
        let template = Template { active: &source, volume: from, file };
        let same = template.is_such(&config, &format)?
            && (template.volume.backing.is_none() || pool == template.active.config.uuid);
        template.refuse_other_backing(&config, same, &subject)?;
        let volume = match same {
            true => template.copied(&active, &config, &format, progress, &subject)?,
            false => template.converted(&active, &config, &format, progress, &subject)?,
        };
        active.note(&config.name, Some(&volume));
        Ok(volume)
    }
}

impl Template<'_> {
    /// True when its bytes are what a document asks for.
    fn is_such(&self, config: &VolumeConfig, format: &str) -> Result<bool, StorageError> {
        let target = &config.target;
        if format == LUKS {
            return Ok(true);
        }
        if format != self.volume.format
            || target.preallocation.is_some_and(|space| space != Preallocation::Off)
        {
            return Ok(false);
        }
        if format == RAW {
            return Ok(true);
        }
        let mine = self.active.volumes.describe(&self.volume.name)?.target;
        let features = |target: &reeve_model::storage::VolumeTarget| {
            target.features.as_ref().map(|features| (features.lazy_refcounts, features.extended_l2))
        };
        Ok((target.compat.is_none() || target.compat == mine.compat)
            && (target.cluster_size.is_none() || target.cluster_size == mine.cluster_size)
            && features(target).is_none_or(|wanted| wanted == features(&mine).unwrap_or_default()))
    }

    /// A copy reads from what its template reads from, a converted image from nothing.
    fn refuse_other_backing(
        &self,
        config: &VolumeConfig,
        same: bool,
        subject: &str,
    ) -> Result<(), StorageError> {
        let Some(backing) = &config.backing else { return Ok(()) };
        if same && self.volume.backing.as_ref() == Some(&backing.path) {
            return Ok(());
        }
        let reason = format!(
            "with the content of '{}' it can't read from '{}'; leave <backingStore> out",
            self.volume.name, backing.path
        );
        Err(StorageError::invalid(subject, reason))
    }

    fn copied(
        &self,
        active: &Active,
        config: &VolumeConfig,
        format: &str,
        progress: &Progress,
        subject: &str,
    ) -> Result<Volume, StorageError> {
        let size = content::size(&self.file).map_err(StorageError::file(&self.volume.path, "measured"))?;
        let capacity = config.capacity.unwrap_or(self.volume.capacity);
        let secret = self.volume.encryption.as_ref().and_then(|encryption| encryption.secret);
        let mut fill = |to: &File| {
            secret.inspect(|secret| probe::mark_secret(to, *secret));
            content::copy(&self.file, to, size, true, progress, subject)?;
            match ![RAW, LUKS].contains(&format) && capacity > self.volume.capacity {
                true => self.grow(active, to, format, config, subject),
                false => Ok(()),
            }
        };
        // A container is as much longer as its disk is larger.
        let length = if format == LUKS { size + (capacity.0 - self.volume.capacity.0) } else { size };
        active.volumes.create(config, Some(Content { format, length, fill: &mut fill }))
    }

    /// Makes the copy of an image as large as its document says.
    fn grow(
        &self,
        active: &Active,
        to: &File,
        format: &str,
        config: &VolumeConfig,
        subject: &str,
    ) -> Result<(), StorageError> {
        let format = known(format, subject)?;
        let capacity = config.capacity.unwrap_or(self.volume.capacity).0;
        let file = to.try_clone().map_err(StorageError::file(subject, "opened"))?;
        // Backing images are named from where the volume will be.
        let place = format!("{}/{}", active.config.target.path.as_deref().unwrap_or_default(), config.name);
        let preallocation = config.target.preallocation.unwrap_or_default();
        reeve_image::open(ImageFile::new(file, place)?, format, Access::Write, &active.volumes.chain()?)
            .and_then(|mut image| image.resize(capacity, ResizeOptions { shrink: false, preallocation }))
            .map_err(|error| or_full(error, subject, capacity))
    }

    fn converted(
        &self,
        active: &Active,
        config: &VolumeConfig,
        format: &str,
        progress: &Progress,
        subject: &str,
    ) -> Result<Volume, StorageError> {
        let from = known(&self.volume.format, &self.active.subject(&self.volume.name))?;
        let file = self.file.try_clone().map_err(StorageError::file(&self.volume.path, "opened"))?;
        let file = ImageFile::new(file, &self.volume.path)?;
        let source = reeve_image::open(file, from, Access::Read, &self.active.volumes.chain()?)?;
        let (size, capacity) = (source.size(), config.capacity.unwrap_or(self.volume.capacity).0);
        let wanted = known(format, subject)?;
        let mut options = ConvertOptions::new(wanted);
        options.create = image::options(config, wanted, size);
        if let Some(complaint) = options.create.complaint() {
            return Err(StorageError::invalid(subject, complaint));
        }
        let mut fill = |to: &File| {
            let is_file = to.metadata().is_ok_and(|metadata| metadata.is_file());
            let written = StorageError::written(subject, capacity);
            if is_file {
                to.set_len(0).map_err(&written)?;
            }
            let file = to.try_clone().map_err(StorageError::file(subject, "opened"))?;
            let tell = |done: u64, total: u64| progress.reach(done, total);
            reeve_image::convert(&source, ImageFile::new(file, subject)?, &options, &tell)
                .map_err(|error| or_full(error, subject, capacity))?;
            if is_file && capacity > size {
                let grown = VolumeConfig { backing: None, ..config.clone() };
                self.grow(active, to, format, &grown, subject)?;
            }
            if is_file && format == RAW {
                to.set_len(capacity).map_err(&written)?;
            }
            progress.advance(0, subject)
        };
        active.volumes.create(config, Some(Content { format, length: 0, fill: &mut fill }))
    }
}

/// The format of a copy of an encrypted volume. Nobody has its key here, so it stays as it is.
fn encrypted(config: &VolumeConfig, holds_files: bool, subject: &str) -> Result<String, StorageError> {
    let target = &config.target;
    if holds_files
        && target.format.as_deref().is_none_or(|format| format == RAW)
        && target.preallocation.is_none_or(|space| space == Preallocation::Off)
    {
        return Ok(LUKS.to_owned());
    }
    let reason = "a copy of an encrypted volume is encrypted as it is, in a pool of files; leave <format> and the \
                  preallocation out";
    Err(StorageError::unsupported(subject, reason))
}

fn known(format: &str, subject: &str) -> Result<Format, StorageError> {
    format
        .parse()
        .map_err(|error: reeve_image::UnknownFormat| StorageError::unsupported(subject, error.to_string()))
}
