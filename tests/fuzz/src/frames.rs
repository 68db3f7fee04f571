//! What a peer of a migration may say: frames with right checksums and counts, or not, in any order.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use reeve_migrate::PAGE;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Bytes of a sector of a disk.
const SECTOR: u64 = 512;
/// Kinds of frames.
const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const PAGES: u8 = 3;
const ROUND_END: u8 = 4;
const STATE: u8 = 6;
const STATE_END: u8 = 7;
const MISSING: u8 = 12;
const MISSING_END: u8 = 13;
const WANT: u8 = 14;
const RESUME: u8 = 16;
const RESUMED: u8 = 17;
const DISKS: u8 = 18;
const BLOCKS: u8 = 19;
const JOIN: u8 = 20;
const STREAMS: u8 = 21;
const ROUND_MARK: u8 = 22;

/// The guest that both sides speak of.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Pages of its memory, which is one range from 0.
    pub pages: u64,
    /// Bytes of its disk; it is called `disk`, where the side that listens has one.
    pub disk: u64,
}

/// One thing said. A number that is none is the right one.
#[derive(Debug, Arbitrary)]
#[allow(missing_docs, reason = "the fields of a frame are named as in reeve-migrate")]
pub enum Said {
    /// The first frame of a source, or of one that comes again.
    Hello { again: bool, bits: u8, streams: u8, pages: Option<u64> },
    /// The answer to it.
    Welcome { bits: u8, streams: u8 },
    /// The answer to one that comes again.
    Resumed(u64),
    /// Pages, as they are or otherwise.
    Pages { first: u8, pages: u8, content: Content },
    /// Blocks of a disk.
    Blocks { disk: u8, first: u8, sectors: u8, content: Content },
    /// The end of a round, with the bytes of disks where there are some.
    RoundEnd { pages: Option<u64>, blocks: Option<u64>, with_disks: bool },
    /// The end of a round of a stream beside the first one.
    RoundMark(Option<u64>),
    /// So many bytes of state.
    State(u8),
    /// The end of the state.
    StateEnd(Option<u64>),
    /// Pages that come late.
    Missing(Vec<(u8, u8)>),
    /// The end of these.
    MissingEnd(Option<u64>),
    /// Pages that are wanted.
    Want { first: u8, pages: u8, urgent: bool },
    /// The disks that come.
    Disks(Option<Vec<u8>>),
    /// A stream that comes.
    Join { number: u8, stranger: bool },
    /// How many there are.
    Streams(u8),
    /// A frame that has nothing in it.
    Empty(u8),
    /// Any frame.
    Frame(u8, Vec<u8>),
    /// No frame.
    Raw(Vec<u8>),
}

/// What pages or blocks are sent as.
#[derive(Debug, Arbitrary)]
#[allow(missing_docs, reason = "what the bytes were, and which of them is another one")]
pub enum Content {
    /// Zeros.
    Zero,
    /// As they are.
    Plain(u8),
    /// Compressed, and perhaps damaged then.
    Packed { fill: u8, damage: Option<(u16, u8)> },
    /// Any bytes in any encoding.
    Any(u8, Vec<u8>),
}

/// What was said since the last time that it was counted.
#[derive(Default)]
struct Counts {
    pages: u64,
    blocks: u64,
    state: u64,
    missing: u64,
}

/// All of it as bytes.
pub fn encode(said: &[Said], shape: Shape) -> Vec<u8> {
    let (mut stream, mut counts) = (Vec::new(), Counts::default());
    for one in said {
        match payload(one, shape, &mut counts) {
            Some((kind, payload)) => frame(kind, &payload, &mut stream),
            None => {
                if let Said::Raw(bytes) = one {
                    stream.extend(bytes);
                }
            }
        }
    }
    stream
}

fn frame(kind: u8, payload: &[u8], stream: &mut Vec<u8>) {
    let length = (payload.len() as u32).to_le_bytes();
    stream.push(kind);
    stream.extend(&checksum(kind, &length)[..3]);
    stream.extend(length);
    stream.extend(checksum(kind, payload));
    stream.extend(payload);
}

