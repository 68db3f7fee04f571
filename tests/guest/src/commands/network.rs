//! Networks: raw Ethernet frames of the type reserved for local experiments.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Answer, lease};
use crate::clock;
use crate::machine::Machine;
use crate::text::Words;
use crate::virtio::Network;

/// IEEE 802's "local experimental EtherType 1".
const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];
const BROADCAST: [u8; 6] = [0xff; 6];
const HEADER: usize = 14;
const SMALLEST_FRAME: usize = 60;
const LARGEST_FRAME: usize = 1514;
const MS: u64 = 1_000_000;

/// `net [N] mac | link | send COUNT [BYTES] | raw HEX | recv COUNT MS | echo on|off | dhcp | resolve NAME` on network device N (0).
/// `send` broadcasts numbered frames, `raw` sends one as it is, `recv` counts those that arrive, `echo` sends each one that
/// arrives back to its sender.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let index = words.leading_number().unwrap_or(0) as usize;
    let count = machine.networks.len();
    let slot =
        machine.networks.get_mut(index).ok_or_else(|| format!("there are only {count} network devices"))?;
    let link = if slot.link_up() { "up" } else { "down" };
    let network = &mut slot.device;
    match words.next("mac, link, send, raw, recv, echo, dhcp or resolve")? {
        "link" => Ok(link.to_string()),
        "mac" => {
            let digits = network.mac_address().map(|byte| format!("{byte:02x}"));
            Ok(digits.join(":"))
        }
        "send" => {
            let frames = words.number("COUNT")?;
            let bytes = words.number_or("BYTES", SMALLEST_FRAME as u64)? as usize;
            send(network, frames, bytes.clamp(SMALLEST_FRAME, LARGEST_FRAME))
        }
        "raw" => {
            let frame = bytes_of(words.next("HEX")?)?;
            let mut buffer = network.new_tx_buffer(frame.len());
            buffer.packet_mut().copy_from_slice(&frame);
            network.send(buffer).map_err(|error| error.to_string())?;
            Ok(format!("bytes={}", frame.len()))
        }
        "recv" => {
            let (frames, ms) = (words.number("COUNT")?, words.number("MS")?);
            receive(network, frames, ms)
        }
        "dhcp" => lease::dhcp(network),
        "resolve" => lease::resolve(network, words.next("NAME")?),
        "echo" => {
            machine.echoing[index] = words.switch()?;
            Ok(String::new())
        }
        other => Err(format!("there is no 'net {other}'")),
    }
}

/// The frame that hexadecimal digits are.
fn bytes_of(digits: &str) -> Result<Vec<u8>, String> {
    let pair =
        |pair: &[u8]| core::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    let is_frame =
        |bytes: &Vec<u8>| digits.len().is_multiple_of(2) && (HEADER..=LARGEST_FRAME).contains(&bytes.len());
    bytes.filter(is_frame).ok_or_else(|| "HEX must be a frame in hexadecimal digits".to_string())
}

fn send(network: &mut Network, frames: u64, bytes: usize) -> Answer {
    let source = network.mac_address();
    let start = clock::now();
    for number in 0..frames {
        let mut buffer = network.new_tx_buffer(bytes);
        let frame = buffer.packet_mut();
        frame[..6].copy_from_slice(&BROADCAST);
        frame[6..12].copy_from_slice(&source);
        frame[12..HEADER].copy_from_slice(&EXPERIMENTAL);
        frame[HEADER..HEADER + 8].copy_from_slice(&number.to_be_bytes());
        network.send(buffer).map_err(|error| error.to_string())?;
    }
    Ok(format!("frames={frames} us={}", (clock::now() - start) / 1000))
}

fn receive(network: &mut Network, frames: u64, ms: u64) -> Answer {
    let (mut ours, mut others, mut bytes) = (0, 0, 0);
    let deadline = clock::now() + ms * MS;
    while ours < frames && clock::now() < deadline {
        if !network.can_recv() {
            clock::doze_until(deadline.min(clock::now() + MS));
            continue;
        }
        let buffer = network.receive().map_err(|error| error.to_string())?;
        let frame = buffer.packet();
        if frame.get(12..HEADER) == Some(&EXPERIMENTAL[..]) {
            ours += 1;
            bytes += frame.len();
        } else {
            others += 1;
        }
        network.recycle_rx_buffer(buffer).map_err(|error| error.to_string())?;
    }
    Ok(format!("frames={ours} bytes={bytes} others={others}"))
}

/// Takes what arrived on every network device and answers where `echo` is on; true if there was anything.
pub fn echo_frames(machine: &mut Machine) -> bool {
    let mut any = false;
    for (slot, echo) in machine.networks.iter_mut().zip(&machine.echoing) {
        while *echo && slot.device.can_recv() {
            let Ok(buffer) = slot.device.receive() else { break };
            any = true;
            if buffer.packet().get(12..HEADER) == Some(&EXPERIMENTAL[..]) {
                answer(&mut slot.device, buffer.packet());
            }
            if slot.device.recycle_rx_buffer(buffer).is_err() {
                break;
            }
        }
    }
    any
}

fn answer(network: &mut Network, frame: &[u8]) {
    let mut buffer = network.new_tx_buffer(frame.len());
    let reply = buffer.packet_mut();
    reply.copy_from_slice(frame);
    reply[..6].copy_from_slice(&frame[6..12]);
    reply[6..12].copy_from_slice(&network.mac_address());
    // A frame that cannot be sent is lost, as on any network.
    let _ = network.send(buffer);
}
