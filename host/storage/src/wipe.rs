//! Making what a volume held unreadable (guide 14.12.2). Where a file has holes there is nothing to write over.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reeve_model::storage::{WipeAlgorithm, WipePass};
use reeve_sys::sparse::data_after;

use crate::content::{blank_out, size};
use crate::{Progress, StorageError};

/// What is written at once: a multiple of three, so that patterns of three bytes go on where they stopped.
const STEP: usize = 3 << 18;

pub(crate) fn wipe(
    file: &File,
    algorithm: WipeAlgorithm,
    progress: &Progress,
    subject: &str,
) -> Result<(), StorageError> {
    let read = || StorageError::file(subject, "read");
    let length = size(file).map_err(read())?;
    // The stretches as they are now; what is written meanwhile is not the old content.
    let mut stretches = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = data_after(file, at, length) {
        stretches.push((start, end));
        at = end;
    }
    let bytes: u64 = stretches.iter().map(|(start, end)| end - start).sum();
    progress.expect(bytes * algorithm.passes().len() as u64);
    let mut random: StdRng = StdRng::from_rng(&mut rand::rng());
    let mut buffer = vec![0_u8; STEP];
    let mut expected: Option<&[u8]> = None;
    for pass in algorithm.passes() {
        if let WipePass::Pattern(pattern) = pass {
            expected = Some(pattern);
            fill(&mut buffer, pattern);
        }
        for (start, end) in &stretches {
            let mut at = *start;
            while at < *end {
                let count = (end - at).min(STEP as u64) as usize;
                match pass {
                    WipePass::Pattern(_) => write(file, &buffer[..count], at, subject)?,
                    WipePass::Random => {
                        random.fill_bytes(&mut buffer[..count]);
                        write(file, &buffer[..count], at, subject)?;
                    }
                    WipePass::Verify => {
                        file.read_exact_at(&mut buffer[..count], at).map_err(read())?;
                        let pattern = expected.unwrap_or(&[0]);
                        if !buffer[..count]
                            .iter()
                            .zip(pattern.iter().cycle())
                            .all(|(read, meant)| read == meant)
                        {
                            let reason = format!(
                                "what was written from byte {at} on is not what is read there; the medium is bad"
                            );
                            return Err(StorageError::conflict(subject, reason));
                        }
                    }
                    WipePass::Discard => {
                        discard(file, at, count as u64).map_err(StorageError::written(subject, 0))?;
                    }
                }
                at += count as u64;
                progress.advance(count as u64, subject)?;
            }
        }
        file.sync_all().map_err(StorageError::written(subject, 0))?;
    }
    Ok(())
}

fn fill(buffer: &mut [u8], pattern: &[u8]) {
    for (byte, meant) in buffer.iter_mut().zip(pattern.iter().cycle()) {
        *byte = *meant;
    }
}

fn write(file: &File, bytes: &[u8], at: u64, subject: &str) -> Result<(), StorageError> {
    file.write_all_at(bytes, at).map_err(StorageError::written(subject, bytes.len() as u64))
}

fn discard(file: &File, at: u64, length: u64) -> io::Result<()> {
    match file.metadata()?.file_type().is_block_device() {
        true => reeve_sys::block::discard(file, at, length),
        false => blank_out(file, at, length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pass_is_what_stays_and_holes_stay_holes() {
        use std::os::unix::fs::MetadataExt;
        let secret = vec![0x5a; 300_000];
        for (algorithm, last) in [
            (WipeAlgorithm::Zero, Some(0x00)),
            (WipeAlgorithm::Nnsa, Some(0x00)),
            (WipeAlgorithm::Dod, Some(0xff)),
            (WipeAlgorithm::Bsi, Some(0x7f)),
            (WipeAlgorithm::Trim, Some(0x00)),
            (WipeAlgorithm::Gutmann, None),
            (WipeAlgorithm::Schneier, None),
            (WipeAlgorithm::Pfitzner7, None),
            (WipeAlgorithm::Pfitzner33, None),
            (WipeAlgorithm::Random, None),
        ] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&secret, 0).unwrap();
            file.set_len(8 << 20).unwrap();
            let blocks = file.metadata().unwrap().blocks();
            let progress = Progress::default();
            wipe(&file, algorithm, &progress, "volume 'a'").unwrap();
            let mut now = vec![0; secret.len()];
            file.read_exact_at(&mut now, 0).unwrap();
            match last {
                Some(byte) => assert!(now.iter().all(|found| *found == byte), "{algorithm}"),
                None => assert_eq!(
                    now.windows(64).filter(|window| window.iter().all(|byte| *byte == 0x5a)).count(),
                    0
                ),
            }
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), 8 << 20);
            assert!(metadata.blocks() <= blocks, "{algorithm} filled the hole");
            let (done, total) = progress.get();
            assert!(done == total && total >= secret.len() as u64 * algorithm.passes().len() as u64);
        }
    }

    #[test]
    fn wiping_stops_when_told() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        let progress = Progress::default();
        progress.cancel();
        let error = wipe(&file, WipeAlgorithm::Gutmann, &progress, "volume 'a'").unwrap_err();
        assert_eq!(error.to_string(), "volume 'a': it was cancelled");
    }
}
