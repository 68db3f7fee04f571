//! Who this host is for others, and whom it believes: files of the operator's (guide 5.2), read and judged.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_actions::HostPort;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Largest file of certificates or of a key.
const MAX_FILE: u64 = 1 << 20;
/// Permissions that nobody but the owner may have on a file.
const WRITABLE: u32 = 0o022;
/// Those that a key may not have either.
const READABLE: u32 = 0o077;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authority.
    pub ca: PathBuf,
    /// This host's certificate when it is reached.
    pub server_certificate: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// This host's certificate when it reaches others.
    pub client_certificate: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It can't be read.
    #[error("'{}' of 'migration.tls' in reeve.toml cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is no text with certificates or a key.
    #[error("'{}' of 'migration.tls' in reeve.toml cannot be used: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others could read or change it.
    #[error("'{}' of 'migration.tls' in reeve.toml {what}: run 'chmod {mode:o} {}'", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Who could do what.
        what: &'static str,
        /// Permissions that are fine.
        mode: u32,
    },
    /// It is another user's.
    #[error("'{}' of 'migration.tls' in reeve.toml belongs to user {owner}, who could change it: run 'chown root {}'", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// User id of the owner.
        owner: u32,
    },
}

/// Makes TLS of connections, with both ends authenticated.
pub(super) struct Tls {
    pub connector: TlsConnector,
    pub acceptor: TlsAcceptor,
    pub files: TlsFiles,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(authorities(&files.ca)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| wrong(&files.ca, error))?;
        let (chain, key) = identity(&files.server_certificate, &files.server_key)?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider has the cipher suites of TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| wrong(&files.server_key, error))?;
        // Each connection proves who is there: a certificate that has expired is not believed because it once was.
        server.send_tls13_tickets = 0;
        let (chain, key) = identity(&files.client_certificate, &files.client_key)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider has the cipher suites of TLS 1.3")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| wrong(&files.client_key, error))?;
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            files: files.clone(),
        })
    }

    /// What other hosts would find wrong with this host's own certificates, as sentences.
    pub fn doubts(&self, own: &HostPort) -> Result<Vec<String>, TlsError> {
        let files = &self.files;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(authorities(&files.ca)?);
        let mut doubts = Vec::new();
        let mut doubt = |path: &Path, found: Result<(), rustls::Error>| {
            if let Err(error) = found {
                let path = path.display();
                doubts.push(format!(
                    "other hosts will refuse '{path}' of 'migration.tls' as that of '{}': {error}",
                    own.host
                ));
            }
        };
        let chain = certificates(&files.server_certificate)?;
        doubt(&files.server_certificate, verify_server(&roots, &provider, &chain, own));
        let chain = certificates(&files.client_certificate)?;
        doubt(&files.client_certificate, verify_client(&roots, &provider, &chain));
        let named = rustls::server::ParsedCertificate::try_from(&chain[0])
            .and_then(|certificate| rustls::client::verify_server_name(&certificate, &name(own)?));
        doubt(&files.client_certificate, named);
        Ok(doubts)
    }
}

fn verify_server(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    chain: &[CertificateDer<'_>],
    own: &HostPort,
) -> Result<(), rustls::Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    verifier.verify_server_cert(&chain[0], &chain[1..], &name(own)?, &[], UnixTime::now()).map(drop)
}

fn verify_client(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    chain: &[CertificateDer<'_>],
) -> Result<(), rustls::Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now()).map(drop)
}

/// A host's name as a certificate has it.
pub(super) fn name(at: &HostPort) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(at.host.clone()).map_err(|error| rustls::Error::General(error.to_string()))
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| wrong(path, error))?;
    }
    Ok(roots)
}

fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let text = read(key, true)?;
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| wrong(key, error))?;
    Ok((certificates(certificate)?, private))
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path, false)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(path, error))?;
    if found.is_empty() {
        return Err(wrong(path, "it has no PEM block '-----BEGIN CERTIFICATE-----'"));
    }
    Ok(found)
}

fn wrong(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason: reason.to_string() }
}

/// Reads a file that is the operator's alone.
fn read(path: &Path, is_key: bool) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(wrong(path, "it is no file"));
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != own {
        return Err(TlsError::Owner { path: path.to_owned(), owner: found.uid() });
    }
    let mode = found.mode();
    let exposed = |what, mode| TlsError::Exposed { path: path.to_owned(), what, mode };
    if mode & WRITABLE != 0 {
        return Err(exposed("can be changed by others", if is_key { 0o600 } else { 0o644 }));
    }
    if is_key && mode & READABLE != 0 {
        return Err(exposed("can be read by others", 0o600));
    }
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}
