//! Directories of the host.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Answer;
use crate::machine::Machine;
use crate::text::{FNV_START, Words, fnv1a};

/// `shared [N] info | read NAME | sum NAME | write NAME TEXT | pour NAME BYTES`: tag and queues; the text of a file; how many bytes it has, and
/// their sum; makes a file of a text, or of so many bytes, of which byte n is n modulo 251.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let index = words.leading_number().unwrap_or(0) as usize;
    let device =
        &mut machine.shared.get_mut(index).ok_or("this machine has no such directory of the host")?.device;
    match words.next("info, read, sum, write or pour")? {
        "info" => {
            let (tag, queues) = device.place();
            Ok(format!("tag={tag} queues={queues}"))
        }
        "read" => {
            let bytes = device.read(words.next("NAME")?)?;
            Ok(format!("text={}", String::from_utf8_lossy(&bytes)))
        }
        "sum" => {
            let bytes = device.read(words.next("NAME")?)?;
            Ok(format!("bytes={} sum={:016x}", bytes.len(), fnv1a(FNV_START, &bytes)))
        }
        "write" => {
            let (name, text) = (words.next("NAME")?, words.next("TEXT")?);
            device.write(name, text.as_bytes())?;
            Ok(format!("bytes={}", text.len()))
        }
        "pour" => {
            let (name, count) = (words.next("NAME")?, words.number("BYTES")?);
            let bytes: Vec<u8> = (0..count).map(|number| (number % 251) as u8).collect();
            device.write(name, &bytes)?;
            Ok(format!("bytes={count} sum={:016x}", fnv1a(FNV_START, &bytes)))
        }
        other => Err(format!("there is no 'shared {other}'")),
    }
}
