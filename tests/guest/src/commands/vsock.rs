//! Sockets between guest and host.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Answer;
use crate::machine::Machine;
use crate::text::Words;

const PATIENCE_MS: u64 = 15_000;

/// `vsock info | listen PORT | deaf on|off | call PORT WORD | pour PORT BYTES`: address, connections and bytes echoed; takes connections of the
/// host and sends back what they bring; looks at nothing that the host sends, or again at all of it; sends a line to a port of the host and says the line it answers; sends so many bytes, of which byte n is n modulo 251.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let sockets = &mut machine.sockets.as_mut().ok_or("this machine has no sockets")?.device;
    let failed = |error: virtio_drivers::Error| error.to_string();
    match words.next("info, listen, deaf, call or pour")? {
        "info" => {
            let (address, open, echoed) = (sockets.address(), sockets.open(), sockets.echoed);
            Ok(format!("cid={address} open={open} echoed={echoed}"))
        }
        "listen" => {
            let port = words.number("PORT")? as u32;
            sockets.listen(port);
            Ok(format!("port={port}"))
        }
        "deaf" => {
            sockets.deaf = words.next("on or off")? == "on";
            Ok(format!("deaf={}", sockets.deaf))
        }
        "call" => {
            let (port, word) = (words.number("PORT")? as u32, words.next("WORD")?);
            let own = sockets.connect(port, PATIENCE_MS).map_err(failed)?.ok_or("nobody is there")?;
            sockets.send_all(port, own, format!("{word}\n").as_bytes(), PATIENCE_MS).map_err(failed)?;
            let line = sockets.line(port, own, PATIENCE_MS).map_err(failed)?.ok_or("it did not answer")?;
            sockets.close(port, own);
            Ok(String::from_utf8_lossy(&line).into_owned())
        }
        "pour" => {
            let (port, count) = (words.number("PORT")? as u32, words.number("BYTES")?);
            let own = sockets.connect(port, PATIENCE_MS).map_err(failed)?.ok_or("nobody is there")?;
            let bytes: Vec<u8> = (0..count).map(|number| (number % 251) as u8).collect();
            let all = sockets.send_all(port, own, &bytes, PATIENCE_MS).map_err(failed)?;
            sockets.close(port, own);
            if all { Ok(format!("bytes={count}")) } else { Err("it took no more".to_string()) }
        }
        other => Err(format!("there is no 'vsock {other}'")),
    }
}
