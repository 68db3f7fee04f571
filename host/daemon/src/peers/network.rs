//! Connections between hosts: TCP, TLS with both ends authenticated, and a line from each side that says who it is.
//!
//! ```text
//!   "reeve/1 NAME\n" ──>                   the name that the certificate must be for
//!                    <── "reeve/1\n"       or "refused REASON\n"
//! ```
//! A client of TLS 1.3 is done before its server has looked at its certificate: the line is how it hears of that.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use reeve_actions::HostPort;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{client, server};

use super::fault::PeerFault;
use super::tls::{self, Tls, TlsError, TlsFiles};

/// How long a host may take to be connected to, and to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be dead before that is noticed.
const SILENCE: Duration = Duration::from_secs(30);
const PROTOCOL: &str = "reeve/1";
const REFUSED: &str = "refused ";
/// Longest line in bytes.
const MAX_LINE: usize = 512;

/// How this host speaks with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Where other daemons are heard.
    pub listen: SocketAddr,
    /// How other hosts name this one.
    pub address: HostPort,
    /// Ports for guests that have a connection of their own.
    pub ports: RangeInclusive<u16>,
    /// Guests may go and come without TLS.
    pub unencrypted: bool,
    /// Certificates and keys.
    pub tls: TlsFiles,
}

/// Connections to and from other hosts.
pub(super) struct Network {
    pub settings: NetworkSettings,
    tls: Tls,
}

impl Network {
    /// Reads certificates and keys, and warns of what other hosts will not believe.
    pub fn new(settings: NetworkSettings) -> Result<Self, TlsError> {
        let tls = Tls::load(&settings.tls)?;
        for doubt in tls.doubts(&settings.address)? {
            tracing::warn!("{doubt}");
        }
        Ok(Self { settings, tls })
    }

    /// Connects to a place without TLS.
    pub async fn connect(&self, to: &HostPort) -> Result<TcpStream, PeerFault> {
        let connecting = timeout(PATIENCE, TcpStream::connect((to.host.as_str(), to.port)));
        let connected = connecting.await.map_err(|_| PeerFault::Slow { at: format!("host {to}") })?;
        connected
            .and_then(|stream| look_after(&stream).map(|()| stream))
            .map_err(|source| PeerFault::Connect { at: to.to_string(), source })
    }

    /// Connects to the host `host` at the place `to`; both know then who the other is.
    pub async fn open(
        &self,
        host: &HostPort,
        to: &HostPort,
    ) -> Result<client::TlsStream<TcpStream>, PeerFault> {
        let stream = self.connect(to).await?;
        let told = async {
            let name = tls::name(host).map_err(io::Error::other)?;
            let mut stream = self.tls.connector.connect(name, stream).await?;
            let line = format!("{PROTOCOL} {}\n", self.settings.address.host);
            stream.write_all(line.as_bytes()).await?;
            stream.flush().await?;
            let answer = read_line(&mut stream).await?;
            io::Result::Ok((stream, answer))
        };
        let told =
            timeout(PATIENCE, told).await.map_err(|_| PeerFault::Slow { at: format!("host {host}") })?;
        let (stream, answer) = told.map_err(|error| PeerFault::reaching(host, &error, &self.tls.files))?;
        match answer.strip_prefix(REFUSED) {
            _ if answer == PROTOCOL => Ok(stream),
            Some(reason) => Err(PeerFault::Refused { at: host.to_string(), reason: reason.to_owned() }),
            None => Err(PeerFault::Tls(format!("host {host} speaks another protocol than this host"))),
        }
    }

    /// Takes a connection in; the name of the host that is there, which its certificate is for.
    pub async fn take(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Result<(String, server::TlsStream<TcpStream>), PeerFault> {
        let told = async {
            look_after(&stream)?;
            let mut stream = self.tls.acceptor.accept(stream).await?;
            let line = read_line(&mut stream).await?;
            io::Result::Ok((stream, line))
        };
        let told = timeout(PATIENCE, told)
            .await
            .map_err(|_| PeerFault::Slow { at: format!("the host at {from}") })?;
        let (mut stream, line) =
            told.map_err(|error| PeerFault::reached(&from.to_string(), &error, &self.tls.files))?;
        let (name, answer, refused) = match believe(&stream, &line) {
            Ok(name) => (name, format!("{PROTOCOL}\n"), None),
            Err(reason) => (String::new(), format!("{REFUSED}{reason}\n"), Some(reason)),
        };
        let answered = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await
        };
        // Whoever does not read it does not go on either.
        let _ = timeout(PATIENCE, answered).await;
        match refused {
            None => Ok((name, stream)),
            Some(reason) => {
                let _ = timeout(PATIENCE, stream.shutdown()).await;
                Err(PeerFault::Tls(format!("the host at {from} was refused: {reason}")))
            }
        }
    }

    /// Listens at a port for guests that have a connection of their own.
    pub async fn listen(&self, address: Option<IpAddr>, port: Option<u16>) -> io::Result<TcpListener> {
        let address = address.unwrap_or(self.settings.listen.ip());
        if let Some(port) = port {
            return TcpListener::bind((address, port)).await;
        }
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in self.settings.ports.clone() {
            match TcpListener::bind((address, port)).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                bound => return bound,
            }
        }
        Err(last)
    }
}

/// The name that a host gave itself, if its certificate is for it.
fn believe(stream: &server::TlsStream<TcpStream>, line: &str) -> Result<String, String> {
    let name = line.strip_prefix(PROTOCOL).and_then(|rest| rest.strip_prefix(' '));
    let at = name.and_then(|name| HostPort::parse(&bracketed(name), 0));
    let at = at.ok_or_else(|| format!("this host speaks {PROTOCOL}"))?;
    let (_, state) = stream.get_ref();
    let certificate = state.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.ok_or("there is no certificate")?;
    let name = tls::name(&at).map_err(|error| error.to_string())?;
    rustls::server::ParsedCertificate::try_from(certificate)
        .and_then(|certificate| rustls::client::verify_server_name(&certificate, &name))
        .map_err(|_| {
            format!(
                "it calls itself '{}', and its client certificate is not for that name: correct 'migration.address' or the \
                 certificate at its side",
                at.host
            )
        })?;
    Ok(at.host)
}

/// IPv6 addresses as they are in URIs.
fn bracketed(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

async fn read_line(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => break,
            _ if line.len() == MAX_LINE => return Err(io::Error::other("a line that is too long")),
            byte => line.push(byte),
        }
    }
    let line = String::from_utf8(line).map_err(io::Error::other)?;
    Ok(line.replace(char::is_control, " "))
}

/// Small frames go at once, and a host that is gone is missed.
pub(super) fn look_after(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE / 3)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE / 6)?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}
