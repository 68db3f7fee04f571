//! What IP carries.

use crate::checksum::{crc32c, internet};

/// TCP's flags.
pub const FIN: u8 = 0x01;
/// Opens a connection.
pub const SYN: u8 = 0x02;
/// Ends it at once.
pub const RST: u8 = 0x04;
/// Acknowledges.
pub const ACK: u8 = 0x10;

/// Which checksum goes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// None.
    Plain,
    /// Over the segment alone, at this offset.
    Alone(usize),
    /// Over the IP addresses too.
    WithAddresses(usize),
    /// That of SCTP.
    Sctp,
}

/// What IP carries, by protocol; its checksum is filled in when the addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Number of the protocol.
    pub protocol: u8,
    bytes: Vec<u8>,
    sum: Sum,
}

impl Segment {
    fn new(protocol: u8, bytes: Vec<u8>, sum: Sum) -> Self {
        Self { protocol, bytes, sum }
    }

    /// Something of a protocol, as it is.
    pub fn raw(protocol: u8, bytes: &[u8]) -> Self {
        Self::new(protocol, bytes.to_vec(), Sum::Plain)
    }

    /// The bytes between two addresses of IP.
    pub(crate) fn over(&self, addresses: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        match self.sum {
            Sum::Plain => {}
            Sum::Alone(at) => {
                let sum = internet(&[&bytes]).to_be_bytes();
                bytes[at..at + 2].copy_from_slice(&sum);
            }
            Sum::WithAddresses(at) => {
                let length = (bytes.len() as u32).to_be_bytes();
                let tail = [&length[..], &[0, 0, 0, self.protocol]].concat();
                let sum = internet(&[addresses, &tail, &bytes]).to_be_bytes();
                bytes[at..at + 2].copy_from_slice(&sum);
            }
            Sum::Sctp => {
                let sum = crc32c(&bytes);
                bytes[8..12].copy_from_slice(&sum);
            }
        }
        bytes
    }
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

/// TCP with these flags and no data; sequence numbers fit those of a peer that answers with the same.
pub fn tcp(source: u16, destination: u16, flags: u8) -> Segment {
    tcp_with(source, destination, flags, 0, b"")
}

/// TCP with data behind so many bytes that were sent before.
pub fn tcp_with(source: u16, destination: u16, flags: u8, before: u32, data: &[u8]) -> Segment {
    let first = u32::from(flags & SYN == 0);
    let acknowledged = u32::from(flags & ACK != 0);
    let bytes = [
        &ports(source, destination)[..],
        &(1000 + first + before).to_be_bytes(),
        &(acknowledged * 1001).to_be_bytes(),
        &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
        data,
    ]
    .concat();
    Segment::new(6, bytes, Sum::WithAddresses(16))
}

/// UDP with four bytes of data.
pub fn udp(source: u16, destination: u16) -> Segment {
    udp_with(source, destination, b"data")
}

/// UDP with data.
pub fn udp_with(source: u16, destination: u16, data: &[u8]) -> Segment {
    let length = 8 + data.len() as u16;
    let bytes = [&ports(source, destination)[..], &length.to_be_bytes(), &[0, 0], data].concat();
    Segment::new(17, bytes, Sum::WithAddresses(6))
}

/// UDPLITE whose checksum covers all of it.
pub fn udplite(source: u16, destination: u16) -> Segment {
    let bytes = [&ports(source, destination)[..], &[0, 0, 0, 0], b"data"].concat();
    Segment::new(136, bytes, Sum::WithAddresses(6))
}

/// The first packet of an association of SCTP.
pub fn sctp(source: u16, destination: u16) -> Segment {
    let init = [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    let bytes = [&ports(source, destination)[..], &[0; 8], &init].concat();
    Segment::new(132, bytes, Sum::Sctp)
}

/// ICMP of a type and code, with an identity and a number.
pub fn icmp(kind: u8, code: u8) -> Segment {
    Segment::new(1, vec![kind, code, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4], Sum::Alone(2))
}

/// ICMPv6 of a type and code.
pub fn icmp6(kind: u8, code: u8) -> Segment {
    Segment::new(58, vec![kind, code, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4], Sum::WithAddresses(2))
}

/// A report of IGMP.
pub fn igmp() -> Segment {
    Segment::new(2, vec![0x16, 0, 0, 0, 224, 0, 0, 9], Sum::Alone(2))
}

/// Something that is encrypted.
pub fn esp() -> Segment {
    Segment::raw(50, &[0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9])
}

/// Something that is signed, and nothing behind it.
pub fn ah() -> Segment {
    Segment::raw(51, &[59, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])
}

/// An error of ICMP, about a packet that could not be delivered.
pub fn icmp_error(kind: u8, code: u8, packet: &[u8]) -> Segment {
    let quoted = &packet[..packet.len().min(28)];
    Segment::new(1, [&[kind, code, 0, 0, 0, 0, 0, 0][..], quoted].concat(), Sum::Alone(2))
}
