//! The command language: one line in, one line out, beginning with `ok` or `error`.

mod agent;
mod board;
mod cpu;
mod disk;
mod disk_bench;
mod disk_churn;
mod guard;
mod lease;
mod memory;
mod network;
mod numa;
mod pci;
mod pluggable;
mod power;
mod shared;
mod time;
mod vectors;
mod vsock;
mod wide;

use alloc::format;
use alloc::string::{String, ToString};

use crate::clock;
use crate::console::Origin;
use crate::machine::Machine;
use crate::text::Words;

pub use network::echo_frames;

/// What follows `ok` or `error`.
type Answer = Result<String, String>;

const COMMANDS: &str = "ping, help, cmdline, cpus, cpuid, ticks, irq, spin, vectors, mem, dirty, disk, net, wide, vsock, shared, pci, rng, balloon, \
     plugged, agent, watchdog, panic, nmi, numa, smbios, rtc, pit, clocksource, powerbutton, ignore-button, suspend, poweroff, reboot, crash";

/// Runs one command and says its answer.
pub fn run(machine: &mut Machine, origin: Origin, line: &str) {
    let line = match execute(machine, origin, line) {
        Ok(text) if text.is_empty() => "ok".to_string(),
        Ok(text) => format!("ok {text}"),
        Err(text) => format!("error {text}"),
    };
    machine.consoles.say(origin, &line);
}

/// Runs what the kernel command line asks for: `say=TEXT` and `run=COMMAND`, `+` standing for blanks.
pub fn run_unattended(machine: &mut Machine) {
    let command_line = machine.command_line.clone();
    for word in command_line.split_whitespace() {
        if let Some(text) = word.strip_prefix("say=") {
            machine.consoles.say(Origin::CommandLine, &text.replace('+', " "));
        }
        if let Some(command) = word.strip_prefix("run=") {
            run(machine, Origin::CommandLine, &command.replace('+', " "));
        }
    }
}

fn execute(machine: &mut Machine, origin: Origin, line: &str) -> Answer {
    let mut words = Words::new(line);
    match words.next("a command")? {
        "ping" => Ok(words.next("WORD").map_or_else(|_| "pong".into(), |word| format!("pong {word}"))),
        "help" => Ok(COMMANDS.into()),
        "cmdline" => Ok(machine.command_line.clone()),
        "cpus" => cpu::count(machine, &mut words),
        "cpuid" => cpu::cpuid(&mut words),
        "ticks" => cpu::ticks(&mut words),
        "irq" => cpu::interrupts(machine, &mut words),
        "spin" => cpu::spin(machine, &mut words),
        "vectors" => vectors::execute(machine, origin, &mut words),
        "mem" => memory::execute(machine, &mut words),
        "dirty" => memory::dirty(machine, &mut words),
        "disk" => disk::execute(machine, origin, &mut words),
        "net" => network::execute(machine, &mut words),
        "wide" => wide::execute(machine, &mut words),
        "vsock" => vsock::execute(machine, &mut words),
        "shared" => shared::execute(machine, &mut words),
        "pci" => pci::execute(machine, &mut words),
        "rng" => entropy(machine, &mut words),
        "balloon" => balloon(machine, &mut words),
        "plugged" => pluggable::execute(machine, &mut words),
        "agent" => agent::execute(machine, &mut words),
        "watchdog" => guard::watchdog(machine, &mut words),
        "panic" => guard::panic(machine, &mut words),
        "nmi" => guard::nmi(),
        "numa" => numa::numa(),
        "smbios" => board::smbios(&mut words),
        "rtc" => time::rtc(machine, &mut words),
        "pit" => time::pit(),
        "clocksource" => time::source(),
        "powerbutton" => {
            Ok(format!("presses={} ignored={}", machine.power.presses, machine.power.ignore_button))
        }
        "ignore-button" => {
            machine.power.ignore_button = words.switch()?;
            Ok(String::new())
        }
        "poweroff" => power::off(machine, origin),
        "suspend" => power::suspend(machine, origin, &mut words),
        "reboot" => power::reboot(machine, origin),
        "crash" => power::crash(machine, origin, &mut words),
        other => Err(format!("there is no command '{other}'; there are {COMMANDS}")),
    }
}

/// `rng BYTES`: that many bytes of entropy in hexadecimal. `rng BYTES TIMES`: how long it takes to get them so often.
fn entropy(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    const MOST: u64 = 64;
    let mut buffer = [0u8; MOST as usize];
    let wanted = words.number_or("BYTES", 16)?.clamp(1, MOST) as usize;
    let times = words.number_or("TIMES", 0)?;
    let slot = machine.entropy.as_mut().ok_or("this machine has no entropy device")?;
    if times > 0 {
        let (start, mut all) = (clock::now(), 0);
        for _ in 0..times {
            let got = slot.device.request(&mut buffer[..wanted], core::hint::spin_loop);
            all += got.map_err(|error| error.to_string())?;
        }
        return Ok(format!("bytes={all} ms={}", (clock::now() - start) / 1_000_000));
    }
    let got = slot.device.request(&mut buffer[..wanted], core::hint::spin_loop);
    let got = got.map_err(|error| error.to_string())?;
    Ok(buffer[..got.min(wanted)].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `balloon`: pages the host wants and pages it has; the balloon follows by itself. `balloon offered`: whether it may shrink by itself,
/// and whether free memory may be reported. `balloon report MIB`: reports so much of what tests use as free.
fn balloon(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let slot = machine.balloon.as_mut().ok_or("this machine has no balloon")?;
    match words.next("report or offered") {
        Ok("offered") => {
            let (shrinks, reports) = slot.device.offered();
            return Ok(format!("shrinks={shrinks} reports={reports}"));
        }
        Ok("report") => {
            let mib = words.number("MIB")?;
            for run in machine.memory.words(mib)? {
                slot.device.report(run.address(0), run.count() * 8).map_err(|error| error.to_string())?;
            }
            return Ok(format!("reported mib={mib}"));
        }
        Ok(other) => return Err(format!("there is no 'balloon {other}'")),
        Err(_) => {}
    }
    slot.device.serve(&mut machine.memory).map_err(|error| error.to_string())?;
    let (wanted, held) = slot.device.pages();
    Ok(format!("wanted={wanted} held={held} free={}", machine.memory.bytes()))
}