fn checksum(kind: u8, payload: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// Kind and payload of a frame; none for what is no frame.
fn payload(said: &Said, shape: Shape, counts: &mut Counts) -> Option<(u8, Vec<u8>)> {
    let take = std::mem::take::<u64>;
    Some(match said {
        Said::Hello { again, bits, streams, pages } => {
            let mut payload = b"reevemig\x01\0\x01\0".to_vec();
            payload.extend(u32::from(*bits).to_le_bytes());
            payload.extend(u16::from(*streams).to_le_bytes());
            payload.extend([0; 16]);
            payload.extend(1u32.to_le_bytes());
            payload.extend(0u64.to_le_bytes());
            payload.extend(pages.unwrap_or(shape.pages).wrapping_mul(PAGE).to_le_bytes());
            (if *again { RESUME } else { HELLO }, payload)
        }
        Said::Welcome { bits, streams } => {
            let mut payload = 1u16.to_le_bytes().to_vec();
            payload.extend(u32::from(*bits).to_le_bytes());
            payload.extend(u16::from(*streams).to_le_bytes());
            (WELCOME, payload)
        }
        Said::Resumed(missing) => (RESUMED, missing.to_le_bytes().to_vec()),
        Said::Pages { first, pages, content } => {
            counts.pages += u64::from(*pages);
            let (encoding, bytes) = content.bytes(u64::from(*pages) * PAGE);
            let mut payload = (u64::from(*first) * PAGE).to_le_bytes().to_vec();
            payload.extend(u32::from(*pages).to_le_bytes());
            payload.extend([encoding, 0, 0, 0]);
            payload.extend(bytes);
            (PAGES, payload)
        }
        Said::Blocks { disk, first, sectors, content } => {
            let length = u64::from(*sectors) * SECTOR;
            counts.blocks += length;
            let (encoding, bytes) = content.bytes(length);
            let mut payload = u16::from(*disk).to_le_bytes().to_vec();
            payload.extend([encoding, 0]);
            payload.extend((u64::from(*first) * SECTOR).to_le_bytes());
            payload.extend(length.to_le_bytes());
            payload.extend(bytes);
            (BLOCKS, payload)
        }
        Said::RoundEnd { pages, blocks, with_disks } => {
            let (counted, of_disks) = (take(&mut counts.pages), take(&mut counts.blocks));
            let mut payload = pages.unwrap_or(counted).to_le_bytes().to_vec();
            if *with_disks {
                payload.extend(blocks.unwrap_or(of_disks).to_le_bytes());
            }
            (ROUND_END, payload)
        }
        Said::RoundMark(pages) => {
            let counted = take(&mut counts.pages);
            (ROUND_MARK, pages.unwrap_or(counted).to_le_bytes().to_vec())
        }
        Said::State(length) => {
            counts.state += u64::from(*length);
            (STATE, vec![1; usize::from(*length)])
        }
        Said::StateEnd(bytes) => (STATE_END, bytes.unwrap_or(counts.state).to_le_bytes().to_vec()),
        Said::Missing(runs) => {
            let mut payload = Vec::new();
            for (first, end) in runs {
                counts.missing += u64::from(end.saturating_sub(*first));
                payload.extend((u64::from(*first) * PAGE).to_le_bytes());
                payload.extend((u64::from(*end) * PAGE).to_le_bytes());
            }
            (MISSING, payload)
        }
        Said::MissingEnd(pages) => (MISSING_END, pages.unwrap_or(counts.missing).to_le_bytes().to_vec()),
        Said::Want { first, pages, urgent } => {
            let mut payload = (u64::from(*first) * PAGE).to_le_bytes().to_vec();
            payload.extend(u32::from(*pages).to_le_bytes());
            payload.extend(u32::from(*urgent).to_le_bytes());
            (WANT, payload)
        }
        Said::Disks(Some(bytes)) => (DISKS, bytes.clone()),
        Said::Disks(None) => {
            let mut payload = b"\x01\0\x04\0disk".to_vec();
            payload.extend(shape.disk.to_le_bytes());
            (DISKS, payload)
        }
        Said::Join { number, stranger } => {
            let mut payload = vec![u8::from(*stranger); 16];
            payload.extend(u16::from(*number).to_le_bytes());
            (JOIN, payload)
        }
        Said::Streams(total) => (STREAMS, u16::from(*total).to_le_bytes().to_vec()),
        Said::Empty(kind) => (*kind, Vec::new()),
        Said::Frame(kind, payload) => (*kind, payload.clone()),
        Said::Raw(_) => return None,
    })
}

impl Content {
    /// Encoding and body of so many bytes.
    fn bytes(&self, length: u64) -> (u8, Vec<u8>) {
        let filled = |fill: &u8| vec![*fill; length as usize];
        match self {
            Self::Plain(fill) => (0, filled(fill)),
            Self::Zero => (1, Vec::new()),
            Self::Packed { fill, damage } => {
                let mut packed = compress_to_vec(filled(fill).as_slice(), CompressionLevel::Fastest);
                if let Some((at, value)) = damage
                    && !packed.is_empty()
                {
                    let at = usize::from(*at) % packed.len();
                    packed[at] ^= value;
                }
                (2, packed)
            }
            Self::Any(encoding, bytes) => (*encoding, bytes.clone()),
        }
    }
}
