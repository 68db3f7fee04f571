//! Clients write and read the content of volumes (guide 14.12.6), as a stream or as a file that they hand over (decisions/0014).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use reeve_sys::handed::{HandedError, Purpose};
use uuid::Uuid;

use super::Storage;
use crate::content::{self, Stretch};
use crate::{Progress, StorageError, handed};

/// Writes a volume from an offset on, where there is so much room; what it is about is for messages.
type Upload<'a> = dyn FnMut(&File, u64, u64, &str) -> Result<u64, StorageError> + 'a;

impl Storage {
    /// Writes what is read from `input` into a volume, from `offset` on; more than `length` bytes, where that is given, are refused. Tells how
    /// many were written.
    pub fn upload(
        &self,
        pool: Uuid,
        name: &str,
        part: (u64, Option<u64>),
        input: &mut dyn Read,
        progress: &Progress,
    ) -> Result<u64, StorageError> {
        self.receive(pool, name, part, &mut |volume, offset, room, subject| {
            content::upload(input, volume, offset, room, progress, subject)
        })
    }

    /// As [`Self::upload`], of content whose holes are not sent ([`reeve_model::storage::Frame`]).
    pub fn upload_sparse(
        &self,
        pool: Uuid,
        name: &str,
        part: (u64, Option<u64>),
        input: &mut dyn Read,
        progress: &Progress,
    ) -> Result<u64, StorageError> {
        self.receive(pool, name, part, &mut |volume, offset, room, subject| {
            content::upload_sparse(input, volume, offset, room, progress, subject)
        })
    }

    /// As [`Self::upload`], of a file that a client handed over ([`reeve_sys::handed`]). One that is larger than what fits is refused before
    /// anything is written.
    pub fn upload_file(
        &self,
        pool: Uuid,
        name: &str,
        part: (u64, Option<u64>),
        file: OwnedFd,
        progress: &Progress,
    ) -> Result<u64, StorageError> {
        let file = self.accept(pool, name, file, Purpose::Read)?;
        self.receive(pool, name, part, &mut |volume, offset, room, subject| {
            handed::upload(&file, volume, offset, room, progress, subject)
        })
    }

    fn accept(&self, pool: Uuid, name: &str, file: OwnedFd, purpose: Purpose) -> Result<File, StorageError> {
        let subject = self.active(pool)?.subject(name);
        reeve_sys::handed::accept(file, purpose).map_err(|error| match error {
            HandedError::Io(source) => StorageError::file(subject, "compared with a file")(source),
            HandedError::Access(_) => StorageError::invalid(subject, error.to_string()),
            HandedError::Kind(_) => StorageError::unsupported(subject, error.to_string()),
        })
    }

    fn receive(
        &self,
        pool: Uuid,
        name: &str,
        (offset, length): (u64, Option<u64>),
        upload: &mut Upload<'_>,
    ) -> Result<u64, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, true)?;
        active.refuse_read(name)?;
        let file = active.volumes.open(name, true)?;
        let size = content::size(&file).map_err(StorageError::file(&subject, "measured"))?;
        let before = active.volumes.look(name)?;
        if before.encryption.is_some() {
            let reason = "it is encrypted, and what is uploaded would be there in the clear, in place of its keys; \
                          write into it through a guest that has its passphrase";
            return Err(StorageError::unsupported(subject, reason));
        }
        // An image with a format of its own is as long as it is; a raw volume keeps its capacity.
        let size = if before.format == "raw" { size } else { i64::MAX as u64 };
        let room = size.checked_sub(offset).ok_or_else(|| beyond(&subject, offset, size))?;
        let room = length.map_or(room, |length| length.min(room));
        // Nothing was taken for it yet, so all of it can be given back.
        let was_empty = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.blocks() == 0);
        let written = upload(&file, offset, room, &subject);
        if was_empty && matches!(written, Err(StorageError::Full { .. })) {
            // What is half there is of no use to anybody, and its space is.
            let given_back = file.set_len(0).and_then(|()| file.set_len(before.physical.0));
            given_back.map_err(StorageError::file(&subject, "made empty again"))?;
        }
        drop(file);
        if let Ok(volume) = active.volumes.look(name) {
            active.note(name, Some(&volume));
        }
        written
    }

    /// Hands out what a volume holds from `offset` on, `length` bytes at most.
    pub fn download(
        &self,
        pool: Uuid,
        name: &str,
        part: (u64, Option<u64>),
        sink: &mut dyn FnMut(Stretch<'_>) -> io::Result<()>,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        self.hand_out(pool, name, part, |volume, stretch, subject| {
            content::download(volume, stretch, sink, progress, subject)
        })
    }

    /// As [`Self::download`], into a file that a client handed over ([`reeve_sys::handed`]); what it held before is gone. Tells how many
    /// bytes that is.
    pub fn download_file(
        &self,
        pool: Uuid,
        name: &str,
        part: (u64, Option<u64>),
        file: OwnedFd,
        progress: &Progress,
    ) -> Result<u64, StorageError> {
        let file = self.accept(pool, name, file, Purpose::Write)?;
        self.hand_out(pool, name, part, |volume, stretch, subject| {
            handed::download(volume, stretch, &file, progress, subject)
        })
    }

    fn hand_out<T>(
        &self,
        pool: Uuid,
        name: &str,
        (offset, length): (u64, Option<u64>),
        read: impl FnOnce(&File, (u64, u64), &str) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, false)?;
        let file = active.volumes.open(name, false)?;
        let size = content::size(&file).map_err(StorageError::file(&subject, "measured"))?;
        let rest = size.checked_sub(offset).ok_or_else(|| beyond(&subject, offset, size))?;
        let length = length.map_or(rest, |length| length.min(rest));
        read(&file, (offset, length), &subject)
    }
}

fn beyond(subject: &str, offset: u64, size: u64) -> StorageError {
    StorageError::invalid(subject, format!("it has {size} bytes, so nothing begins at {offset}"))
}
