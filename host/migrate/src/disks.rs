//! Disks that go with a guest: their content in frames, beside its memory and in the same rounds.
//!
//! ```text
//!     Disks{name, size …} ──>                                    the ones that the destination was told of, after Welcome
//!     Blocks… RoundEnd ──>                      <── RoundAck     all of each disk, then what was written meanwhile, until that is little
//!     Blocks… Pages… RoundEnd ──>               <── RoundAck     rounds of memory
//!     ── the guest stands still ──
//!     Blocks… Pages… RoundEnd ──>               <── RoundAck     the rest, in post-copy too: no block ever comes late
//! ```
//!
//! The destination answers a round when what came in it is on its disks. In a round the blocks of a disk come in order and none twice, so
//! that a round has an end. Blocks that are many zeros are rounds of their own, before the pages of theirs.

use std::ops::Range;

use crate::frame::Fields;
use crate::{GuestError, MigrateError, pages};

/// Bytes of a sector: places and lengths on a disk are whole ones.
pub const SECTOR: u64 = 512;
/// Most bytes of content in one frame.
pub const MAX_BLOCK: u64 = 256 << 10;
/// Most disks of a guest.
const MAX_DISKS: u16 = 256;
/// Most bytes of a disk's name.
const MAX_NAME: u16 = 255;

const PLAIN: u8 = 0;
const ZERO: u8 = 1;
const ZSTD: u8 = 2;

/// A disk that goes with its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskShape {
    /// What both sides call it.
    pub name: String,
    /// Bytes of it, whole sectors.
    pub size: u64,
}

/// What is at the beginning of a range of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Data(Vec<u8>),
    /// So many bytes of zeros.
    Zero(u64),
    /// So many bytes that the destination has already, in what is below the image that is copied.
    Absent(u64),
}

/// The disks at the source.
pub trait SourceDisks {
    /// Those that go with the guest, in their order.
    fn disks(&self) -> Vec<DiskShape>;

    /// Starts noting what is written to them.
    fn track_disks(&mut self) -> Result<(), GuestError>;

    /// What was written since the last call, or since it was first noted: for each disk ranges in order.
    fn take_written(&mut self) -> Result<Vec<Vec<Range<u64>>>, GuestError>;

    /// What is at the beginning of a range of a disk; of data no more than [`MAX_BLOCK`] bytes, and never nothing.
    fn piece(&mut self, disk: usize, range: Range<u64>) -> Result<Piece, GuestError>;
}

/// The disks at the destination. Nobody else uses them until they are settled.
pub trait TargetDisks {
    /// Those that were announced, in their order.
    fn disks(&self) -> Vec<DiskShape>;

    /// Writes bytes to a disk, within it.
    fn write_disk(&mut self, disk: usize, offset: u64, bytes: &[u8]) -> Result<(), GuestError>;

    /// Makes a range of a disk zeros, within it.
    fn zero_disk(&mut self, disk: usize, range: Range<u64>) -> Result<(), GuestError>;

    /// Makes all of it last a crash of the host.
    fn sync_disks(&mut self) -> Result<(), GuestError>;

    /// Everything has come: they are the guest's from now on.
    fn settle_disks(&mut self) -> Result<(), GuestError>;
}

pub(crate) fn encode_shapes(disks: &[DiskShape]) -> Result<Vec<u8>, MigrateError> {
    let refused = || MigrateError::Guest(GuestError("these disks can't go with a guest".to_owned()));
    let mut payload = Vec::new();
    let count = u16::try_from(disks.len()).ok().filter(|count| *count <= MAX_DISKS);
    payload.extend(count.ok_or_else(refused)?.to_le_bytes());
    for disk in disks {
        let length = u16::try_from(disk.name.len()).ok().filter(|length| *length <= MAX_NAME);
        payload.extend(length.ok_or_else(refused)?.to_le_bytes());
        payload.extend(disk.name.as_bytes());
        payload.extend(disk.size.to_le_bytes());
    }
    Ok(payload)
}

