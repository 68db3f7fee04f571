//! Why a connection to another host did not come about, in words that say what to mend.

use std::io;

use reeve_actions::HostPort;
use rustls::{AlertDescription, CertificateError};

use super::tls::TlsFiles;

/// Why another host is not reached, or was not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerFault {
    /// Nobody is there.
    #[error("host {at} can't be reached: {source}")]
    Connect {
        /// The host.
        at: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It does not answer in time.
    #[error("{at} does not answer")]
    Slow {
        /// The host.
        at: String,
    },
    /// TLS did not come about.
    #[error("{0}")]
    Tls(String),
    /// It said that it does not speak with this host.
    #[error("host {at} refuses: {reason}")]
    Refused {
        /// The host.
        at: String,
        /// In its words.
        reason: String,
    },
}

impl PeerFault {
    /// What went wrong when this host reached another one.
    pub fn reaching(at: &HostPort, error: &io::Error, files: &TlsFiles) -> Self {
        let Some(fault) = rustls_error(error) else {
            return Self::Tls(format!(
                "the connection to host {at} broke while both sides told who they are: {error}"
            ));
        };
        let (ours, ca) = (files.client_certificate.display(), files.ca.display());
        Self::Tls(match fault {
            rustls::Error::InvalidCertificate(why) => {
                format!("host {at} is not believed: {}", doubt(why, &at.host, &ca.to_string()))
            }
            rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
                format!(
                    "host {at} refuses this host's certificate '{ours}': it has expired, or the clocks differ"
                )
            }
            rustls::Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::DecryptError) => {
                format!(
                    "host {at} refuses this host's certificate '{ours}': its authority is not that of '{at}'"
                )
            }
            rustls::Error::AlertReceived(alert) => {
                format!("host {at} refuses this host's certificate '{ours}': {alert:?}")
            }
            rustls::Error::InvalidMessage(_) => format!("host {at} does not speak TLS there"),
            other => format!("TLS with host {at} failed: {other}"),
        })
    }

    /// What went wrong when another host reached this one.
    pub fn reached(from: &str, error: &io::Error, files: &TlsFiles) -> Self {
        Self::Tls(match rustls_error(error) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                format!(
                    "the host at {from} is not believed: {}",
                    doubt(why, from, &files.ca.display().to_string())
                )
            }
            Some(rustls::Error::NoCertificatesPresented) => format!("the host at {from} has no certificate"),
            Some(other) => format!("TLS with {from} failed: {other}"),
            None => format!("the connection from {from} broke: {error}"),
        })
    }
}

fn doubt(why: &CertificateError, name: &str, ca: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or the clocks differ".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or the clocks differ".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "its certificate is not for '{name}'; the common name does not count, so it is made with 'dns_name = {name}' \
             (or 'ip_address')"
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("its certificate is not signed by an authority in '{ca}'")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is for another purpose: 'tls_www_server' to be reached, 'tls_www_client' to reach others"
                .to_owned()
        }
        other => format!("its certificate: {other}"),
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
