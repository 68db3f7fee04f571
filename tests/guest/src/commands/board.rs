//! What is on the board besides devices: SMBIOS.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Answer;
use crate::start_info;
use crate::text::Words;

/// Where the entry point of SMBIOS is searched for, and how long the structures may be.
const SEARCHED: core::ops::Range<u64> = 0xf_0000..0x10_0000;
const MOST: u64 = 0x1_0000;
const END: u8 = 127;

/// `smbios TYPE`: the bytes of the first structure of that type, in hexadecimal, and its strings.
pub fn smbios(words: &mut Words<'_>) -> Answer {
    let wanted = words.number("TYPE")? as u8;
    let entry = SEARCHED.step_by(16).find(|at| {
        let is_entry = (0..5).map(|offset| peek::<u8>(at + offset)).eq(*b"_SM3_");
        is_entry && (0..24).fold(0u8, |sum, offset| sum.wrapping_add(peek(at + offset))) == 0
    });
    let entry = entry.ok_or("this machine has no SMBIOS")?;
    let (mut at, length) = (peek::<u64>(entry + 16), u64::from(peek::<u32>(entry + 12)));
    let end = at + length.min(MOST);
    while at + 4 <= end {
        let (kind, size) = (peek::<u8>(at), u64::from(peek::<u8>(at + 1)));
        let mut next = at + size;
        let mut strings = Vec::new();
        while peek::<u16>(next) != 0 && next < end {
            let mut text = String::new();
            while next < end {
                let byte = peek::<u8>(next);
                next += 1;
                if byte == 0 {
                    break;
                }
                text.push(char::from(byte));
            }
            strings.push(text);
            // The end of a string and the zero after the last one are the two zeros.
            if peek::<u8>(next) == 0 {
                next -= 1;
                break;
            }
        }
        if kind == wanted {
            let bytes: String = (0..size).map(|offset| format!("{:02x}", peek::<u8>(at + offset))).collect();
            return Ok(format!("bytes={bytes} strings={}", strings.join("|")));
        }
        if kind == END {
            break;
        }
        at = next + 2;
    }
    Err(format!("there is no structure of type {wanted}"))
}

/// Something in the BIOS area, which is memory that nobody writes to.
fn peek<T: Copy>(address: u64) -> T {
    assert!(SEARCHED.contains(&address), "structures are where their entry point is");
    // SAFETY: the address is in the BIOS area, which is mapped; any bytes are a number.
    unsafe { start_info::peek(address) }
}
