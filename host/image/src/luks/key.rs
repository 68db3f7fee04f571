//! Keys of a container: derived from passphrases, split so that a part of them is worth nothing, encrypted.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use aes::cipher::KeyInit;
use aes::{Aes128, Aes256};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest as hash};
use ring::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use xts_mode::{Xts128, get_tweak_default};
use zeroize::{Zeroize, Zeroizing};

use super::header::{SECTOR, Slot};

/// Bytes of the longest master key: two of AES-256.
pub(super) const LONGEST: usize = 64;
/// The fewest rounds of PBKDF2 that a new container has.
pub(super) const LEAST: u32 = 1000;
/// The most rounds that are computed for anybody: half a minute.
pub(super) const MOST: u32 = 50_000_000;

/// How long an attacker shall need for every guess of a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As long as this host needs in a second.
    Second,
    /// As little as the format allows, for passphrases that are random keys themselves.
    Least,
}

impl Effort {
    /// Rounds of PBKDF2 for that, measured now.
    pub(super) fn iterations(self) -> u32 {
        const TRIAL: u32 = 20_000;
        match self {
            Self::Least => LEAST,
            Self::Second => {
                let begun = Instant::now();
                let mut out = [0; LONGEST];
                pbkdf2(b"passphrase", &[0; 32], TRIAL, &mut out);
                let taken = begun.elapsed().max(Duration::from_micros(100));
                let rounds = f64::from(TRIAL) / taken.as_secs_f64();
                // As a cast saturates, a clock that jumps does no harm.
                (rounds as u32).clamp(100_000, MOST / 4)
            }
        }
    }
}

fn pbkdf2(passphrase: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
    let iterations = NonZeroU32::new(iterations).expect("a header without rounds is refused");
    derive(PBKDF2_HMAC_SHA256, iterations, salt, passphrase, out);
}

/// What tells whether a master key is the right one.
pub(super) fn digest(master: &[u8], salt: &[u8; 32], iterations: u32) -> [u8; 20] {
    let mut out = [0; 20];
    pbkdf2(master, salt, iterations, &mut out);
    out
}

/// AES in XTS mode, of key slots and of the payload.
pub(super) enum Cipher {
    Aes128(Box<Xts128<Aes128>>),
    Aes256(Box<Xts128<Aes256>>),
}

impl Cipher {
    /// The one that a passphrase gives for a slot of a container whose master key has `length` bytes, 32 or 64.
    pub(super) fn derived(passphrase: &[u8], slot: &Slot, length: usize) -> Self {
        let mut key = Zeroizing::new([0; LONGEST]);
        let key = &mut key[..length];
        pbkdf2(passphrase, &slot.salt, slot.iterations, key);
        Self::new(key)
    }

    /// The one of a key of 32 or 64 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let (one, other) = key.split_at(key.len() / 2);
        let sized = "a key has the length that was checked";
        match key.len() {
            32 => Self::Aes128(Box::new(Xts128::new(
                Aes128::new_from_slice(one).expect(sized),
                Aes128::new_from_slice(other).expect(sized),
            ))),
            _ => Self::Aes256(Box::new(Xts128::new(
                Aes256::new_from_slice(one).expect(sized),
                Aes256::new_from_slice(other).expect(sized),
            ))),
        }
    }

    /// Whole sectors, of which the first has this number.
    pub(super) fn encrypt(&self, sectors: &mut [u8], first: u64) {
        let (size, first) = (SECTOR as usize, u128::from(first));
        match self {
            Self::Aes128(cipher) => cipher.encrypt_area(sectors, size, first, get_tweak_default),
            Self::Aes256(cipher) => cipher.encrypt_area(sectors, size, first, get_tweak_default),
        }
    }

    /// Whole sectors, of which the first has this number.
    pub(super) fn decrypt(&self, sectors: &mut [u8], first: u64) {
        let (size, first) = (SECTOR as usize, u128::from(first));
        match self {
            Self::Aes128(cipher) => cipher.decrypt_area(sectors, size, first, get_tweak_default),
            Self::Aes256(cipher) => cipher.decrypt_area(sectors, size, first, get_tweak_default),
        }
    }
}

/// Writes the last stripe of a split key. `material` is random but for that, and all of it is needed to have the key again.
pub(super) fn split(master: &[u8], material: &mut [u8]) {
    let last = material.len() - master.len();
    let mut sum = gathered(&material[..last], master.len());
    for (byte, part) in material[last..].iter_mut().zip(master.iter().zip(sum.iter())) {
        *byte = part.0 ^ part.1;
    }
    sum.zeroize();
}

/// The key of which `material` is the split form.
pub(super) fn merge(material: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let last = material.len() - length;
    let mut sum = gathered(&material[..last], length);
    for (byte, stripe) in sum.iter_mut().zip(&material[last..]) {
        *byte ^= stripe;
    }
    sum
}

/// All stripes but the last, each mixed into those before.
fn gathered(stripes: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut sum = Zeroizing::new(vec![0; length]);
    for stripe in stripes.chunks_exact(length) {
        sum.iter_mut().zip(stripe).for_each(|(byte, other)| *byte ^= other);
        diffuse(&mut sum);
    }
    sum
}

/// Spreads every bit over its block.
fn diffuse(bytes: &mut [u8]) {
    for (index, block) in bytes.chunks_mut(SHA256_OUTPUT_LEN).enumerate() {
        let mut input = Zeroizing::new((index as u32).to_be_bytes().to_vec());
        input.extend_from_slice(block);
        let length = block.len();
        block.copy_from_slice(&hash(&SHA256, &input).as_ref()[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_key_needs_every_stripe() {
        let master: Vec<u8> = (0..64).collect();
        let mut material: Vec<u8> = (0..64 * 4000_usize).map(|at| (at * 7 % 251) as u8).collect();
        split(&master, &mut material);
        assert_eq!(*merge(&material, 64), master);
        for at in [0, 64 * 2000, material.len() - 1] {
            let mut damaged = material.clone();
            damaged[at] ^= 1;
            assert_ne!(*merge(&damaged, 64), master, "byte {at}");
        }
    }

    #[test]
    fn a_second_is_measured_within_bounds() {
        assert!((100_000..=MOST / 4).contains(&Effort::Second.iterations()));
        assert_eq!(Effort::Least.iterations(), LEAST);
    }
}
