//! Values of secrets under a seal: ChaCha20-Poly1305 with a key of this host.
//!
//! ```text
//!   sealed = version (1) ─ nonce (12) ─ ciphertext ─ tag (16)          bound to the secret's UUID
//!   key    = secrets.key beside the database, 32 bytes, mode 0600
//! ```
//!
//! Whoever has the database alone, a backup of it say, has no value. The key is read when it is needed and cleared from memory after.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reeve_model::secret::SecretValue;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::StoreError;

const KEY: &str = "secrets.key";
const KEY_LENGTH: usize = 32;
const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"reeve secret 1 ";

/// Where the key is.
#[derive(Debug)]
pub(crate) struct Seal {
    path: PathBuf,
}

impl Seal {
    /// The seal of the host whose state is in `directory`. Nothing is read or made.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join(KEY) }
    }

    /// Seals a value. A key that is missing is made where `fresh` says that nothing is sealed with it.
    pub(crate) fn close(&self, uuid: Uuid, value: &SecretValue, fresh: bool) -> Result<Vec<u8>, StoreError> {
        let key = match self.read_key() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => self.make_key(),
            key => key,
        };
        let key = key.map_err(|error| self.refused(&error))?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| self.broken("the kernel gives no random bytes"))?;
        let mut sealed =
            Vec::with_capacity(1 + NONCE_LEN + value.expose().len() + CHACHA20_POLY1305.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        // Encrypted where it is, so that no other copy of it is left.
        let mut body = Vec::with_capacity(value.expose().len() + CHACHA20_POLY1305.tag_len());
        body.extend_from_slice(value.expose());
        cipher(&key)
            .and_then(|cipher| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                cipher.seal_in_place_append_tag(nonce, bound(uuid), &mut body)
            })
            .map_err(|_| self.broken("a value can't be sealed with it"))?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens a sealed value.
    pub(crate) fn open(&self, uuid: Uuid, sealed: &[u8]) -> Result<SecretValue, StoreError> {
        let damaged = || StoreError::Sealed(uuid);
        let key = self.read_key().map_err(|error| self.refused(&error))?;
        let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let cipher = cipher(&key).map_err(|_| damaged())?;
        let value = cipher
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound(uuid), &mut body)
            .map_err(|_| damaged())?;
        SecretValue::new(value.to_vec()).map_err(|_| damaged())
    }

    fn read_key(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).custom_flags(nofollow).open(&self.path)?;
        let found = file.metadata()?;
        let owner = rustix::process::geteuid().as_raw();
        if !found.is_file() || found.uid() != owner || found.mode() & 0o077 != 0 {
            let reason = format!("it must be a file of uid {owner} with mode 0600");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let mut key = Zeroizing::new(vec![0; KEY_LENGTH]);
        file.read_exact(&mut key)?;
        match file.read(&mut [0])? {
            0 => Ok(key),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than a key")),
        }
    }

    /// Makes a key; one that another thread made first counts.
    fn make_key(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(vec![0; KEY_LENGTH]);
        let drawn = SystemRandom::new().fill(&mut key);
        drawn.map_err(|_| io::Error::other("the kernel gives no random bytes"))?;
        let part = self.path.with_extension(format!("key.{}", Uuid::new_v4()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()));
        // Whole or not there: a link never replaces.
        let linked = written.and_then(|()| std::fs::hard_link(&part, &self.path));
        std::fs::remove_file(&part)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.read_key()
    }

    fn refused(&self, error: &io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::NotFound => self.broken(
                "it is missing, and values are sealed with it; put it back, or undefine the secrets that have a value",
            ),
            _ => self.broken(&error.to_string()),
        }
    }

    fn broken(&self, reason: &str) -> StoreError {
        StoreError::Key { path: self.path.clone(), reason: reason.to_owned() }
    }
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, ring::error::Unspecified> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new)
}

/// A sealed value opens as that of its own secret only.
fn bound(uuid: Uuid) -> Aad<Vec<u8>> {
    Aad::from([DOMAIN, uuid.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_value_opens_for_its_secret_with_its_key_only() {
        let directory = tempfile::tempdir().unwrap();
        let seal = Seal::new(directory.path());
        let (uuid, value) = (Uuid::new_v4(), SecretValue::new(b"open sesame".to_vec()).unwrap());
        let sealed = seal.close(uuid, &value, true).unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"open"));
        assert_eq!(seal.open(uuid, &sealed).unwrap(), value);
        assert_ne!(seal.close(uuid, &value, true).unwrap(), sealed, "a nonce was used again");
        assert!(matches!(seal.open(Uuid::new_v4(), &sealed), Err(StoreError::Sealed(_))));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(seal.open(uuid, &damaged).is_err(), "byte {at}");
            assert!(seal.open(uuid, &sealed[..at]).is_err(), "cut to {at} bytes");
        }
        std::fs::remove_file(&seal.path).unwrap();
        let error = seal.close(uuid, &value, false).unwrap_err();
        assert!(error.to_string().contains("it is missing"), "{error}");
        seal.close(uuid, &value, true).unwrap();
        assert!(matches!(seal.open(uuid, &sealed), Err(StoreError::Sealed(_))), "another key");
    }

    #[test]
    fn the_key_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let seal = Seal::new(directory.path());
        let (uuid, value) = (Uuid::new_v4(), SecretValue::new(vec![1]).unwrap());
        let sealed = seal.close(uuid, &value, true).unwrap();
        assert_eq!(std::fs::metadata(&seal.path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        std::fs::set_permissions(&seal.path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = seal.open(uuid, &sealed).unwrap_err();
        assert!(error.to_string().contains("mode 0600"), "{error}");
        std::fs::remove_file(&seal.path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &seal.path).unwrap();
        assert!(matches!(seal.open(uuid, &sealed), Err(StoreError::Key { .. })));
    }
}
