//! The header of a LUKS1 container, big-endian. It is hostile: every number in it is judged here, before anything is read or computed by it.

use super::key::{LONGEST, MOST};

/// What places and lengths count in.
pub(super) const SECTOR: u64 = 512;
/// Bytes of the header.
pub(super) const HEADER: usize = 592;
/// Passphrases that a container can have.
pub(super) const SLOTS: usize = 8;

const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";
const VERSION: u16 = 1;
const ACTIVE: u32 = 0x00ac_71f3;
const UNUSED: u32 = 0x0000_dead;
/// Copies that a key is split into, in every container there is.
const STRIPES: u32 = 4000;
/// Where the first key slot is, in sectors: page aligned.
const FIRST: u32 = 8;

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) cipher: String,
    pub(super) mode: String,
    pub(super) hash: String,
    /// Where the payload begins, in sectors.
    pub(super) payload: u32,
    pub(super) key_bytes: u32,
    pub(super) digest: [u8; 20],
    pub(super) salt: [u8; 32],
    pub(super) iterations: u32,
    pub(super) uuid: String,
    pub(super) slots: [Slot; SLOTS],
}

/// One key slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) iterations: u32,
    pub(super) salt: [u8; 32],
    /// Where its key material is, in sectors.
    pub(super) offset: u32,
    pub(super) stripes: u32,
}

/// Whether a slot has a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SlotState {
    Active,
    #[default]
    Unused,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is a LUKS container of version {0}")]
    Version(u16),
    #[error("its {0} is no text")]
    Text(&'static str),
    #[error("its master key has {0} bytes, not 16 to 64")]
    KeyLength(u32),
    #[error("its payload begins at sector {0}, which is not within the file")]
    Payload(u32),
    #[error("its key slot {0} is neither in use nor unused")]
    SlotState(usize),
    #[error("its key slot {0} is split {1} fold, not {STRIPES} fold")]
    Stripes(usize, u32),
    #[error("its key slot {0} is not between the header and the payload")]
    Place(usize),
    #[error("it wants {0} rounds of PBKDF2, which would keep the host busy for minutes")]
    Iterations(u32),
}

impl Header {
    /// A header without any key.
    pub(super) fn new(payload: u32, key_bytes: u32) -> Self {
        let room = (key_bytes * STRIPES).div_ceil(SECTOR as u32).next_multiple_of(FIRST);
        let slot = |index: u32| Slot { offset: FIRST + index * room, stripes: STRIPES, ..Slot::default() };
        Self {
            cipher: "aes".to_owned(),
            mode: "xts-plain64".to_owned(),
            hash: "sha256".to_owned(),
            payload,
            key_bytes,
            digest: [0; 20],
            salt: [0; 32],
            iterations: 0,
            uuid: String::new(),
            slots: std::array::from_fn(|index| slot(index as u32)),
        }
    }

    /// True when the bytes look like a container of any version.
    pub(super) fn is_marked(bytes: &[u8; HEADER]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads the header of a file of so many sectors.
    pub(super) fn parse(bytes: &[u8; HEADER], sectors: u64) -> Result<Self, Problem> {
        let mut fields = Fields(&bytes[MAGIC.len()..]);
        let version = fields.short();
        if version != VERSION {
            return Err(Problem::Version(version));
        }
        let (cipher, mode) = (fields.text::<32>("cipher")?, fields.text::<32>("cipher mode")?);
        let hash = fields.text::<32>("hash")?;
        let (payload, key_bytes) = (fields.word(), fields.word());
        let (digest, salt, iterations) = (fields.array(), fields.array(), fields.word());
        let uuid = fields.text::<40>("UUID")?;
        if !(16..=LONGEST as u32).contains(&key_bytes) {
            return Err(Problem::KeyLength(key_bytes));
        }
        if payload == 0 || u64::from(payload) > sectors {
            return Err(Problem::Payload(payload));
        }
        bounded(iterations)?;
        let mut slots: [Slot; SLOTS] = Default::default();
        for (index, slot) in slots.iter_mut().enumerate() {
            let state = match fields.word() {
                ACTIVE => SlotState::Active,
                UNUSED => SlotState::Unused,
                _ => return Err(Problem::SlotState(index)),
            };
            *slot = Slot {
                state,
                iterations: fields.word(),
                salt: fields.array(),
                offset: fields.word(),
                stripes: fields.word(),
            };
            if state == SlotState::Active {
                slot.check(index, key_bytes, payload)?;
            }
        }
        Ok(Self { cipher, mode, hash, payload, key_bytes, digest, salt, iterations, uuid, slots })
    }

    /// Why the container can't be opened here, though its header is sound.
    pub(super) fn supported(&self) -> Result<(), String> {
        let Self { cipher, mode, hash, key_bytes, .. } = self;
        match (cipher.as_str(), mode.as_str(), hash.as_str(), key_bytes) {
            ("aes", "xts-plain64", "sha256", 32 | 64) => Ok(()),
            _ => Err(format!(
                "it is encrypted with {cipher}-{mode}, {hash} and {} bits; aes-xts-plain64 with sha256 and 256 or 512 bits is what can be opened",
                key_bytes * 8
            )),
        }
    }

    /// The header as it is on the disk.
    pub(super) fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut at = 0;
        let mut put = |field: &[u8], room: usize| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += room;
        };
        put(&MAGIC, MAGIC.len());
        put(&VERSION.to_be_bytes(), 2);
        for text in [&self.cipher, &self.mode, &self.hash] {
            put(text.as_bytes(), 32);
        }
        put(&self.payload.to_be_bytes(), 4);
        put(&self.key_bytes.to_be_bytes(), 4);
        put(&self.digest, 20);
        put(&self.salt, 32);
        put(&self.iterations.to_be_bytes(), 4);
        put(self.uuid.as_bytes(), 40);
        for slot in &self.slots {
            let state = if slot.state == SlotState::Active { ACTIVE } else { UNUSED };
            put(&state.to_be_bytes(), 4);
            put(&slot.iterations.to_be_bytes(), 4);
            put(&slot.salt, 32);
            put(&slot.offset.to_be_bytes(), 4);
            put(&slot.stripes.to_be_bytes(), 4);
        }
        bytes
    }
}

