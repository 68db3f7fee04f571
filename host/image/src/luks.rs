//! LUKS1 containers: the header, and the key behind a passphrase (decisions/0011).
//!
//! ```text
//!   header (592 bytes) ─ key slots 0 to 7, each the master key split 4000 fold and encrypted ─ payload from 2 MiB on
//!   passphrase ─PBKDF2─> slot key ─AES-XTS─> stripes ─merge─> master key ─PBKDF2─> digest, which tells whether it is the right one
//! ```
//!
//! A container that is made here has AES-256 in XTS mode with sector numbers, SHA-256, and one slot: what qemu and cryptsetup make and read.
//! Its payload is what the disk holds; who has the key reads and writes it with a [`LuksCipher`].

mod header;
mod key;
mod payload;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::ImageError;
use crate::file::ImageFile;

use header::{HEADER, Header, SECTOR, Slot, SlotState};
pub use key::Effort;
pub use payload::{LuksCipher, LuksKey};

/// Where the payload of a new container begins, in bytes: what alignment any disk could want.
pub const LUKS_PAYLOAD: u64 = 2 << 20;

/// What the header of a container says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Luks {
    /// Cipher and mode, e.g. `aes-xts-plain64`.
    pub cipher: String,
    /// Hash that keys are derived with.
    pub hash: String,
    /// Bits of the master key.
    pub key_bits: u32,
    /// Where the disk begins in the file, in bytes.
    pub payload: u64,
    /// What the disk has, in bytes.
    pub capacity: u64,
    /// Passphrases that open it.
    pub slots: u32,
    /// Identity of the container.
    pub uuid: String,
}

/// Reads the header of a container; none when the file is no container at all.
pub fn luks_info(file: &ImageFile) -> Result<Option<Luks>, ImageError> {
    let Some(header) = read(file)? else { return Ok(None) };
    let payload = u64::from(header.payload) * SECTOR;
    let slots = header.slots.iter().filter(|slot| slot.state == SlotState::Active).count();
    Ok(Some(Luks {
        cipher: format!("{}-{}", header.cipher, header.mode),
        hash: header.hash.clone(),
        key_bits: header.key_bytes * 8,
        payload,
        capacity: file.len()?.saturating_sub(payload),
        slots: slots as u32,
        uuid: header.uuid,
    }))
}

/// Makes a container of a file: an image of [`LUKS_PAYLOAD`] and `capacity` bytes, which `passphrase` opens. The header is written last.
pub fn luks_create(
    file: &ImageFile,
    capacity: u64,
    passphrase: &[u8],
    effort: Effort,
) -> Result<(), ImageError> {
    let length = capacity.checked_add(LUKS_PAYLOAD).filter(|length| i64::try_from(*length).is_ok());
    let length = length
        .ok_or_else(|| file.refused("created", format!("{capacity} bytes are more than a file has")))?;
    let random = |bytes: &mut [u8]| {
        let drawn = SystemRandom::new().fill(bytes);
        drawn.map_err(|_| file.refused("created", "the kernel gives no random bytes"))
    };
    let mut master = Zeroizing::new([0; key::LONGEST]);
    let mut header = Header::new((LUKS_PAYLOAD / SECTOR) as u32, key::LONGEST as u32);
    random(&mut *master)?;
    random(&mut header.salt)?;
    random(&mut header.slots[0].salt)?;
    header.uuid = random_uuid(&random)?;
    let iterations = effort.iterations();
    header.iterations = (iterations / 8).max(key::LEAST);
    header.digest = key::digest(&*master, &header.salt, header.iterations);
    let slot = Slot { state: SlotState::Active, iterations, ..header.slots[0].clone() };
    let mut material = Zeroizing::new(vec![0; key::LONGEST * slot.stripes as usize]);
    random(&mut material)?;
    key::split(&*master, &mut material);
    key::Cipher::derived(passphrase, &slot, key::LONGEST).encrypt(&mut material, 0);
    let place = u64::from(slot.offset) * SECTOR;
    header.slots[0] = slot;

    file.set_len(length)?;
    file.write(&material, place)?;
    file.sync()?;
    file.write(&header.bytes(), 0)?;
    file.sync()
}

/// True when a passphrase opens a container. It takes as long as whoever made it wanted, within bounds.
pub fn luks_opens(file: &ImageFile, passphrase: &[u8]) -> Result<bool, ImageError> {
    luks_unlock(file, passphrase).map(|key| key.is_some())
}

/// The key of a container; none where the passphrase is not one of its own. It takes as long as whoever made it wanted, within bounds.
pub fn luks_unlock(file: &ImageFile, passphrase: &[u8]) -> Result<Option<LuksKey>, ImageError> {
    let header = read(file)?.ok_or_else(|| file.damaged("it is no LUKS container"))?;
    header.supported().map_err(|reason| file.unsupported(reason))?;
    let length = header.key_bytes as usize;
    for slot in header.slots.iter().filter(|slot| slot.state == SlotState::Active) {
        let mut material = Zeroizing::new(vec![0; length * slot.stripes as usize]);
        file.read_padded(&mut material, u64::from(slot.offset) * SECTOR)?;
        key::Cipher::derived(passphrase, slot, length).decrypt(&mut material, 0);
        let master = key::merge(&material, length);
        if key::digest(&master, &header.salt, header.iterations) == header.digest {
            return Ok(Some(LuksKey::new(master, u64::from(header.payload) * SECTOR)));
        }
    }
    Ok(None)
}

fn read(file: &ImageFile) -> Result<Option<Header>, ImageError> {
    let mut bytes = [0; HEADER];
    file.read_padded(&mut bytes, 0)?;
    if !Header::is_marked(&bytes) {
        return Ok(None);
    }
    let sectors = file.len()? / SECTOR;
    Header::parse(&bytes, sectors).map(Some).map_err(|problem| match problem {
        header::Problem::Version(version) => file.unsupported(format!(
            "it is a LUKS container of version {version}, and version 1 is what is read; convert it with cryptsetup"
        )),
        problem => file.damaged(problem.to_string()),
    })
}

fn random_uuid(random: &dyn Fn(&mut [u8]) -> Result<(), ImageError>) -> Result<String, ImageError> {
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    // RFC 9562: version 4.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}
