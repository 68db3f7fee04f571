//! What guests do: ask for an address, ask for a name, connect.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reeve_sys::namespace::NetworkNamespace;

use crate::bed::{Bed, PATIENCE, output};

/// Gets an address by DHCP and takes it; what was given: address, router, DNS server, boot file.
pub(crate) fn lease(bed: &Bed, guest: &NetworkNamespace, hostname: &str) -> Vec<String> {
    let script = bed.directory.path().join("udhcpc.sh");
    let told = bed.directory.path().join("told");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\n/usr/sbin/ip addr add $ip/$mask dev $interface\n\
         [ -z \"$router\" ] || /usr/sbin/ip route add default via $router\n\
         echo \"$ip ${{router:-none}} ${{dns:-none}} ${{boot_file:-none}}\" > {}\n",
        told.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    udhcpc(guest, &format!("-x hostname:{hostname} -s {}", script.display()));
    let told = std::fs::read_to_string(told).unwrap();
    told.split_whitespace().map(str::to_owned).collect()
}

fn udhcpc(guest: &NetworkNamespace, more: &str) {
    let args = format!("udhcpc -i eth0 -n -q -f -t 20 -T 1 {more}");
    guest.run(|| output("/usr/bin/busybox", &args)).unwrap();
}

/// The first block of a file of a TFTP server.
pub(crate) fn fetch(guest: &NetworkNamespace, server: &str, file: &str) -> Vec<u8> {
    let request = [&[0, 1][..], file.as_bytes(), b"\0octet\0"].concat();
    let answer = guest
        .run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(&request, (server, 69)).unwrap();
            let mut buffer = [0; 1500];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to(&[0, 4, 0, 1], from).unwrap();
            buffer[..length].to_vec()
        })
        .unwrap();
    assert_eq!(answer[..4], [0, 3, 0, 1], "{}", String::from_utf8_lossy(&answer));
    answer[4..].to_vec()
}

/// Asks a DNS server; addresses and texts of the answer.
pub(crate) fn ask(guest: &NetworkNamespace, server: &str, name: &str, kind: u16) -> Vec<String> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    let server: SocketAddr = format!("{server}:53").parse().unwrap();
    let answer = guest
        .run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            for _ in 0..10 {
                socket.send_to(&query, server).unwrap();
                let mut buffer = [0; 1500];
                if let Ok((length, _)) = socket.recv_from(&mut buffer) {
                    return buffer[..length].to_vec();
                }
            }
            panic!("no answer from {server}");
        })
        .unwrap();
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut rest = &answer[query.len()..];
    (0..count)
        .map(|_| {
            // A pointer to the name, type, class, time to live, length.
            let length = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
            let data = &rest[12..12 + length];
            rest = &rest[12 + length..];
            match data {
                [a, b, c, d] if kind == 1 => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
                data => String::from_utf8_lossy(&data[1..]).into_owned(),
            }
        })
        .collect()
}

/// The host's own namespace.
pub(crate) const HERE: Option<&NetworkNamespace> = None;

/// Does something in a namespace.
pub(crate) fn within<T: Send>(place: Option<&NetworkNamespace>, work: impl FnOnce() -> T + Send) -> T {
    match place {
        Some(namespace) => namespace.run(work).unwrap(),
        None => work(),
    }
}

/// Connects from one namespace to a listener in another; the address that the listener saw, after a byte went both ways.
pub(crate) fn connect<'a>(
    from: impl Into<Option<&'a NetworkNamespace>>,
    to: impl Into<Option<&'a NetworkNamespace>>,
    address: &str,
) -> Option<SocketAddr> {
    let address: SocketAddr = address.parse().unwrap();
    let listener =
        within(to.into(), || TcpListener::bind((IpAddr::from([0, 0, 0, 0]), address.port())).unwrap());
    listener.set_nonblocking(true).unwrap();
    let mut stream =
        within(from.into(), || TcpStream::connect_timeout(&address, Duration::from_secs(3))).ok()?;
    let (mut other, peer) = crate::bed::wait("nobody connected", || listener.accept().ok());
    other.set_nonblocking(false).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"q").unwrap();
    let mut byte = [0];
    other.read_exact(&mut byte).unwrap();
    other.write_all(b"a").unwrap();
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"a");
    Some(peer)
}