impl Slot {
    fn check(&self, index: usize, key_bytes: u32, payload: u32) -> Result<(), Problem> {
        if self.stripes != STRIPES {
            return Err(Problem::Stripes(index, self.stripes));
        }
        bounded(self.iterations)?;
        let sectors = (key_bytes * STRIPES).div_ceil(SECTOR as u32);
        let end = self.offset.checked_add(sectors).filter(|end| *end <= payload);
        match end {
            Some(_) if u64::from(self.offset) * SECTOR >= HEADER as u64 => Ok(()),
            _ => Err(Problem::Place(index)),
        }
    }
}

fn bounded(iterations: u32) -> Result<(), Problem> {
    if (1..=MOST).contains(&iterations) { Ok(()) } else { Err(Problem::Iterations(iterations)) }
}

/// Fields one after the other; the header is as long as they are.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("the header is as long as its fields");
        self.0 = rest;
        *field
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn text<const N: usize>(&mut self, what: &'static str) -> Result<String, Problem> {
        let field: [u8; N] = self.array();
        let end = field.iter().position(|byte| *byte == 0).ok_or(Problem::Text(what))?;
        let is_text = field[..end].iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(&field[..end]).ok().filter(|_| is_text);
        text.map(str::to_owned).ok_or(Problem::Text(what))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECTORS: u64 = 8192;

    fn sound() -> Header {
        let mut header = Header::new(4096, 64);
        header.uuid = "0a81f5b2-8403-4b23-88d6-21ccc2f80d6f".to_owned();
        header.iterations = 1000;
        header.slots[0].state = SlotState::Active;
        header.slots[0].iterations = 1000;
        header
    }

    #[test]
    fn a_header_reads_back() {
        assert_eq!(Header::parse(&sound().bytes(), SECTORS), Ok(sound()));
        let last = &sound().slots[SLOTS - 1];
        assert!(last.offset + 504 <= 4096, "the slots run into the payload");
    }

    #[test]
    fn numbers_that_would_hurt_are_refused() {
        let with = |change: &dyn Fn(&mut Header)| {
            let mut header = sound();
            change(&mut header);
            Header::parse(&header.bytes(), SECTORS).unwrap_err()
        };
        assert_eq!(with(&|header| header.key_bytes = 1 << 30), Problem::KeyLength(1 << 30));
        assert_eq!(with(&|header| header.payload = 8193), Problem::Payload(8193));
        assert_eq!(with(&|header| header.payload = 0), Problem::Payload(0));
        assert_eq!(with(&|header| header.iterations = u32::MAX), Problem::Iterations(u32::MAX));
        assert_eq!(with(&|header| header.slots[0].iterations = 0), Problem::Iterations(0));
        assert_eq!(with(&|header| header.slots[0].stripes = u32::MAX), Problem::Stripes(0, u32::MAX));
        assert_eq!(with(&|header| header.slots[0].offset = u32::MAX), Problem::Place(0));
        assert_eq!(with(&|header| header.slots[0].offset = 1), Problem::Place(0));
        assert_eq!(with(&|header| header.slots[0].offset = 4000), Problem::Place(0));
    }

    proptest! {
        /// Whatever a byte is, the header is read or refused, and what is read is within the file.
        #[test]
        fn any_header_is_judged(at in 0..HEADER, byte in any::<u8>(), more in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = sound().bytes();
            bytes[at] = byte;
            let end = (at + more.len()).min(HEADER);
            bytes[at..end].copy_from_slice(&more[..end - at]);
            if let Ok(header) = Header::parse(&bytes, SECTORS) {
                prop_assert!(u64::from(header.payload) <= SECTORS && header.key_bytes <= 64);
                prop_assert!(header.slots.iter().filter(|slot| slot.state == SlotState::Active).all(|slot| slot.iterations <= MOST));
            }
        }
    }
}
