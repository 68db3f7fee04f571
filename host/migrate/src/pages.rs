//! Runs of pages as payloads.
//!
//! ```text
//!   address u64 │ pages u32 │ encoding u8 │ 0 0 0 │ bytes: none for zeros, pages as they are, or compressed
//! ```

use std::io::{Read, Write};
use std::ops::Range;

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::MigrateError;
use crate::frame::{Fields, Kind};
use crate::link::Link;
use crate::memory_map::PAGE;
use crate::send::RoundSent;
use crate::strategy::Packed;

/// Most pages with contents in one frame.
pub(crate) const PAGES_A_FRAME: u64 = 256;
const PLAIN: u8 = 0;
const ZERO: u8 = 1;
const ZSTD: u8 = 2;
/// Pages of at most this much after compression, in hundredths, travel compressed.
const WORTHWHILE: usize = 80;

static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

pub(crate) fn is_zero(page: &[u8]) -> bool {
    page == &ZEROS[..page.len()]
}

/// What is in a run.
pub(crate) enum Contents<'a> {
    Zero,
    Plain(&'a [u8]),
    Unpacked(Vec<u8>),
}

/// Puts a run of zeros into a payload.
pub(crate) fn encode_zero(run: &Range<u64>, payload: &mut Vec<u8>) {
    head(run, ZERO, payload);
}

/// Puts a run with its contents into a payload, compressed where that is allowed and worth it; the bytes that it is then, where it is.
pub(crate) fn encode(
    run: &Range<u64>,
    contents: &[u8],
    compress: bool,
    payload: &mut Vec<u8>,
) -> Option<u64> {
    if compress && let Some(packed) = pack(contents) {
        head(run, ZSTD, payload);
        let length = packed.len() as u64;
        payload.extend(packed);
        return Some(length);
    }
    head(run, PLAIN, payload);
    payload.extend(contents);
    None
}

/// Sends up to a frame's worth of pages, zeros apart.
pub(crate) fn send<S: Read + Write>(
    link: &mut Link<S>,
    run: &Range<u64>,
    contents: &[u8],
    compress: bool,
    sent: &mut RoundSent,
) -> Result<(), MigrateError> {
    let mut payload = Vec::new();
    let mut page = 0;
    let zeros: Vec<bool> = contents.chunks(PAGE as usize).map(is_zero).collect();
    while page < zeros.len() {
        let zero = zeros[page];
        let alike = zeros[page..].iter().take_while(|other| **other == zero).count();
        let part = run.start + page as u64 * PAGE..run.start + (page + alike) as u64 * PAGE;
        if zero {
            encode_zero(&part, &mut payload);
            sent.zero_pages += alike as u64;
        } else {
            let bytes = &contents[page * PAGE as usize..(page + alike) * PAGE as usize];
            match encode(&part, bytes, compress, &mut payload) {
                Some(length) => sent.packed += Packed { pages: alike as u64, bytes: length, missed: 0 },
                None if compress => sent.packed.missed += alike as u64,
                None => {}
            }
        }
        link.send(Kind::Pages, &payload)?;
        sent.pages += alike as u64;
        page += alike;
    }
    Ok(())
}

/// The same bytes compressed, where that is worth it.
pub(crate) fn pack(contents: &[u8]) -> Option<Vec<u8>> {
    let packed = compress_to_vec(contents, CompressionLevel::Fastest);
    (packed.len() * 100 <= contents.len() * WORTHWHILE).then_some(packed)
}

fn head(run: &Range<u64>, encoding: u8, payload: &mut Vec<u8>) {
    payload.clear();
    payload.extend(run.start.to_le_bytes());
    payload.extend((((run.end - run.start) / PAGE) as u32).to_le_bytes());
    payload.extend([encoding, 0, 0, 0]);
}

/// Takes a payload apart. The run is whole pages; whether it is memory of the guest is for the caller to judge.
pub(crate) fn decode(payload: &[u8], zstd: bool) -> Result<(Range<u64>, Contents<'_>), MigrateError> {
    let mut fields = Fields(payload);
    let (start, pages, encoding) = (fields.u64()?, u64::from(fields.u32()?), fields.u32()?);
    let bytes = pages * PAGE;
    let end = start.checked_add(bytes).filter(|_| pages > 0 && start.is_multiple_of(PAGE));
    let end = end.ok_or(MigrateError::Peer("a run of pages that can't be"))?;
    let contents = match u8::try_from(encoding) {
        Ok(ZERO) => {
            fields.end()?;
            Contents::Zero
        }
        _ if pages > PAGES_A_FRAME => return Err(MigrateError::Peer("too many pages in a frame")),
        Ok(PLAIN) if fields.0.len() as u64 == bytes => Contents::Plain(fields.0),
        Ok(ZSTD) if zstd => Contents::Unpacked(unpack(fields.0, bytes as usize)?),
        _ => return Err(MigrateError::Peer("pages in no encoding that was agreed")),
    };
    Ok((start..end, contents))
}

