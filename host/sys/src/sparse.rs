//! Where a file has data, and where it has holes; and its way to the medium.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// False for a hole, which reads as zeros and takes no space.
    pub data: bool,
    /// Bytes of it.
    pub length: u64,
}

/// Whether there is data at `offset`, and how far that holds, at most to `end`. Where nobody knows, as on a device or in a pipe,
/// everything is data. The file's own position is moved.
pub fn stretch(file: impl AsFd, offset: u64, end: u64) -> Stretch {
    let rest = end.saturating_sub(offset);
    match seek(&file, SeekFrom::Data(offset)) {
        Ok(data) if data > offset => Stretch { data: false, length: rest.min(data - offset) },
        Ok(_) => {
            let hole = seek(&file, SeekFrom::Hole(offset)).unwrap_or(end);
            Stretch { data: true, length: rest.min(hole.saturating_sub(offset)) }
        }
        Err(Errno::NXIO) => Stretch { data: false, length: rest },
        Err(_) => Stretch { data: true, length: rest },
    }
}

/// The data at or after a place, at most to `end`: its start and its end. None when only a hole follows.
pub fn data_after(file: impl AsFd, at: u64, end: u64) -> Option<(u64, u64)> {
    let mut start = at;
    while start < end {
        let found = stretch(&file, start, end);
        match found.data {
            // A file that is cut off meanwhile.
            _ if found.length == 0 => return None,
            true => return Some((start, start + found.length)),
            false => start += found.length,
        }
    }
    None
}

/// Lets the kernel begin to bring a stretch to the medium, and does not wait for it: a copy that is synced at its end need not wait for all
/// of it then. Nothing is promised, so nothing fails.
pub fn begin_writing(file: impl AsFd, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else { return };
    let file = file.as_fd().as_raw_fd();
    // SAFETY: the call takes no pointers, and the descriptor is borrowed for as long as it goes on.
    let _ = unsafe { libc::sync_file_range(file, offset, length, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn holes_are_told_from_data() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * MIB).unwrap();
        assert_eq!(stretch(&file, 0, 3 * MIB), Stretch { data: false, length: 3 * MIB });
        assert_eq!(data_after(&file, 0, 3 * MIB), None);
        file.write_all_at(&[7; MIB as usize], MIB).unwrap();
        assert_eq!(stretch(&file, 0, 3 * MIB), Stretch { data: false, length: MIB });
        assert_eq!(stretch(&file, MIB, 3 * MIB), Stretch { data: true, length: MIB });
        assert_eq!(data_after(&file, 0, 3 * MIB), Some((MIB, 2 * MIB)));
        assert_eq!(data_after(&file, 0, MIB), None);
        assert_eq!(data_after(&file, MIB + 5, MIB + 9), Some((MIB + 5, MIB + 9)));
        assert_eq!(data_after(&file, 3 * MIB, 3 * MIB), None);
    }

    #[test]
    fn a_pipe_is_all_data() {
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        assert_eq!(data_after(&pipe, 0, 9), Some((0, 9)));
    }
}
