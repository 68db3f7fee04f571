//! What the kernel hands to the sniffer at all: classic BPF programs.

use reeve_sys::packet::Instruction;

use crate::tree::LearningMode;

// Operations of classic BPF that are used here.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND_X: u16 = 0x48;
const X_IS_HEADER_LENGTH: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Where the kernel shows a packet's type to a program.
const PACKET_TYPE: u32 = 0xffff_f000 + 4;
/// That of packets that leave the host by the link.
const OUTGOING: u32 = 4;
/// Enough of a frame for DHCP with all its options.
const KEEP: u32 = 2048;

/// The program of a mode.
pub fn program(mode: LearningMode) -> Vec<Instruction> {
    match mode {
        LearningMode::Any => any(),
        LearningMode::Dhcp => dhcp(),
    }
}

fn step(code: u16, k: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, k }
}

/// Goes on to the next instruction when true is 0, skips so many otherwise.
fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

/// ARP and IPv4 from the guest.
fn any() -> Vec<Instruction> {
    vec![
        step(LOAD_WORD, PACKET_TYPE),
        jump(JUMP_EQUAL, OUTGOING, 4, 0),
        step(LOAD_HALF, 12),
        jump(JUMP_EQUAL, 0x0806, 1, 0),
        jump(JUMP_EQUAL, 0x0800, 0, 1),
        step(RETURN, KEEP),
        step(RETURN, 0),
    ]
}

/// UDP from port 67 to 68 that goes to the guest, and from 68 to 67 that comes from it.
fn dhcp() -> Vec<Instruction> {
    vec![
        step(LOAD_HALF, 12),
        jump(JUMP_EQUAL, 0x0800, 0, 16),
        step(LOAD_BYTE, 23),
        jump(JUMP_EQUAL, 17, 0, 14),
        step(LOAD_HALF, 20),
        jump(JUMP_ANY_BIT, 0x1fff, 12, 0),
        step(X_IS_HEADER_LENGTH, 14),
        step(LOAD_WORD, PACKET_TYPE),
        jump(JUMP_EQUAL, OUTGOING, 4, 0),
        step(LOAD_HALF_BEHIND_X, 14),
        jump(JUMP_EQUAL, 68, 0, 7),
        step(LOAD_HALF_BEHIND_X, 16),
        jump(JUMP_EQUAL, 67, 4, 5),
        step(LOAD_HALF_BEHIND_X, 14),
        jump(JUMP_EQUAL, 67, 0, 3),
        step(LOAD_HALF_BEHIND_X, 16),
        jump(JUMP_EQUAL, 68, 0, 1),
        step(RETURN, KEEP),
        step(RETURN, 0),
    ]
}
