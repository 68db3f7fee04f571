//! Memory that the host gives in blocks.

use alloc::format;
use alloc::string::{String, ToString};

use super::Answer;
use super::memory::{fill, verify};
use crate::machine::Machine;
use crate::memory::Words as Run;
use crate::paging;
use crate::text::Words;
use crate::virtio::{PLUG, UNPLUG};

/// `plugged info | write PATTERN | verify PATTERN`: what there is of it, patterns as with `mem` over all of it. `plugged plug|unplug
/// ADDRESS COUNT`: a request of blocks, wanted by the host or not, and the device's answer. `plugged read ADDRESS`: a word, there or not.
/// `plugged auto on|off`: whether the guest follows the host by itself.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let slot = machine.pluggable.as_mut().ok_or("this machine has no memory that comes in blocks")?;
    let device = &mut slot.device;
    let (address, block, requested) = device.place();
    let run = Run::at(address, device.bytes());
    match words.next("info, write, verify, plug, unplug, read or auto")? {
        "info" => {
            Ok(format!("address={address:#x} block={block} requested={requested} has={}", device.bytes()))
        }
        "write" => {
            let pattern = words.number("PATTERN")?;
            let mut run = run;
            fill(&mut run, |address| pattern ^ address);
            Ok(format!("bytes={}", device.bytes()))
        }
        "verify" => {
            verify(&run, words.number("PATTERN")?)?;
            Ok(format!("bytes={}", device.bytes()))
        }
        "read" => {
            let address = words.number("ADDRESS")?;
            paging::map(address, 8);
            Ok(format!("{:#x}", Run::at(address, 8).read(0)))
        }
        "auto" => {
            device.automatic = words.switch()?;
            Ok(String::new())
        }
        verb @ ("plug" | "unplug") => {
            let (address, count) = (words.number("ADDRESS")?, words.number("COUNT")? as u16);
            let answer = device.request(if verb == "plug" { PLUG } else { UNPLUG }, address, count);
            let answer = answer.map_err(|error| error.to_string())?;
            Ok(["done", "refused", "busy"].get(usize::from(answer)).copied().unwrap_or("wrong").to_string())
        }
        other => Err(format!("there is no 'plugged {other}'")),
    }
}
