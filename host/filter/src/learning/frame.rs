//! What a frame of a guest says about its address. Frames are hostile: everything is bounded, nothing is trusted beyond what is said here.

use std::net::Ipv4Addr;

use reeve_model::MacAddress;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The guest used this address.
    Address(Ipv4Addr),
    /// A server gave the guest an address.
    Lease {
        /// The address.
        ip: Ipv4Addr,
        /// How long, in seconds; none for ever.
        seconds: Option<u32>,
        /// The server.
        server: Ipv4Addr,
    },
    /// The guest gave an address back.
    Release(Ipv4Addr),
}

const ETHERNET: usize = 14;
/// Bytes of a BOOTP message before its options.
const BOOTP: usize = 240;
const MAGIC: [u8; 4] = [0x63, 0x82, 0x53, 0x63];

/// What a frame from the guest with this hardware address says about the address it uses.
pub fn address(frame: &[u8], mac: MacAddress) -> Option<Seen> {
    if array(frame, 6)? != mac.0 {
        return None;
    }
    let inside = frame.get(ETHERNET..)?;
    let ip = match be16(frame, 12)? {
        // Ethernet and IPv4, and the sender says the same of itself as its frame.
        0x0806 if array(inside, 0)? == [0, 1, 8, 0, 6, 4] && array(inside, 8)? == mac.0 => ipv4(inside, 14)?,
        0x0800 if inside.first()? >> 4 == 4 => ipv4(inside, 12)?,
        _ => return None,
    };
    is_usable(ip).then_some(Seen::Address(ip))
}

/// What a frame of DHCP says about the guest with this hardware address. `to_guest` is true for frames that the host sent it.
pub fn dhcp(frame: &[u8], to_guest: bool, mac: MacAddress) -> Option<Seen> {
    let (source, message) = udp(frame, if to_guest { (67, 68) } else { (68, 67) })?;
    let reply = if to_guest { 2 } else { 1 };
    // BOOTP of the right way, over Ethernet, about this guest.
    let about = array(message, 0)? == [reply, 1, 6] && array(message, 28)? == mac.0;
    if !about || array(message, 236)? != MAGIC {
        return None;
    }
    let options = Options::read(message.get(BOOTP..)?);
    let seen = match (to_guest, options.kind?) {
        (true, 5) => {
            let seconds = options.lease?;
            let seconds = (seconds != u32::MAX).then_some(seconds);
            Seen::Lease { ip: ipv4(message, 16)?, seconds, server: options.server.unwrap_or(source) }
        }
        (false, 4) => Seen::Release(options.requested?),
        (false, 7) => Seen::Release(ipv4(message, 12)?),
        _ => return None,
    };
    let (Seen::Lease { ip, .. } | Seen::Release(ip) | Seen::Address(ip)) = seen;
    is_usable(ip).then_some(seen)
}

/// Source address and contents of an unfragmented UDP packet between these ports.
fn udp(frame: &[u8], ports: (u16, u16)) -> Option<(Ipv4Addr, &[u8])> {
    let packet = frame.get(ETHERNET..).filter(|_| be16(frame, 12) == Some(0x0800))?;
    let first = *packet.first()?;
    let header = usize::from(first & 0xf) * 4;
    let length = usize::from(be16(packet, 2)?);
    let whole = be16(packet, 6)? & 0x3fff == 0;
    if first >> 4 != 4 || header < 20 || *packet.get(9)? != 17 || !whole {
        return None;
    }
    let datagram = packet.get(header..length)?;
    let same = (be16(datagram, 0)?, be16(datagram, 2)?) == ports;
    let message = datagram.get(8..usize::from(be16(datagram, 4)?))?;
    same.then_some((ipv4(packet, 12)?, message))
}

/// The options that matter; the first of a kind counts.
#[derive(Default)]
struct Options {
    kind: Option<u8>,
    lease: Option<u32>,
    server: Option<Ipv4Addr>,
    requested: Option<Ipv4Addr>,
}

impl Options {
    fn read(mut rest: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((code, behind)) = rest.split_first() {
            rest = match code {
                0 => behind,
                255 => break,
                _ => {
                    let Some((length, behind)) = behind.split_first() else { break };
                    let Some((value, behind)) = behind.split_at_checked(usize::from(*length)) else { break };
                    options.take(*code, value);
                    behind
                }
            };
        }
        options
    }

    fn take(&mut self, code: u8, value: &[u8]) {
        let four = <[u8; 4]>::try_from(value).ok();
        match code {
            50 => self.requested = self.requested.or(four.map(Ipv4Addr::from)),
            51 => self.lease = self.lease.or(four.map(u32::from_be_bytes)),
            53 => self.kind = self.kind.or(value.first().copied().filter(|_| value.len() == 1)),
            54 => self.server = self.server.or(four.map(Ipv4Addr::from)),
            _ => {}
        }
    }
}

/// True for addresses that a guest may have.
fn is_usable(ip: Ipv4Addr) -> bool {
    let [first, ..] = ip.octets();
    first != 0 && first != 127 && first < 224
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn ipv4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    array::<4>(bytes, at).map(Ipv4Addr::from)
}
