//! Clients write and read the content of volumes (guide 14.12.6).

use std::fs::File;
use std::io::{self, Read};

use uuid::Uuid;

use super::Storage;
use crate::content::{self, Stretch};
use crate::{Progress, StorageError};

/// How what comes in is written: input, volume, offset, room, progress, subject.
type Upload = fn(&mut dyn Read, &File, u64, u64, &Progress, &str) -> Result<u64, StorageError>;

impl Storage {
    /// Writes what is read from `input` into a volume, from `offset` on; more than `length` bytes, where that is given, are refused. Tells how
    /// many were written.
    pub fn upload(
        &self,
        pool: Uuid,
        name: &str,
        (offset, length): (u64, Option<u64>),
        input: &mut dyn Read,
        progress: &Progress,
    ) -> Result<u64, StorageError> {
        self.receive(pool, name, (offset, length), input, progress, content::upload)
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
        self.receive(pool, name, part, input, progress, content::upload_sparse)
    }

    fn receive(
        &self,
        pool: Uuid,
        name: &str,
        (offset, length): (u64, Option<u64>),
        input: &mut dyn Read,
        progress: &Progress,
        upload: Upload,
    ) -> Result<u64, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, true)?;
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
        let written = upload(input, &file, offset, room, progress, &subject);
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
        (offset, length): (u64, Option<u64>),
        sink: &mut dyn FnMut(Stretch<'_>) -> io::Result<()>,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, false)?;
        let file = active.volumes.open(name, false)?;
        let size = content::size(&file).map_err(StorageError::file(&subject, "measured"))?;
        let rest = size.checked_sub(offset).ok_or_else(|| beyond(&subject, offset, size))?;
        let length = length.map_or(rest, |length| length.min(rest));
        content::download(&file, offset, length, sink, progress, &subject)
    }
}

fn beyond(subject: &str, offset: u64, size: u64) -> StorageError {
    StorageError::invalid(subject, format!("it has {size} bytes, so nothing begins at {offset}"))
}
