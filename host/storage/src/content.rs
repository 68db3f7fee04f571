//! The bytes of volumes: copies that keep holes and share blocks where they can, uploads and downloads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt};

use reeve_model::storage::Frame;
use reeve_sys::sparse::{begin_writing, data_after};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::{Progress, StorageError, files};

/// What is read, compared and written at once.
const STEP: usize = 1 << 20;
/// Zeroes are looked for in stretches of this size.
pub(crate) const GRAIN: usize = 64 << 10;

/// A stretch of a download.
#[derive(Debug, PartialEq, Eq)]
pub enum Stretch<'a> {
    /// These bytes.
    Data(&'a [u8]),
    /// That many zeroes which nobody stored.
    Hole(u64),
}

/// Size of a file or device.
pub(crate) fn size(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    match metadata.file_type().is_block_device() {
        true => reeve_sys::block::size(file),
        false => Ok(metadata.len()),
    }
}

/// Makes `to` begin with the first `length` bytes of `from`. `blank` says that `to` reads as zeroes: nothing is written for holes then.
pub(crate) fn copy(
    from: &File,
    to: &File,
    length: u64,
    blank: bool,
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    progress.expect(length);
    let written = StorageError::written(subject, length);
    let read = || StorageError::file(subject, "read");
    let regular = |file: &File| file.metadata().is_ok_and(|metadata| metadata.is_file());
    if regular(from)
        && regular(to)
        && size(from).map_err(read())? == length
        && rustix::fs::ioctl_ficlone(to, from).is_ok()
    {
        return progress.advance(length, subject);
    }
    let mut at = 0;
    while at < length {
        let data = data_after(from, at, length);
        let (start, end) = data.unwrap_or((length, length));
        if start > at {
            if !blank {
                blank_out(to, at, start - at).map_err(&written)?;
            }
            progress.advance(start - at, subject)?;
        }
        let stretch = Range { from: start, to: start, length: end - start };
        copy_data(from, to, stretch, blank, progress, subject)?;
        at = end;
    }
    Ok(())
}

/// A stretch of one file that becomes a stretch of another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) length: u64,
}

/// Copies a stretch of data, by the kernel where it can.
pub(crate) fn copy_data(
    from: &File,
    to: &File,
    stretch: Range,
    blank: bool,
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    let written = StorageError::written(subject, stretch.length);
    let mut at = 0;
    let mut buffer = Vec::new();
    while at < stretch.length {
        let left = stretch.length - at;
        let (mut source, mut target) = (stretch.from + at, stretch.to + at);
        if buffer.is_empty() {
            let count = left.min(16 << 20) as usize;
            match rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), count) {
                Ok(0) => {}
                Ok(copied) => {
                    at += copied as u64;
                    progress.advance(copied as u64, subject)?;
                    continue;
                }
                Err(
                    Errno::XDEV
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::OPNOTSUPP
                    | Errno::BADF
                    | Errno::IO
                    | Errno::TXTBSY,
                ) => {}
                Err(error) => return Err(written(error.into())),
            }
            buffer = vec![0; STEP];
        }
        let count = left.min(STEP as u64) as usize;
        from.read_exact_at(&mut buffer[..count], source).map_err(StorageError::file(subject, "read"))?;
        write_sparse(to, &buffer[..count], target, blank).map_err(&written)?;
        at += count as u64;
        progress.advance(count as u64, subject)?;
    }
    Ok(())
}

/// Writes bytes; stretches of zeroes become holes.
fn write_sparse(to: &File, bytes: &[u8], at: u64, blank: bool) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let zero = is_zero(&bytes[done..bytes.len().min(done + GRAIN)]);
        let mut end = bytes.len().min(done + GRAIN);
        while end < bytes.len() && is_zero(&bytes[end..bytes.len().min(end + GRAIN)]) == zero {
            end = bytes.len().min(end + GRAIN);
        }
        let place = at + done as u64;
        match zero {
            false => to.write_all_at(&bytes[done..end], place)?,
            true if blank => {}
            true => blank_out(to, place, (end - done) as u64)?,
        }
        done = end;
    }
    Ok(())
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Makes a stretch read as zeroes and gives its blocks back where that can be.
pub(crate) fn blank_out(file: &File, at: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, at, length) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    files::write_zeroes(file, at, length)
}

/// Writes zeroes from the begin on, so that their blocks are there.
pub(crate) fn write_zeroes(
    file: &File,
    length: u64,
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    progress.expect(length);
    let zeroes = vec![0; STEP];
    let mut at = 0;
    while at < length {
        let count = (length - at).min(STEP as u64);
        file.write_all_at(&zeroes[..count as usize], at).map_err(StorageError::written(subject, length))?;
        at += count;
        progress.advance(count, subject)?;
    }
    Ok(())
}