pub(crate) fn decode_shapes(payload: &[u8]) -> Result<Vec<DiskShape>, MigrateError> {
    const WRONG: MigrateError = MigrateError::Peer("disks that no guest has");
    let mut fields = Fields(payload);
    let count = fields.u16()?;
    if count > MAX_DISKS {
        return Err(WRONG);
    }
    let mut disks = Vec::new();
    for _ in 0..count {
        let length = fields.u16()?;
        if length > MAX_NAME {
            return Err(WRONG);
        }
        let name = String::from_utf8(fields.bytes(usize::from(length))?.to_vec()).map_err(|_| WRONG)?;
        let size = fields.u64()?;
        if size == 0 || !size.is_multiple_of(SECTOR) || size > i64::MAX as u64 {
            return Err(WRONG);
        }
        disks.push(DiskShape { name, size });
    }
    fields.end()?;
    Ok(disks)
}

/// A frame's payload for bytes of a disk, or for so many zeros where there are none.
pub(crate) fn encode_block(
    disk: usize,
    range: &Range<u64>,
    bytes: Option<&[u8]>,
    compress: bool,
    payload: &mut Vec<u8>,
) {
    let packed = bytes.filter(|_| compress).and_then(pages::pack);
    let (encoding, body) = match (&packed, bytes) {
        (_, None) => (ZERO, &[][..]),
        (Some(packed), _) => (ZSTD, packed.as_slice()),
        (None, Some(bytes)) => (PLAIN, bytes),
    };
    payload.clear();
    payload.extend((disk as u16).to_le_bytes());
    payload.extend([encoding, 0]);
    payload.extend(range.start.to_le_bytes());
    payload.extend((range.end - range.start).to_le_bytes());
    payload.extend(body);
}

/// What came of a disk.
pub(crate) struct Block<'a> {
    pub disk: usize,
    pub range: Range<u64>,
    pub contents: BlockContents<'a>,
}

pub(crate) enum BlockContents<'a> {
    Zero,
    Plain(&'a [u8]),
    Unpacked(Vec<u8>),
}

/// Which disks come, and how far each has come in this round.
pub(crate) struct ArrivedBlocks {
    disks: Vec<DiskShape>,
    upto: Vec<u64>,
    bytes: u64,
}

impl ArrivedBlocks {
    pub fn new(disks: Vec<DiskShape>) -> Self {
        Self { upto: vec![0; disks.len()], disks, bytes: 0 }
    }

    /// Takes a frame in.
    pub fn take<'a>(&mut self, payload: &'a [u8], may_unpack: bool) -> Result<Block<'a>, MigrateError> {
        let mut fields = Fields(payload);
        let disk = usize::from(fields.u16()?);
        let [encoding, pad] = fields.bytes(2)? else { unreachable!("two bytes were taken") };
        let (start, length) = (fields.u64()?, fields.u64()?);
        let body = fields.0;
        let shape = self.disks.get(disk).ok_or(MigrateError::Peer("a block of a disk that does not come"))?;
        let end = start.checked_add(length).filter(|end| length > 0 && *end <= shape.size);
        let end = end.ok_or(MigrateError::Peer("a block outside of its disk"))?;
        if !start.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) {
            return Err(MigrateError::Peer("a block that is not whole sectors"));
        }
        if start < self.upto[disk] {
            return Err(MigrateError::Peer("a block that came before in the same round, or out of order"));
        }
        let contents = match *encoding {
            _ if *pad != 0 => return Err(MigrateError::Peer("a block in an unknown encoding")),
            ZERO if body.is_empty() => BlockContents::Zero,
            ZERO => return Err(MigrateError::Peer("a block of zeros with bytes")),
            _ if length > MAX_BLOCK => return Err(MigrateError::Peer("a block that is too large")),
            PLAIN if body.len() as u64 == length => BlockContents::Plain(body),
            PLAIN => return Err(MigrateError::Peer("a block with another number of bytes than it has")),
            ZSTD if may_unpack => BlockContents::Unpacked(pages::unpack(body, length as usize)?),
            _ => return Err(MigrateError::Peer("a block in an unknown encoding")),
        };
        self.upto[disk] = end;
        self.bytes += length;
        Ok(Block { disk, range: start..end, contents })
    }

    /// Ends a round; the bytes of disks that came in it.
    pub fn end(&mut self) -> u64 {
        self.upto.fill(0);
        std::mem::take(&mut self.bytes)
    }
}

