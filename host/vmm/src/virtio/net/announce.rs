//! Where a guest is now that came from elsewhere: bridges learn it from a frame with its address (a reverse ARP request, RFC 903),
//! which no station answers.

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE: [u8; 2] = [0x80, 0x35];
/// Hardware Ethernet, protocol IPv4, and the lengths of their addresses; then "request reverse".
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 3];
/// Shortest frame without its checksum.
const LENGTH: usize = 60;

/// The frame of a guest's interface with this address.
pub(super) fn announcement(mac: [u8; 6]) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14..22].copy_from_slice(&REQUEST);
    frame[22..28].copy_from_slice(&mac);
    frame[32..38].copy_from_slice(&mac);
    frame
}