/// Writes what a client sends into a volume, from a place on. `room` is what the volume holds from there; more is refused.
pub(crate) fn upload(
    input: &mut dyn Read,
    to: &File,
    offset: u64,
    room: u64,
    progress: &Progress,
    subject: &str,
) -> Result<u64, StorageError> {
    let done = receive(input, to, offset, room, progress, subject)?;
    settle(to, offset + done, subject)?;
    Ok(done)
}

/// As [`upload`], of content whose holes are not sent ([`Frame`]).
pub(crate) fn upload_sparse(
    input: &mut dyn Read,
    to: &File,
    offset: u64,
    room: u64,
    progress: &Progress,
    subject: &str,
) -> Result<u64, StorageError> {
    let cut_off = || StorageError::invalid(subject, "what is sent ends in the middle of a stretch");
    let mut done = 0;
    while let Some(frame) = next_frame(input, subject)? {
        let (Frame::Data(length) | Frame::Hole(length)) = frame;
        if length > room - done {
            return Err(too_much(subject, room));
        }
        let at = offset + done;
        match frame {
            Frame::Data(length) => {
                let received = receive(&mut input.take(length), to, at, length, progress, subject)?;
                if received < length {
                    return Err(cut_off());
                }
            }
            Frame::Hole(length) => {
                leave_out(to, at, length, subject)?;
                progress.advance(length, subject)?;
            }
        }
        done += length;
    }
    settle(to, offset + done, subject)?;
    Ok(done)
}

/// Makes a stretch read as zeroes that need not be there: what is behind the end does so when the end is moved.
pub(crate) fn leave_out(to: &File, at: u64, length: u64, subject: &str) -> Result<(), StorageError> {
    let end = size(to).map_err(StorageError::file(subject, "measured"))?.min(at + length);
    match end > at {
        true => blank_out(to, at, end - at).map_err(StorageError::written(subject, end - at)),
        false => Ok(()),
    }
}

fn next_frame(input: &mut dyn Read, subject: &str) -> Result<Option<Frame>, StorageError> {
    let mut bytes = [0; Frame::LENGTH];
    let count = fill(input, &mut bytes).map_err(StorageError::file(subject, "received"))?;
    if count == 0 {
        return Ok(None);
    }
    let frame = if count == bytes.len() { Frame::decode(bytes) } else { None };
    let wrong = || StorageError::invalid(subject, "what is sent is no sparse content");
    Ok(Some(frame.ok_or_else(wrong)?))
}

/// Fills the buffer as far as there is input.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn receive(
    input: &mut dyn Read,
    to: &File,
    offset: u64,
    room: u64,
    progress: &Progress,
    subject: &str,
) -> Result<u64, StorageError> {
    let mut buffer = vec![0; STEP];
    let mut done = 0;
    loop {
        let filled = fill(input, &mut buffer).map_err(StorageError::file(subject, "received"))?;
        if filled == 0 {
            return Ok(done);
        }
        if filled as u64 > room - done {
            return Err(too_much(subject, room));
        }
        write_sparse(to, &buffer[..filled], offset + done, false)
            .map_err(StorageError::written(subject, filled as u64))?;
        begin_writing(to, offset + done, filled as u64);
        done += filled as u64;
        progress.advance(filled as u64, subject)?;
    }
}

fn too_much(subject: &str, room: u64) -> StorageError {
    let reason = format!("more is sent than the {room} bytes that fit; the rest is not written");
    StorageError::invalid(subject, reason)
}

/// A file that ends in a hole is as long as what was sent; all of it is on the medium.
pub(crate) fn settle(to: &File, end: u64, subject: &str) -> Result<(), StorageError> {
    let written = StorageError::written(subject, end);
    if size(to).map_err(&written)? < end && to.metadata().is_ok_and(|metadata| metadata.is_file()) {
        to.set_len(end).map_err(&written)?;
    }
    to.sync_all().map_err(&written)
}

/// Hands a stretch of a volume out, holes as such.
pub(crate) fn download(
    from: &File,
    (offset, length): (u64, u64),
    sink: &mut dyn FnMut(Stretch<'_>) -> io::Result<()>,
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    progress.expect(length);
    let end = offset + length;
    let mut buffer = vec![0; STEP];
    let mut at = offset;
    let sent = || StorageError::file(subject, "sent");
    while at < end {
        let data = data_after(from, at, end);
        let (start, stop) = data.unwrap_or((end, end));
        if start > at {
            sink(Stretch::Hole(start - at)).map_err(sent())?;
            progress.advance(start - at, subject)?;
        }
        at = start;
        while at < stop {
            let count = (stop - at).min(STEP as u64) as usize;
            from.read_exact_at(&mut buffer[..count], at).map_err(StorageError::file(subject, "read"))?;
            sink(Stretch::Data(&buffer[..count])).map_err(sent())?;
            at += count as u64;
            progress.advance(count as u64, subject)?;
        }
    }
    Ok(())
}