/// Bytes in lists of ranges.
pub(crate) fn count(written: &[Vec<Range<u64>>]) -> u64 {
    written.iter().flatten().map(|range| range.end - range.start).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> Vec<DiskShape> {
        [("virtio-disk0", 1 << 20), ("virtio-disk1", 512)]
            .map(|(name, size)| DiskShape { name: name.to_owned(), size })
            .into()
    }

    #[test]
    fn disks_are_named_and_cut_nowhere() {
        let payload = encode_shapes(&shapes()).unwrap();
        assert_eq!(decode_shapes(&payload).unwrap(), shapes());
        assert!((0..payload.len()).all(|end| decode_shapes(&payload[..end]).is_err()));
        assert!(decode_shapes(&[payload, vec![0]].concat()).is_err());
        for size in [0, 100, u64::MAX - 511] {
            let odd = [DiskShape { name: "vda".to_owned(), size }];
            assert!(decode_shapes(&encode_shapes(&odd).unwrap()).is_err(), "{size}");
        }
        let many = vec![DiskShape { name: String::new(), size: 512 }; 257];
        assert!(encode_shapes(&many).is_err());
        assert!(decode_shapes(&u16::MAX.to_le_bytes()).is_err());
    }

    #[test]
    fn blocks_come_back_in_every_encoding() {
        let bytes = [7; 4096];
        for compress in [false, true] {
            let mut arrived = ArrivedBlocks::new(shapes());
            let mut payload = Vec::new();
            encode_block(0, &(8192..12288), Some(&bytes), compress, &mut payload);
            let block = arrived.take(&payload, true).unwrap();
            assert_eq!((block.disk, block.range), (0, 8192..12288));
            match block.contents {
                BlockContents::Plain(came) if !compress => assert_eq!(came, bytes),
                BlockContents::Unpacked(came) if compress => assert_eq!(came, bytes),
                _ => panic!("another encoding"),
            }
            encode_block(1, &(0..512), None, compress, &mut payload);
            assert!(matches!(arrived.take(&payload, true).unwrap().contents, BlockContents::Zero));
            assert_eq!(arrived.end(), 4096 + 512);
        }
    }

    #[test]
    fn blocks_that_can_not_be_are_refused() {
        let mut good = Vec::new();
        encode_block(0, &(4096..8192), Some(&[7; 4096]), false, &mut good);
        let with = |at: usize, bytes: &[u8]| {
            let mut other = good.clone();
            other[at..at + bytes.len()].copy_from_slice(bytes);
            ArrivedBlocks::new(shapes()).take(&other, true).map(drop)
        };
        assert!(with(0, &[2, 0]).is_err(), "no such disk");
        assert!(with(0, &[1, 0]).is_err(), "outside of the second");
        assert!(with(2, &[9]).is_err(), "no such encoding");
        assert!(with(2, &[ZERO]).is_err(), "zeros with bytes");
        assert!(with(2, &[ZSTD]).is_err(), "not compressed");
        assert!(with(3, &[1]).is_err(), "what is not used is zero");
        assert!(with(4, &100u64.to_le_bytes()).is_err(), "no sector begins there");
        assert!(with(4, &(1u64 << 20).to_le_bytes()).is_err(), "behind the end");
        assert!(with(4, &(u64::MAX - 511).to_le_bytes()).is_err(), "beyond all places");
        assert!(with(12, &0u64.to_le_bytes()).is_err(), "nothing");
        assert!(with(12, &8192u64.to_le_bytes()).is_err(), "fewer bytes than it says");
        assert!(with(12, &(1u64 << 20).to_le_bytes()).is_err(), "too large, and out of the disk");
        let mut arrived = ArrivedBlocks::new(shapes());
        arrived.take(&good, false).unwrap();
        assert!(arrived.take(&good, false).is_err(), "twice in a round");
        arrived.end();
        arrived.take(&good, false).unwrap();
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut payload = Vec::new();
        encode_block(0, &(0..512), Some(&[7; 512]), true, &mut payload);
        let packed = pages::pack(&vec![7; 1 << 20]).unwrap();
        payload.truncate(20);
        payload[2] = ZSTD;
        payload.extend(packed);
        assert!(ArrivedBlocks::new(shapes()).take(&payload, true).is_err());
    }
}
