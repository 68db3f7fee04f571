//! A network device with all its queues and offloads.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::Answer;
use crate::clock;
use crate::machine::Machine;
use crate::text::Words;
use crate::virtio::{Wide, WideFrame};

const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];
const IPV4: [u8; 2] = [8, 0];
const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERNET: usize = 14;
/// Ethernet, IPv4 and TCP.
const HEADERS: usize = 54;
const HEADER: usize = 12;
const MS: u64 = 1_000_000;

/// `wide open SLOT FEATURES`: takes the network device of a slot, with those of the features that it has. `wide pairs COUNT`: how many pairs
/// of queues are used, and the device's answer. `wide send PAIR COUNT [BYTES]`: numbered frames. `wide tso BYTES SEGMENT`: one piece of TCP that the
/// host shall cut and sum up. `wide recv COUNT MS`: what arrives of both kinds. `wide close`.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let verb = words.next("open, pairs, send, tso, recv or close")?;
    if verb == "open" {
        let slot = words.number("SLOT")?.min(31) as u8;
        let features = words.number("FEATURES")?;
        let device = machine.open_wide(slot, features)?;
        return Ok(format!("pairs={} features={:#x}", device.pairs(), device.features));
    }
    let device = machine.wide.as_mut().ok_or("no network device is open that way")?;
    match verb {
        "pairs" => {
            let answer = device.use_pairs(words.number("COUNT")? as u16);
            Ok(format!("answer={}", answer.map_err(|error| error.to_string())?))
        }
        "send" => {
            let (pair, count) = (words.number("PAIR")? as usize, words.number("COUNT")?);
            let bytes = words.number_or("BYTES", 60)?.clamp(60, 1514) as usize;
            send(device, pair, count, bytes)
        }
        "tso" => {
            let (bytes, segment) = (words.number("BYTES")?, words.number("SEGMENT")?);
            tso(device, bytes.clamp(1, 60_000) as usize, segment as u16)
        }
        "recv" => {
            let (count, ms) = (words.number("COUNT")?, words.number("MS")?);
            receive(device, count, ms)
        }
        "close" => {
            machine.wide.take().into_iter().for_each(Wide::stop);
            machine.rescan();
            Ok(String::new())
        }
        other => Err(format!("there is no 'wide {other}'")),
    }
}

fn send(device: &mut Wide, pair: usize, count: u64, bytes: usize) -> Answer {
    let mut frame = vec![0; bytes];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&device.mac());
    frame[12..ETHERNET].copy_from_slice(&EXPERIMENTAL);
    for number in 0..count {
        frame[ETHERNET..ETHERNET + 8].copy_from_slice(&number.to_be_bytes());
        device.send(pair, &[0; HEADER], &frame).map_err(|error| error.to_string())?;
    }
    Ok(format!("frames={count}"))
}

/// One frame of TCP with a payload of which byte n is n, modulo 251.
fn tso(device: &mut Wide, bytes: usize, segment: u16) -> Answer {
    let mut frame = vec![0; HEADERS + bytes];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&device.mac());
    frame[12..ETHERNET].copy_from_slice(&IPV4);
    let total = (frame.len() - ETHERNET) as u16;
    let mut ip = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    let sum = !sum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame[ETHERNET..34].copy_from_slice(&ip);
    let length = total - 20;
    let mut pseudo = ip[12..].to_vec();
    pseudo.extend([0, 6]);
    pseudo.extend(length.to_be_bytes());
    let tcp = &mut frame[34..HEADERS];
    tcp[..8].copy_from_slice(&[3, 0xe8, 7, 0xd0, 0, 0, 0, 1]);
    tcp[12..16].copy_from_slice(&[0x50, 0x10, 0xff, 0xff]);
    // The rest of the sum is left to the host.
    tcp[16..18].copy_from_slice(&self::sum(&pseudo).to_be_bytes());
    for (number, byte) in frame[HEADERS..].iter_mut().enumerate() {
        *byte = (number % 251) as u8;
    }
    // Needs a checksum, TCP over IPv4, bytes of the headers, of a segment, where the sum begins, and where in that it stands.
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&[1, 1]);
    header[2..4].copy_from_slice(&(HEADERS as u16).to_le_bytes());
    header[4..6].copy_from_slice(&segment.to_le_bytes());
    header[6..8].copy_from_slice(&34u16.to_le_bytes());
    header[8..10].copy_from_slice(&16u16.to_le_bytes());
    device.send(0, &header, &frame).map_err(|error| error.to_string())?;
    Ok(format!("bytes={}", frame.len()))
}

/// The internet checksum, not complemented.
fn sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

/// Our own frames and those of TCP, by pair; the longest, the most buffers, and how many came with work left to do. The payload of TCP is
/// looked at.
fn receive(device: &mut Wide, count: u64, ms: u64) -> Answer {
    let mut by_pair = vec![0u64; device.pairs()];
    let (mut longest, mut buffers, mut unsummed, mut segmented, mut wrong) = (0, 0, 0, 0, 0);
    let deadline = clock::now() + ms * MS;
    while by_pair.iter().sum::<u64>() < count && clock::now() < deadline {
        let mut any = false;
        for (pair, seen) in by_pair.iter_mut().enumerate() {
            let Some(frame) = device.receive(pair).map_err(|error| error.to_string())? else { continue };
            any = true;
            let WideFrame { bytes, buffers: used } = frame;
            let kind = &bytes[HEADER + 12..HEADER + ETHERNET];
            let is_tcp = kind == IPV4 && bytes.get(HEADER + 23) == Some(&6);
            if kind != EXPERIMENTAL && !is_tcp {
                continue;
            }
            *seen += 1;
            longest = longest.max(bytes.len() - HEADER);
            buffers = buffers.max(used);
            unsummed += u64::from(bytes[0] & 1);
            segmented += u64::from(bytes[1] & 0x7f != 0);
            if is_tcp && bytes[1] & 0x7f != 0 {
                let payload = &bytes[HEADER + HEADERS..];
                wrong += payload.iter().enumerate().filter(|(n, byte)| (n % 251) as u8 != **byte).count();
            }
        }
        if !any {
            clock::doze_until(deadline.min(clock::now() + MS));
        }
    }
    let by_pair: Vec<String> = by_pair.iter().map(u64::to_string).collect();
    Ok(format!(
        "pairs={} longest={longest} buffers={buffers} unsummed={unsummed} segmented={segmented} wrong={wrong}",
        by_pair.join(",")
    ))
}
