//! Keys in PEM: ed25519 to sign and to verify, ECDSA on P-256 to verify what others signed.
//!
//! Public keys are SubjectPublicKeyInfo, private keys PKCS#8 without a password, protected by the mode of their file. Both are
//! what `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use zeroize::Zeroizing;

use crate::digest::Digest;

const FILE_LIMIT: u64 = 64 << 10;
/// A SubjectPublicKeyInfo up to its key: the algorithm has no choices, so neither has its encoding.
const ED25519_PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same for ECDSA on P-256, up to the uncompressed point.
const P256_PUBLIC: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// PKCS#8, version 1, up to the seed.
const ED25519_PRIVATE: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const SEED: usize = 32;

/// Why a key can't be used. What is in a private key is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("key '{}' cannot be {doing}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others may read a private key.
    #[error("private key '{}' can be read by others (mode {mode:o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("'{name}' is not a {wanted}: {reason}")]
    Wrong {
        /// The file, or what stands for it.
        name: String,
        /// What it should be.
        wanted: &'static str,
        /// Why it is not.
        reason: &'static str,
    },
    /// There is no randomness.
    #[error("the kernel gives no random numbers")]
    Random,
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    key: Vec<u8>,
    id: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    P256,
}

impl PublicKey {
    /// Reads a PEM file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = read(path)?;
        Self::from_pem(&path.display().to_string(), &text)
    }

    /// Reads PEM text; `name` stands for it in errors.
    pub fn from_pem(name: &str, text: &[u8]) -> Result<Self, KeyError> {
        let wrong = |reason| KeyError::Wrong { name: name.to_owned(), wanted: "public key", reason };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text)
            .map_err(|_| wrong("it has no PEM block '-----BEGIN PUBLIC KEY-----'"))?;
        let (algorithm, key) = if let Some(key) =
            der.strip_prefix(&ED25519_PUBLIC).filter(|key| key.len() == 32)
        {
            (Algorithm::Ed25519, key)
        } else if let Some(key) = der.strip_prefix(&P256_PUBLIC).filter(|key| key.len() == 65 && key[0] == 4)
        {
            (Algorithm::P256, key)
        } else {
            return Err(wrong("only ed25519 and ECDSA on P-256 (uncompressed) are known"));
        };
        Ok(Self { algorithm, key: key.to_vec(), id: Digest::of(&der) })
    }

    /// Digest of the whole key, by which people and logs know it.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn ring::signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::Ed25519 => &ED25519,
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
        };
        UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} key {}", self.algorithm, self.id)
    }
}

/// A key that signs: ed25519.
pub struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// Makes a new pair: `path` with the private key, for its owner only, and `path.pub`. Neither may exist.
    pub fn generate(path: &Path) -> Result<PublicKey, KeyError> {
        let mut pkcs8 = Zeroizing::new([0; ED25519_PRIVATE.len() + SEED]);
        pkcs8[..ED25519_PRIVATE.len()].copy_from_slice(&ED25519_PRIVATE);
        SystemRandom::new().fill(&mut pkcs8[ED25519_PRIVATE.len()..]).map_err(|_| KeyError::Random)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8[..]).map_err(|_| KeyError::Random)?;
        let public = [&ED25519_PUBLIC, pair.public_key().as_ref()].concat();
        let text = pem("PUBLIC KEY", &public);
        let beside = public_path(path);
        // The public half first: a private key without it would have to be made again.
        write_new(&beside, 0o644, text.as_bytes())?;
        if let Err(error) = write_new(path, 0o600, pem("PRIVATE KEY", &pkcs8[..]).as_bytes()) {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        PublicKey::from_pem(&beside.display().to_string(), text.as_bytes())
    }

    /// Reads a private key that nobody but its owner may read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let meta = std::fs::metadata(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            doing: "read",
            source,
        })?;
        let mode = meta.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        Self::from_pem(&path.display().to_string(), &read(path)?)
    }

    fn from_pem(name: &str, text: &[u8]) -> Result<Self, KeyError> {
        let wrong = |reason| KeyError::Wrong { name: name.to_owned(), wanted: "private key", reason };
        if text.windows(16).any(|part| part == b"-----BEGIN ENCRY") {
            return Err(wrong("it has a password; write it without one, in a file that only you can read"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text)
            .map_err(|_| wrong("it has no PEM block '-----BEGIN PRIVATE KEY-----'"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| wrong("only ed25519 signs"))?;
        Ok(Self(pair))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let key = self.0.public_key().as_ref();
        let der = [&ED25519_PUBLIC, key].concat();
        PublicKey { algorithm: Algorithm::Ed25519, key: key.to_vec(), id: Digest::of(&der) }
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private half of {:?}", self.public())
    }
}

/// Where the public half of a new key is written: the same name with `.pub` after it.
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), doing: "read", source };
    let mut text = Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(FILE_LIMIT).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn write_new(path: &Path, mode: u32, text: &[u8]) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), doing: "written", source };
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(failed)
}

fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    for start in (0..body.len()).step_by(64) {
        text.push_str(&body[start..body.len().min(start + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl ecparam -name prime256v1 -genkey`.
    const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGSaphTJ0gYbTJOnOEggc7U+Nyvbf
CEZaLS7J35g594kA1V8SUKK3xcdpOb/Rccd/zlz5zwZdoHDC3wu4wmU5eQ==
-----END PUBLIC KEY-----
";
    /// Made with it by `openssl dgst -sha256 -sign` over "hello" and a line end.
    const P256_SIGNATURE: &str =
        "MEYCIQCmxRlFCbWVJPGC1srLnunwEThLm3/2Ex2zy8Peb+/RggIhAJlTrfGt9U2NGnO2do0ZpL0V2NANJCAHfpW1lDVn0Ulq";
    /// The example of RFC 8410, section 10.3.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    /// The example of RFC 8410, section 10.1.
    const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn a_new_pair_signs_and_verifies_and_is_its_owners() {
        let dir = tempfile::tempdir().expect("temporary");
        let path = dir.path().join("release");
        let public = PrivateKey::generate(&path).expect("made");
        let private = PrivateKey::load(&path).expect("read");
        assert_eq!(PublicKey::load(&public_path(&path)).expect("read"), public);
        assert_eq!(private.public(), public);
        let signature = private.sign(b"hello");
        assert!(public.verifies(b"hello", &signature));
        assert!(!public.verifies(b"hullo", &signature));
        assert!(!public.verifies(b"hello", &signature[..63]));
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert!(!format!("{private:?}").contains("302e"), "a private key is not shown");

        let again = PrivateKey::generate(&path).expect_err("never written over").to_string();
        assert!(again.contains("release.pub' cannot be written"), "{again}");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("mine");
        let exposed = PrivateKey::load(&path).expect_err("exposed").to_string();
        assert!(exposed.contains("can be read by others (mode 640)"), "{exposed}");
    }

    #[test]
    fn keys_of_others_are_read() {
        let private = PrivateKey::from_pem("test", RFC_PRIVATE.as_bytes()).expect("PKCS#8");
        let public = PublicKey::from_pem("test", RFC_PUBLIC.as_bytes()).expect("SPKI");
        assert_eq!(private.public(), public);
        let p256 = PublicKey::from_pem("test", P256.as_bytes()).expect("P-256");
        let signature = STANDARD.decode(P256_SIGNATURE).expect("base64");
        assert!(p256.verifies(b"hello\n", &signature));
        assert!(!p256.verifies(b"hullo\n", &signature));
        assert!(!public.verifies(b"hello\n", &signature));
    }

    #[test]
    fn other_files_say_why_they_are_no_keys() {
        let public = |text: &str| PublicKey::from_pem("k", text.as_bytes()).expect_err("no key").to_string();
        let private =
            |text: &str| PrivateKey::from_pem("k", text.as_bytes()).expect_err("no key").to_string();
        assert!(public("hello").contains("no PEM block"));
        assert!(public(RFC_PRIVATE).contains("no PEM block"));
        assert!(public(&pem("PUBLIC KEY", &[0x30; 300])).contains("only ed25519"));
        assert!(private(RFC_PUBLIC).contains("no PEM block"));
        assert!(private(&pem("PRIVATE KEY", &[0x30; 48])).contains("only ed25519 signs"));
        assert!(private("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n").contains("has a password"));
    }
}
