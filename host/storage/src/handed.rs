//! The content of volumes from and to files that clients handed over: copied by the kernel, with no byte of it passing a socket.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_sys::sparse::{begin_writing, data_after};
use rustix::fs::Advice;

use crate::content::{self, GRAIN, Range};
use crate::{Progress, StorageError};

/// What is looked at for zeroes, and brought on its way to the medium, at once.
const WINDOW: u64 = 16 << 20;
/// Bytes by which most data is known to be no zeroes.
const GLANCE: usize = 64;

/// Writes a file into a volume, from a place of the volume on. `room` is what the volume holds from there; a larger file is refused.
/// Stretches of zeroes become holes.
pub(crate) fn upload(
    from: &File,
    to: &File,
    offset: u64,
    room: u64,
    progress: &Progress,
    subject: &str,
) -> Result<u64, StorageError> {
    refuse_itself(from, to, subject)?;
    let size = || from.metadata().map(|metadata| metadata.len()).map_err(shorter(subject));
    let length = size()?;
    if length > room {
        let reason = format!("the file has {length} bytes, and {room} fit; nothing is written");
        return Err(StorageError::invalid(subject, reason));
    }
    progress.expect(length);
    let mut buffer = vec![0; GRAIN];
    let mut at = 0;
    while at < length {
        let (start, end) = data_after(from, at, length).unwrap_or((length, length));
        if start > at {
            content::leave_out(to, offset + at, start - at, subject)?;
            progress.advance(start - at, subject)?;
            at = start;
        }
        while at < end {
            let stop = end.min(at + WINDOW);
            // A glance here and there must not be how a file is fetched from its medium.
            let _ = rustix::fs::fadvise(from, at, NonZero::new(stop - at), Advice::WillNeed);
            upload_window((from, to), (at, stop), offset, &mut buffer, progress, subject)?;
            begin_writing(to, offset + at, stop - at);
            at = stop;
        }
    }
    // What is cut off looks like a hole.
    if size()? < length {
        return Err(shorter(subject)(io::ErrorKind::UnexpectedEof.into()));
    }
    content::settle(to, offset + length, subject)?;
    Ok(length)
}

/// Copies the runs of data of a stretch, and makes holes for those of zeroes.
fn upload_window(
    (from, to): (&File, &File),
    (mut at, stop): (u64, u64),
    offset: u64,
    buffer: &mut [u8],
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    let zero = |at: u64, buffer: &mut [u8]| is_zero(from, (at, stop), buffer).map_err(shorter(subject));
    while at < stop {
        let empty = zero(at, buffer)?;
        let mut end = stop.min(at + GRAIN as u64);
        while end < stop && zero(end, buffer)? == empty {
            end = stop.min(end + GRAIN as u64);
        }
        let length = end - at;
        if empty {
            content::leave_out(to, offset + at, length, subject)?;
            progress.advance(length, subject)?;
        } else {
            let stretch = Range { from: at, to: offset + at, length };
            let copied = content::copy_data(from, to, stretch, false, progress, subject);
            copied.map_err(|error| match error {
                StorageError::File { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                    shorter(subject)(source)
                }
                other => other,
            })?;
        }
        at = end;
    }
    Ok(())
}

/// Whether a grain of a file is zeroes. Most are not, and say so with their first bytes.
fn is_zero(from: &File, (at, stop): (u64, u64), buffer: &mut [u8]) -> io::Result<bool> {
    let count = (stop - at).min(GRAIN as u64) as usize;
    let glance = &mut buffer[..count.min(GLANCE)];
    from.read_exact_at(glance, at)?;
    if !content::is_zero(glance) {
        return Ok(false);
    }
    from.read_exact_at(&mut buffer[..count], at)?;
    Ok(content::is_zero(&buffer[..count]))
}

/// A file that can't be read as far as it was, e.g. one that was cut off meanwhile.
fn shorter(subject: &str) -> impl FnOnce(io::Error) -> StorageError {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            StorageError::conflict(subject, "the file became shorter while it was read; upload it again")
        }
        _ => StorageError::file(subject, "filled from the file")(error),
    }
}

/// Makes a file what a volume holds from a place on; holes stay holes. What the file held before is gone.
pub(crate) fn download(
    from: &File,
    (offset, length): (u64, u64),
    to: &File,
    progress: &Progress,
    subject: &str,
) -> Result<u64, StorageError> {
    refuse_itself(from, to, subject)?;
    progress.expect(length);
    let target = format!("the file that {subject} is read into");
    let written = StorageError::written(&target, length);
    // ext4 takes a file that is emptied for one that is replaced, and writes all of it to the medium when it is closed.
    if to.metadata().map_err(&written)?.len() > 0 {
        to.set_len(0).map_err(&written)?;
    }
    to.set_len(length).map_err(&written)?;
    let mut at = 0;
    while at < length {
        let data = data_after(from, offset + at, offset + length);
        let (start, end) = data.map_or((length, length), |(start, end)| (start - offset, end - offset));
        progress.advance(start - at, subject)?;
        let stretch = Range { from: offset + start, to: start, length: end - start };
        content::copy_data(from, to, stretch, true, progress, &target)?;
        at = end;
    }
    Ok(length)
}

/// A volume is not its own content: it would be gone before it was read.
fn refuse_itself(one: &File, other: &File, subject: &str) -> Result<(), StorageError> {
    let identity = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let looked_at = StorageError::file(subject, "looked at");
    let same = identity(one).and_then(|one| Ok(one == identity(other)?)).map_err(looked_at)?;
    match same {
        true => Err(StorageError::invalid(subject, "the file is the volume itself")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_off_meanwhile_is_told() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let length = 8 * WINDOW;
        (0..length >> 20).for_each(|at| from.write_all_at(&[7; 1 << 20], at << 20).unwrap());
        let (progress, cut) = (Progress::default(), from.try_clone().unwrap());
        let watched = progress.clone();
        let cutting = std::thread::spawn(move || {
            while watched.get().0 == 0 {
                std::thread::yield_now();
            }
            cut.set_len(WINDOW).unwrap();
        });
        let error = upload(&from, &to, 0, length, &progress, "volume 'a'").unwrap_err();
        cutting.join().unwrap();
        assert!(error.to_string().contains("the file became shorter while it was read"), "{error}");
    }

    #[test]
    fn grains_of_zeroes_are_told_from_those_that_begin_with_some() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * GRAIN as u64).unwrap();
        file.write_all_at(b"x", GRAIN as u64 - 1).unwrap();
        file.write_all_at(b"x", 2 * GRAIN as u64).unwrap();
        let mut buffer = vec![0; GRAIN];
        let end = 3 * GRAIN as u64;
        let zero: Vec<bool> =
            (0..3).map(|grain| is_zero(&file, (grain * GRAIN as u64, end), &mut buffer).unwrap()).collect();
        assert_eq!(zero, [false, true, false]);
        assert!(is_zero(&file, (end, end + 1), &mut buffer).is_err());
    }
}
