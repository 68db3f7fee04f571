//! TLS: the system's certificate authorities, and those of the operator.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Uri;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{PATIENCE, TransportError, authority};

/// Certificate authorities that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authorities in '{}' cannot be used: {reason}", path.display())]
pub struct CaError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Makes TLS of a connection.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the system's authorities, and those in the PEM file `ca`.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        // A machine may have none, and a private one of the operator's all the same.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            let wrong = |reason: String| CaError { path: path.to_owned(), reason };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            let before = roots.len();
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.len() == before {
                return Err(wrong("it has no PEM block '-----BEGIN CERTIFICATE-----'".into()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the cipher suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(crate) async fn handshake(
        &self,
        uri: &Uri,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        match self.attempt(uri, stream).await? {
            Ok(stream) => Ok(stream),
            Err(error) => Err(TransportError::Tls { host: authority(uri), reason: error.to_string() }),
        }
    }

    /// Whether the other side speaks TLS at all.
    pub(crate) async fn probe(&self, uri: &Uri, stream: TcpStream) -> Result<bool, TransportError> {
        match self.attempt(uri, stream).await? {
            Ok(_) => Ok(true),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                match inner {
                    Some(rustls::Error::InvalidMessage(_)) => Ok(false),
                    Some(other) => {
                        Err(TransportError::Tls { host: authority(uri), reason: other.to_string() })
                    }
                    // It hung up on a greeting it did not know.
                    None => Ok(false),
                }
            }
        }
    }

    async fn attempt(
        &self,
        uri: &Uri,
        stream: TcpStream,
    ) -> Result<std::io::Result<TlsStream<TcpStream>>, TransportError> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| TransportError::Tls { host: authority(uri), reason: error.to_string() })?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        timeout(PATIENCE, connector.connect(name, stream))
            .await
            .map_err(|_| TransportError::Slow { host: authority(uri), doing: "agree on TLS" })
    }
}
