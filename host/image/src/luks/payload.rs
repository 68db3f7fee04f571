//! What a container holds, for who has its key.

use std::fmt;

use zeroize::Zeroizing;

use super::header::SECTOR;
use super::key::Cipher;

/// The master key of a container, and where its payload begins. Cleared from memory when it is dropped.
pub struct LuksKey {
    master: Zeroizing<Vec<u8>>,
    payload: u64,
}

impl LuksKey {
    pub(super) fn new(master: Zeroizing<Vec<u8>>, payload: u64) -> Self {
        Self { master, payload }
    }

    /// The key itself: 32 or 64 bytes.
    pub fn expose(&self) -> &[u8] {
        &self.master
    }

    /// Where the disk begins in the file, in bytes.
    pub fn payload(&self) -> u64 {
        self.payload
    }
}

impl fmt::Debug for LuksKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LuksKey").field("payload", &self.payload).finish_non_exhaustive()
    }
}

/// Encrypts and decrypts the sectors of a payload, each by its number from the begin of the disk.
pub struct LuksCipher(Cipher);

impl LuksCipher {
    /// Bytes of a sector.
    pub const SECTOR: u64 = SECTOR;
    /// Bytes of the longest key.
    pub const KEY_MAX: usize = super::key::LONGEST;

    /// The cipher of a master key; none of one that no container has.
    pub fn new(master: &[u8]) -> Option<Self> {
        matches!(master.len(), 32 | 64).then(|| Self(Cipher::new(master)))
    }

    /// Encrypts whole sectors in place; `first` is the number of the first one.
    pub fn encrypt(&self, sectors: &mut [u8], first: u64) {
        self.0.encrypt(sectors, first);
    }

    /// Decrypts whole sectors in place; `first` is the number of the first one.
    pub fn decrypt(&self, sectors: &mut [u8], first: u64) {
        self.0.decrypt(sectors, first);
    }
}

impl fmt::Debug for LuksCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LuksCipher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_is_encrypted_by_its_number() {
        let cipher = LuksCipher::new(&[7; 64]).unwrap();
        let plain: Vec<u8> = (0..1536_u32).map(|at| (at % 251) as u8).collect();
        let mut all = plain.clone();
        cipher.encrypt(&mut all, 5);
        assert_ne!(all, plain);
        let mut middle = plain[512..1024].to_vec();
        cipher.encrypt(&mut middle, 6);
        assert_eq!(middle, all[512..1024]);
        cipher.decrypt(&mut all, 5);
        assert_eq!(all, plain);
        assert!(LuksCipher::new(&[7; 63]).is_none() && LuksCipher::new(&[]).is_none());
    }

    #[test]
    fn keys_are_not_shown() {
        let key = LuksKey::new(Zeroizing::new(vec![0x41; 64]), 4096);
        let shown = format!("{key:?} {:?}", LuksCipher::new(key.expose()));
        assert!(shown.contains("4096") && !shown.contains("65, 65"), "{shown}");
    }
}