/// A run of whole pages from `start` to `end`.
pub(crate) fn run(start: u64, end: u64) -> Result<Range<u64>, MigrateError> {
    let whole = start < end && start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE);
    whole.then_some(start..end).ok_or(MigrateError::Peer("a run of pages that can't be"))
}

/// Unpacks exactly `bytes` bytes; what would become more is refused before it does.
pub(crate) fn unpack(packed: &[u8], bytes: usize) -> Result<Vec<u8>, MigrateError> {
    const WRONG: MigrateError = MigrateError::Peer("compressed bytes that don't unpack");
    let mut decoder = StreamingDecoder::new(packed).map_err(|_| WRONG)?;
    let mut unpacked = vec![0; bytes];
    decoder.read_exact(&mut unpacked).map_err(|_| WRONG)?;
    match decoder.read(&mut [0]) {
        Ok(0) => Ok(unpacked),
        _ => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(payload: &[u8], zstd: bool) -> Result<Vec<u8>, MigrateError> {
        let (run, contents) = decode(payload, zstd)?;
        Ok(match contents {
            Contents::Zero => vec![0; (run.end - run.start) as usize],
            Contents::Plain(bytes) => bytes.to_vec(),
            Contents::Unpacked(bytes) => bytes,
        })
    }

    #[test]
    fn pages_come_back_in_every_encoding() {
        let run = 2 * PAGE..5 * PAGE;
        let text: Vec<u8> =
            b"the same words again and again. ".iter().copied().cycle().take(3 * 4096).collect();
        let mut payload = Vec::new();
        encode(&run, &text, false, &mut payload);
        assert_eq!(contents(&payload, false).unwrap(), text);
        encode(&run, &text, true, &mut payload);
        assert!(payload.len() < text.len() / 2, "{}", payload.len());
        assert_eq!(contents(&payload, true).unwrap(), text);
        assert!(contents(&payload, false).is_err(), "it was not agreed");
        encode_zero(&run, &mut payload);
        assert_eq!(payload.len(), 16);
        assert!(is_zero(&contents(&payload, false).unwrap()[..4096]));
    }

    #[test]
    fn what_can_not_be_packed_travels_as_it_is() {
        let noise: Vec<u8> =
            (0..4096u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut payload = Vec::new();
        encode(&(0..PAGE), &noise, true, &mut payload);
        assert_eq!(contents(&payload, true).unwrap(), noise);
    }

    #[test]
    fn runs_that_can_not_be_are_refused() {
        let mut payload = Vec::new();
        encode(&(0..PAGE), &[1; 4096], false, &mut payload);
        let with = |at: usize, bytes: &[u8]| {
            let mut other = payload.clone();
            other[at..at + bytes.len()].copy_from_slice(bytes);
            contents(&other, true)
        };
        assert!(with(0, &1u64.to_le_bytes()).is_err(), "no start of a page");
        assert!(with(0, &(u64::MAX - 4095).to_le_bytes()).is_err(), "beyond the end of all addresses");
        assert!(with(8, &0u32.to_le_bytes()).is_err(), "no page");
        assert!(with(8, &2u32.to_le_bytes()).is_err(), "fewer bytes than pages");
        assert!(with(8, &u32::MAX.to_le_bytes()).is_err(), "too many pages");
        assert!(with(12, &[ZERO]).is_err(), "zeros with bytes");
        assert!(with(12, &[ZSTD]).is_err(), "not compressed");
        assert!(with(12, &[3]).is_err() && with(13, &[1]).is_err(), "no such encoding");
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let run = 0..PAGE;
        let mut payload = Vec::new();
        encode(&(0..64 * PAGE), &[7; 64 * 4096], true, &mut payload);
        let packed = payload[16..].to_vec();
        head(&run, ZSTD, &mut payload);
        payload.extend(packed);
        assert!(contents(&payload, true).is_err());
    }
}
