//! A guest's way into a network: an address by DHCP (RFC 2131), and a name by DNS (RFC 1035) from whoever gave the address.
//!
//! Nothing is kept: each command asks for its lease anew, and a server that knows the hardware address gives the same one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Answer;
use crate::clock;
use crate::virtio::Network;

const BROADCAST: [u8; 6] = [0xff; 6];
const MS: u64 = 1_000_000;
/// How often a question is put, and how long each time waits for its answer. A bridge that looks for loops carries nothing for its
/// first four seconds, and a server that asks around whether an address is free answers three seconds later.
const TRIES: u32 = 15;
const PATIENCE: u64 = 1000 * MS;

const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const UDP: u8 = 17;
const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const DNS: u16 = 53;
const RESOLVER: u16 = 5353;

/// Where BOOTP's fixed fields and the cookie end and the options begin.
const OPTIONS: usize = 240;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
const MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVER: u8 = 6;
const REQUESTED: u8 = 50;
const KIND: u8 = 53;
const SERVER_ID: u8 = 54;
const WANTED: u8 = 55;
const END: u8 = 255;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

type Ip = [u8; 4];

/// What a server gave.
struct Lease {
    address: Ip,
    server: Ip,
    mask: Option<Ip>,
    router: Option<Ip>,
    dns: Option<Ip>,
    /// Hardware address of whoever answered.
    gateway: [u8; 6],
}

/// A datagram of UDP over IPv4 that arrived.
struct Datagram {
    from: [u8; 6],
    to_port: u16,
    payload: Vec<u8>,
}

/// `dhcp`: asks for an address and says what comes with it.
pub fn dhcp(network: &mut Network) -> Answer {
    let lease = obtain(network)?;
    let or_none = |ip: Option<Ip>| ip.map_or_else(|| "none".to_string(), show);
    Ok(format!(
        "address={} mask={} router={} dns={} server={}",
        show(lease.address),
        or_none(lease.mask),
        or_none(lease.router),
        or_none(lease.dns),
        show(lease.server)
    ))
}

/// `resolve NAME`: asks for an address, then the server that gave it for the one of a name.
pub fn resolve(network: &mut Network, name: &str) -> Answer {
    let lease = obtain(network)?;
    if lease.dns != Some(lease.server) {
        return Err("the DHCP server says nothing of a name server at its own address".into());
    }
    let question = question(name)?;
    let reply = ask(
        network,
        lease.address,
        |network| send(network, lease.gateway, (lease.address, RESOLVER), (lease.server, DNS), &question),
        |datagram| {
            (datagram.to_port == RESOLVER && datagram.payload.get(..2) == question.get(..2))
                .then(|| answer_of(&datagram.payload))
        },
    )?;
    reply.map(|address| format!("{name}={}", show(address)))
}

/// Discover, offer, request, acknowledgement.
fn obtain(network: &mut Network) -> Result<Lease, String> {
    let mac = network.mac_address();
    let number = (clock::now() as u32).to_be_bytes();
    let exchange = |network: &mut Network, message: &[u8], kind: u8| {
        ask(
            network,
            [0; 4],
            |network| send(network, BROADCAST, ([0; 4], CLIENT), ([255; 4], SERVER), message),
            |datagram| (datagram.to_port == CLIENT).then(|| lease_of(datagram, number, kind)).flatten(),
        )
    };
    let offer = exchange(network, &bootp(mac, number, &[KIND, 1, DISCOVER]), OFFER)?;
    let mut options = Vec::from([KIND, 1, REQUEST, REQUESTED, 4]);
    options.extend(offer.address);
    options.extend([SERVER_ID, 4]);
    options.extend(offer.server);
    exchange(network, &bootp(mac, number, &options), ACK)
}

/// A message of a client that has no address and wants answers by broadcast.
fn bootp(mac: [u8; 6], number: [u8; 4], options: &[u8]) -> Vec<u8> {
    let mut message = alloc::vec![0; OPTIONS];
    // A request over Ethernet.
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[4..8].copy_from_slice(&number);
    message[10] = 0x80;
    message[28..34].copy_from_slice(&mac);
    message[OPTIONS - 4..].copy_from_slice(&COOKIE);
    message.extend(options);
    message.extend([WANTED, 3, MASK, ROUTER, NAME_SERVER, END]);
    message
}

/// What a server's message of this kind gives.
fn lease_of(datagram: &Datagram, number: [u8; 4], kind: u8) -> Option<Lease> {
    let message = &datagram.payload;
    if message.get(4..8)? != number || message.get(OPTIONS - 4..OPTIONS)? != COOKIE {
        return None;
    }
    if option(message, KIND)? != [kind] {
        return None;
    }
    let ip = |code| option(message, code).and_then(|value| value.get(..4)?.try_into().ok());
    Some(Lease {
        address: message.get(16..20)?.try_into().ok()?,
        server: ip(SERVER_ID)?,
        mask: ip(MASK),
        router: ip(ROUTER),
        dns: ip(NAME_SERVER),
        gateway: datagram.from,
    })
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(OPTIONS..)?;
    loop {
        let (&code, after) = rest.split_first()?;
        match code {
            0 => rest = after,
            END => return None,
            _ => {
                let (&length, after) = after.split_first()?;
                let value = after.get(..length.into())?;
                if code == wanted {
                    return Some(value);
                }
                rest = &after[length.into()..];
            }
        }
    }
}

