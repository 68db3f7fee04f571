//! Raw frames.

use std::time::{Duration, Instant};

use reeve_sys::packet::{Instruction, PacketSocket};

use crate::look::{cable, isolated, name};

const PATIENCE: Duration = Duration::from_secs(10);
const LITTLE: Duration = Duration::from_millis(200);

/// A frame of the kind that is reserved for experiments.
fn frame(mark: u8) -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], &[mark; 46]].concat()
}

/// Waits for a frame that came in, past what the stack itself sends.
pub(crate) fn expect(socket: &PacketSocket, bytes: &[u8]) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(frame) = socket.receive(deadline.saturating_duration_since(Instant::now())).unwrap() {
        if frame.bytes == bytes && !frame.outgoing {
            return;
        }
    }
    panic!("the frame did not arrive");
}

#[test]
fn frames_pass_whole_and_their_direction_is_known() {
    isolated(|links| {
        cable(links, "one", "other");
        let one = PacketSocket::open(&name("one"), None).unwrap();
        let other = PacketSocket::open(&name("other"), None).unwrap();
        one.send(&frame(1)).unwrap();
        expect(&other, &frame(1));
        other.send(&frame(2)).unwrap();
        let beside = PacketSocket::open(&name("other"), None).unwrap();
        expect(&one, &frame(2));
        other.send(&frame(3)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = beside.receive(deadline.saturating_duration_since(Instant::now())).unwrap();
            let seen = seen.expect("what leaves is seen by others");
            if seen.bytes == frame(3) {
                assert!(seen.outgoing);
                break;
            }
        }
    });
}

#[test]
fn a_tag_of_a_vlan_is_kept() {
    isolated(|links| {
        cable(links, "one", "other");
        let one = PacketSocket::open(&name("one"), None).unwrap();
        let other = PacketSocket::open(&name("other"), None).unwrap();
        let mut tagged = frame(1);
        tagged.splice(12..12, [0x81, 0x00, 0x60, 0x2a]);
        one.send(&tagged).unwrap();
        expect(&other, &tagged);
    });
}

#[test]
fn a_filter_lets_only_its_frames_pass() {
    isolated(|links| {
        cable(links, "one", "other");
        let one = PacketSocket::open(&name("one"), None).unwrap();
        // Load the first byte behind the header; the whole frame when it is 7, else nothing.
        let step = |code, jump_true, jump_false, k| Instruction { code, jump_true, jump_false, k };
        let filter =
            [step(0x30, 0, 0, 14), step(0x15, 0, 1, 7), step(0x06, 0, 0, u32::MAX), step(0x06, 0, 0, 0)];
        let other = PacketSocket::open(&name("other"), Some(&filter)).unwrap();
        for mark in [1, 7, 2] {
            one.send(&frame(mark)).unwrap();
        }
        assert_eq!(other.receive(PATIENCE).unwrap().unwrap().bytes, frame(7));
        assert_eq!(other.receive(LITTLE).unwrap(), None);

        let error = PacketSocket::open(&name("other"), Some(&filter[..1])).unwrap_err();
        assert_eq!(error.to_string(), "frames of network interface 'other' can't be filtered");
        let error = PacketSocket::open(&name("gone"), None).unwrap_err();
        assert_eq!(error.to_string(), "frames of network interface 'gone' can't be opened");
    });
}
