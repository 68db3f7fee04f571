//! How other hosts are named, and the connections over which guests go to them (guide 5.3).
//!
//! ```text
//!   qemu+tls://HOST[:PORT]/system   qemu://HOST/system            the daemon of HOST, over TLS
//!   qemu+unix:///system?socket=PATH   reeve+unix:///PATH          a daemon on this machine
//! ```

use std::fmt;
use std::path::PathBuf;

use reeve_model::migration::{Migrate, StreamRoute};
use reeve_model::{Error, ErrorCode};
use serde::{Deserialize, Serialize};

/// The port of daemons for TLS (guide 5.3).
pub const TLS_PORT: u16 = 16514;
/// Longest name of a host in bytes, as DNS has it.
const MAX_NAME: usize = 253;

/// The address of another host's daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PeerAddress {
    /// A daemon on this machine, by its API socket.
    Socket(PathBuf),
    /// A daemon over TLS, by the name that its certificate is for.
    Tls(HostPort),
}

/// A host, by name or IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The name or address, in small letters, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Reads `HOST`, `HOST:PORT` and `[ADDRESS]:PORT`.
    pub fn parse(text: &str, default: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || host.len() > MAX_NAME || !host.bytes().all(known) {
            return None;
        }
        let port = port.map_or(Some(default), |port| port.parse().ok())?;
        Some(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "reeve+unix://{}", path.display()),
            Self::Tls(at) => write!(f, "reeve+tls://{at}/system"),
        }
    }
}

impl From<PeerAddress> for String {
    fn from(address: PeerAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = Error;

    /// Reads what a host says of itself, or what was written down; a path alone is a socket.
    fn try_from(text: String) -> Result<Self, Error> {
        if text.starts_with('/') { Ok(Self::Socket(text.into())) } else { Self::parse(&text) }
    }
}

impl PeerAddress {
    /// Reads what an operator wrote.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let message = format!("'{text}' is no address of a host that guests can be moved to: {why}");
            Error::new(ErrorCode::Invalid, message)
                .with_hint("write qemu+tls://HOST/system, or reeve+unix:///PATH/TO/reeve.sock for a daemon on this machine")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let (driver, transport) = match scheme.split_once('+') {
            Some((driver, transport)) => (driver, Some(transport)),
            None => (scheme, None),
        };
        if !matches!(driver, "qemu" | "reeve") {
            return Err(wrong("its driver is neither 'qemu' nor 'reeve'"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        match transport {
            Some("unix") if !authority.is_empty() => Err(wrong("a unix socket is on no other host")),
            Some("unix") => match parameter(query, "socket") {
                Some(socket) if socket.starts_with('/') => Ok(Self::Socket(socket.into())),
                Some(_) => Err(wrong("the path of the socket does not begin with '/'")),
                None if driver == "reeve" && path.len() > 1 => Ok(Self::Socket(path.into())),
                None => Err(wrong("without 'socket=PATH' it is this host's own daemon")),
            },
            None if authority.is_empty() => Err(wrong("it is this host itself")),
            None | Some("tls") => {
                if !matches!(path, "" | "/" | "/system") {
                    return Err(wrong("guests are moved to the system's daemon, whose path is '/system'"));
                }
                if authority.contains('@') {
                    return Err(wrong("over TLS a certificate says who this host is, not a user's name"));
                }
                if parameter(query, "no_verify").is_some_and(|value| value != "0") {
                    return Err(wrong(
                        "a host that is not verified could be anybody, and would get the guest",
                    ));
                }
                let at = HostPort::parse(authority, TLS_PORT).ok_or_else(|| wrong("it names no host"))?;
                Ok(Self::Tls(at))
            }
            Some("ssh" | "libssh" | "libssh2" | "ext") => Err(wrong(
                "daemons reach each other without ssh: both ask whose the guest is when a connection breaks",
            )),
            Some("tcp") => Err(wrong(
                "daemons speak with each other over TLS only; '--migrateuri tcp://HOST' moves the memory alone without it",
            )),
            Some(_) => Err(wrong("its transport is neither 'tls' nor 'unix'")),
        }
    }
}

/// The value of a parameter of an URI, unescaped.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let digits = if byte == b'%' { Some((rest.next()?, rest.next()?)) } else { None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match digits {
            Some((high, low)) => digit(high)? << 4 | digit(low)?,
            None => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Where the source connects with the guest, when it is not where the daemon is.
pub(crate) type StreamHost = Option<String>;

/// How the guest goes to `destination`, as an operator asked for it.
pub(crate) fn route(
    destination: &PeerAddress,
    request: &Migrate,
) -> Result<(StreamRoute, StreamHost), Error> {
    let wrong = |message: &str| Error::new(ErrorCode::Invalid, message);
    let own = request.direct || request.stream_uri.is_some();
    if request.tunnelled && own {
        let message =
            "a tunnelled migration goes through the connection of the daemons, and has none of its own";
        return Err(wrong(message).with_hint("leave --tunnelled out, or --direct and --migrateuri"));
    }
    match destination {
        PeerAddress::Socket(_) if request.stream_uri.is_some() || request.listen_address.is_some() => {
            Err(wrong("a daemon on this machine gets the guest over a unix socket").with_hint(
                "leave --migrateuri and --listen-address out, or name the host: qemu+tls://HOST/system",
            ))
        }
        PeerAddress::Socket(_) if request.tunnelled => Ok((StreamRoute::Tunnel, None)),
        PeerAddress::Socket(_) => Ok((StreamRoute::Socket, None)),
        PeerAddress::Tls(_) if !own && request.listen_address.is_some() => {
            Err(wrong("the destination listens at an address of its own only for a connection of its own")
                .with_hint("add --migrateuri tls://HOST"))
        }
        PeerAddress::Tls(_) if !own => Ok((StreamRoute::Tunnel, None)),
        PeerAddress::Tls(at) => {
            let uri = request.stream_uri.as_deref().map(stream).transpose()?;
            let (tls, host, port) = uri.unwrap_or_else(|| (false, at.host.clone(), None));
            if tls && request.direct {
                let message = "TLS ends in the daemons: a direct connection from worker to worker has none";
                return Err(wrong(message).with_hint("leave --direct out, or write --migrateuri tcp://HOST"));
            }
            let listen = request.listen_address.clone();
            Ok((StreamRoute::Own { tls, listen, port }, Some(host)))
        }
    }
}

/// Reads `tls://HOST[:PORT]`, `tcp://HOST[:PORT]` and `tcp:HOST[:PORT]`.
fn stream(text: &str) -> Result<(bool, String, Option<u16>), Error> {
    let scheme = text.split_once(':').and_then(|(scheme, rest)| {
        let tls = match scheme {
            "tls" => true,
            "tcp" => false,
            _ => return None,
        };
        let at = HostPort::parse(rest.strip_prefix("//").unwrap_or(rest).trim_end_matches('/'), 0)?;
        Some((tls, at.host, Some(at.port).filter(|port| *port > 0)))
    });
    scheme.ok_or_else(|| {
        let message = format!("'{text}' is no connection over which a guest can go");
        Error::new(ErrorCode::Invalid, message)
            .with_hint("write tls://HOST, tls://HOST:PORT or tcp://HOST:PORT")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        PeerAddress::parse(text).map(|address| address.to_string()).map_err(|error| error.message)
    }

    #[test]
    fn hosts_are_named_as_the_guide_names_them() {
        for (text, address) in [
            ("reeve+unix:///srv/b/reeve.sock", "reeve+unix:///srv/b/reeve.sock"),
            ("qemu+unix:///system?socket=/srv/a%20b", "reeve+unix:///srv/a b"),
            ("qemu+tls://Host2.example.com/system", "reeve+tls://host2.example.com:16514/system"),
            ("qemu://host2/system", "reeve+tls://host2:16514/system"),
            ("reeve+tls://10.0.0.20:99/?name=x", "reeve+tls://10.0.0.20:99/system"),
            ("qemu://[fe80::1]:7/system", "reeve+tls://[fe80::1]:7/system"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(address), "{text}");
            let again: PeerAddress = serde_json::from_value(address.into()).unwrap();
            assert_eq!(again.to_string(), address);
        }
        let old: PeerAddress = serde_json::from_value("/run/reeve/reeve.sock".into()).unwrap();
        assert_eq!(old, PeerAddress::Socket("/run/reeve/reeve.sock".into()));
    }

    #[test]
    fn what_is_no_other_host_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "no scheme"),
            ("/srv/reeve.sock", "no scheme"),
            ("xen://host/", "driver"),
            ("reeve+unix://relative", "no other host"),
            ("qemu+unix:///system", "own daemon"),
            ("qemu:///system", "this host itself"),
            ("qemu+ssh://host/system", "without ssh"),
            ("qemu+tcp://host/system", "TLS only"),
            ("qemu+tls://root@host/system", "certificate"),
            ("qemu+tls://host/session", "'/system'"),
            ("qemu+tls://host/system?no_verify=1", "not verified"),
            ("qemu+tls://ho st/system", "names no host"),
            ("qemu+tls://host:70000/system", "names no host"),
            ("qemu+rdma://host/system", "transport"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text}");
        }
    }

