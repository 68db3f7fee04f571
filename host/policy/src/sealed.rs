//! Compiled code under a seal, and the one place where code that was not compiled a moment ago is run: the only `unsafe` of this
//! crate (host/decisions/0006).
//!
//! ```text
//!   file = magic (8) ─ HMAC-SHA256 (32) of key, name and code ─ code
//! ```
//!
//! The key is this host's own and never leaves it, so a seal that fits was put there by this engine on this host: a file that was
//! planted, copied from another host, renamed or cut short is not code.
#![allow(unsafe_code)]

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"reevecw1";
const SEAL: usize = 32;
const HEADER: usize = MAGIC.len() + SEAL;

/// The secret of this host: one block of the hash.
pub(crate) type Key = [u8; 64];

/// Code whose seal was found to fit. Only [`open`] makes one.
pub(crate) struct OwnCode<'a>(&'a [u8]);

/// What goes in front of `code` in a file called `name`.
pub(crate) fn seal(key: &Key, name: &str, code: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&mac(key, name, code).finalize().into_bytes());
    header
}

/// The code of a file called `name`; none when the seal does not fit.
pub(crate) fn open<'a>(key: &Key, name: &str, file: &'a [u8]) -> Option<OwnCode<'a>> {
    let (header, code) = file.split_at_checked(HEADER)?;
    let seal = header.strip_prefix(MAGIC)?;
    mac(key, name, code).verify_slice(seal).ok()?;
    Some(OwnCode(code))
}

fn mac(key: &Key, name: &str, code: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new(key.into());
    mac.update(&(name.len() as u64).to_le_bytes());
    mac.update(name.as_bytes());
    mac.update(code);
    mac
}

/// Makes a component of code that this engine compiled before. An error means another wasmtime or another configuration made it.
pub(crate) fn thaw(engine: &Engine, code: &OwnCode<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` needs bytes that `Component::serialize` gave. An `OwnCode` exists only where the seal fitted, and
    // seals are made of what `serialize` returned a moment before, with a key that only this user of this host can read.
    unsafe { Component::deserialize(engine, code.0) }
}

#[cfg(test)]
mod tests {
    use super::{Key, open, seal};

    const KEY: Key = [7; 64];

    #[test]
    fn a_seal_fits_one_key_one_name_and_one_code() {
        let mut file = seal(&KEY, "a", b"code");
        file.extend_from_slice(b"code");
        assert!(open(&KEY, "a", &file).is_some());
        assert!(open(&[8; 64], "a", &file).is_none(), "another host");
        assert!(open(&KEY, "b", &file).is_none(), "renamed");
        for cut in 0..file.len() {
            assert!(open(&KEY, "a", &file[..cut]).is_none(), "cut to {cut} bytes");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(open(&KEY, "a", &damaged).is_none(), "byte {at}");
        }
    }
}