/// A question for the IPv4 address of a name.
fn question(name: &str) -> Result<Vec<u8>, String> {
    let number = (clock::now() as u16).to_be_bytes();
    let mut message = Vec::from([number[0], number[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        message.push(length.ok_or_else(|| format!("'{name}' is no name"))?);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    Ok(message)
}

/// The first address of an answer to [`question`].
fn answer_of(message: &[u8]) -> Result<Ip, String> {
    let word = |at: usize| message.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let cut = || "the name server's answer is cut off".to_string();
    let code = message.get(3).ok_or_else(cut)? & 15;
    if code != 0 {
        return Err(format!("the name server refuses with code {code}"));
    }
    let skip_name = |mut at: usize| loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    };
    let mut at = skip_name(12).ok_or_else(cut)? + 4;
    for _ in 0..word(6).ok_or_else(cut)? {
        at = skip_name(at).ok_or_else(cut)?;
        let (kind, length) = (word(at).ok_or_else(cut)?, word(at + 8).ok_or_else(cut)?);
        let value = message.get(at + 10..at + 10 + usize::from(length)).ok_or_else(cut)?;
        if let (1, Ok(address)) = (kind, value.try_into()) {
            return Ok(address);
        }
        at += 10 + usize::from(length);
    }
    Err("the name server knows no address of it".into())
}

/// Puts a question until something that arrives is its answer. Whoever looks for `own` meanwhile is told where it is.
fn ask<T>(
    network: &mut Network,
    own: Ip,
    mut put: impl FnMut(&mut Network) -> Result<(), String>,
    answer: impl Fn(&Datagram) -> Option<T>,
) -> Result<T, String> {
    for _ in 0..TRIES {
        put(network)?;
        let deadline = clock::now() + PATIENCE;
        while clock::now() < deadline {
            if !network.can_recv() {
                clock::doze_until(deadline.min(clock::now() + MS));
                continue;
            }
            let buffer = network.receive().map_err(|error| error.to_string())?;
            let frame = buffer.packet().to_vec();
            network.recycle_rx_buffer(buffer).map_err(|error| error.to_string())?;
            answer_arp(network, own, &frame)?;
            if let Some(found) = datagram(&frame).and_then(|datagram| answer(&datagram)) {
                return Ok(found);
            }
        }
    }
    Err(format!("nobody answered {TRIES} times"))
}

/// Answers a request of ARP for `own`.
fn answer_arp(network: &mut Network, own: Ip, frame: &[u8]) -> Result<(), String> {
    let asked = frame.len() >= 42 && frame[12..14] == ARP && frame[20..22] == [0, 1] && frame[38..42] == own;
    if !asked || own == [0; 4] {
        return Ok(());
    }
    let mac = network.mac_address();
    let reply = [&frame[6..12], &mac, &frame[12..20], &[0, 2], &mac, &own, &frame[22..32]].concat();
    transmit(network, &reply)
}

fn datagram(frame: &[u8]) -> Option<Datagram> {
    if frame.get(12..14)? != IPV4 || *frame.get(23)? != UDP {
        return None;
    }
    let header = usize::from(frame[14] & 15) * 4;
    let udp = frame.get(14 + header..)?;
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    Some(Datagram {
        from: frame[6..12].try_into().ok()?,
        to_port: u16::from_be_bytes([udp[2], udp[3]]),
        payload: udp.get(8..length)?.to_vec(),
    })
}

fn send(
    network: &mut Network,
    to: [u8; 6],
    source: (Ip, u16),
    destination: (Ip, u16),
    payload: &[u8],
) -> Result<(), String> {
    let length = |more: usize| ((payload.len() + more) as u16).to_be_bytes();
    // Lives 64 hops; its sum comes last.
    let mut header =
        [&[0x45, 0][..], &length(28), &[0, 1, 0, 0, 64, UDP, 0, 0], &source.0, &destination.0].concat();
    let sum = header.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    let udp = [source.1.to_be_bytes(), destination.1.to_be_bytes(), length(8), [0, 0]].concat();
    let frame = [&to[..], &network.mac_address(), &IPV4, &header, &udp, payload].concat();
    transmit(network, &frame)
}

fn transmit(network: &mut Network, frame: &[u8]) -> Result<(), String> {
    let mut buffer = network.new_tx_buffer(frame.len());
    buffer.packet_mut().copy_from_slice(frame);
    network.send(buffer).map_err(|error| error.to_string())
}

fn show(ip: Ip) -> String {
    ip.map(|byte| byte.to_string()).join(".")
}