    fn plan(destination: &str, request: Migrate) -> Result<StreamRoute, String> {
        let destination = PeerAddress::parse(destination).unwrap();
        route(&destination, &request).map(|(route, _)| route).map_err(|error| error.message)
    }

    #[test]
    fn a_guest_goes_the_way_that_was_asked_for() {
        let (unix, tls) = ("reeve+unix:///run/b.sock", "qemu+tls://host2/system");
        let asked = |change: fn(&mut Migrate)| {
            let mut request = Migrate::default();
            change(&mut request);
            request
        };
        assert_eq!(plan(unix, asked(|_| {})), Ok(StreamRoute::Socket));
        assert_eq!(plan(unix, asked(|request| request.direct = true)), Ok(StreamRoute::Socket));
        assert_eq!(plan(unix, asked(|request| request.tunnelled = true)), Ok(StreamRoute::Tunnel));
        assert_eq!(plan(tls, asked(|_| {})), Ok(StreamRoute::Tunnel));
        assert_eq!(plan(tls, asked(|request| request.tunnelled = true)), Ok(StreamRoute::Tunnel));
        let own = |tls, port| Ok(StreamRoute::Own { tls, listen: None, port });
        assert_eq!(plan(tls, asked(|request| request.direct = true)), own(false, None));
        let uri = |uri: &str| Migrate { stream_uri: Some(uri.to_owned()), ..Migrate::default() };
        assert_eq!(plan(tls, uri("tls://10.0.0.2")), own(true, None));
        assert_eq!(plan(tls, uri("tcp:host2:49152")), own(false, Some(49152)));
        assert!(plan(tls, uri("rdma://host2")).unwrap_err().contains("no connection"));
        assert!(plan(unix, uri("tcp://host2")).unwrap_err().contains("unix socket"));
        for wrong in [
            Migrate { tunnelled: true, direct: true, ..Migrate::default() },
            Migrate { tunnelled: true, ..uri("tls://host2") },
            Migrate { direct: true, ..uri("tls://host2") },
            Migrate { listen_address: Some("10.0.0.2".to_owned()), ..Migrate::default() },
        ] {
            plan(tls, wrong).unwrap_err();
        }
    }
}
