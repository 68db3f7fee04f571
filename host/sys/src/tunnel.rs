//! Sockets that carry the frames of guests: multicast groups and TCP tunnels. A worker gets them open and makes none itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// A socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The address is no multicast address.
    #[error("'{0}' is no multicast address: those are 224.0.0.0 to 239.255.255.255")]
    Group(Ipv4Addr),
    /// Nothing routes to the group.
    #[error("multicast group {0} can't be joined")]
    Join(SocketAddrV4, #[source] io::Error),
    /// The server's address can't be listened on.
    #[error("{0} can't be listened on")]
    Listen(SocketAddr, #[source] io::Error),
    /// The server does not answer.
    #[error("no tunnel server answers at {0}")]
    Connect(SocketAddr, #[source] io::Error),
}

/// A socket that gets what is sent to a group. Several on one host may.
pub fn multicast_receiver(group: SocketAddrV4) -> Result<OwnedFd, TunnelError> {
    check(group)?;
    let join = |source| TunnelError::Join(group, source);
    let errno = |errno: rustix::io::Errno| join(errno.into());
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).map_err(errno)?;
    sockopt::set_socket_reuseaddr(&socket, true).map_err(errno)?;
    // The group's address: what is sent to the port of this host, or to other groups it is in, does not count.
    bind(&socket, &group).map_err(errno)?;
    let socket = UdpSocket::from(socket);
    socket.join_multicast_v4(group.ip(), &Ipv4Addr::UNSPECIFIED).map_err(join)?;
    Ok(socket.into())
}

/// A socket that sends to a group, with an address of its own.
pub fn multicast_sender(group: SocketAddrV4) -> Result<OwnedFd, TunnelError> {
    check(group)?;
    let join = |source| TunnelError::Join(group, source);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(join)?;
    // Other guests of this host are in the group too; other networks are not.
    socket.set_multicast_loop_v4(true).map_err(join)?;
    socket.set_multicast_ttl_v4(1).map_err(join)?;
    socket.connect(group).map_err(join)?;
    Ok(socket.into())
}

/// The server's end of a tunnel: a listening socket.
pub fn server(address: SocketAddr) -> Result<OwnedFd, TunnelError> {
    let listener = TcpListener::bind(address).map_err(|source| TunnelError::Listen(address, source))?;
    Ok(listener.into())
}

/// The client's end of a tunnel: a connected socket.
pub fn client(address: SocketAddr, patience: Duration) -> Result<OwnedFd, TunnelError> {
    let stream = TcpStream::connect_timeout(&address, patience)
        .map_err(|source| TunnelError::Connect(address, source))?;
    Ok(stream.into())
}

fn check(group: SocketAddrV4) -> Result<(), TunnelError> {
    if group.ip().is_multicast() { Ok(()) } else { Err(TunnelError::Group(*group.ip())) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_tunnel_connects_and_a_missing_server_is_named() {
        let listener = server("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = TcpListener::from(listener);
        let address = listener.local_addr().unwrap();
        let mut near = TcpStream::from(client(address, Duration::from_secs(5)).unwrap());
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"frame").unwrap();
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"frame");
        let taken = server(address).unwrap_err();
        assert_eq!(taken.to_string(), format!("{address} can't be listened on"));
        drop((listener, far));
        let nobody = client(address, Duration::from_secs(5)).unwrap_err();
        assert_eq!(nobody.to_string(), format!("no tunnel server answers at {address}"));
    }

    #[test]
    fn an_address_of_one_host_is_no_group() {
        let error = multicast_receiver("192.0.2.1:5558".parse().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("'192.0.2.1' is no multicast address"), "{error}");
        assert!(multicast_sender("240.0.0.1:5558".parse().unwrap()).is_err());
    }
}
