//! A guest agent: answers the host's questions on the channel `org.qemu.guest_agent.0` as qemu-ga would, of a guest that has
//! file systems on its disks and keeps in mind what it was told.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::clock;
use crate::machine::Machine;
use crate::text::field;

const CHANNEL: &str = "org.qemu.guest_agent.0";
const SENTINEL: u8 = 0xff;
const LONGEST: usize = 8192;

/// What the agent remembers.
#[derive(Default)]
pub struct Agent {
    line: Vec<u8>,
    /// Questions that were answered.
    pub asked: u64,
    /// File systems are frozen.
    pub frozen: bool,
    /// That they are is not said before it is released.
    pub holds: bool,
    /// The answer that is held.
    held: Vec<u8>,
    /// Bytes below which nothing is trimmed, when it was last asked to.
    pub trimmed: Option<u64>,
    /// Who was given another password last.
    pub password_of: Option<String>,
    /// vCPUs that the guest was asked to do without, a bit each.
    pub offline: u64,
    /// Nanoseconds since 1970 when the guest was started.
    epoch: i64,
}

enum End {
    PowerOff,
    Suspend,
    Hibernate,
    Reboot,
    Halt,
}

/// Answers what the host asked. False if there was nothing.
pub fn serve(machine: &mut Machine) -> bool {
    let mut bytes = Vec::new();
    if let Some((ports, port)) = channel(machine) {
        while let Ok(Some(more)) = ports.receive(port) {
            bytes.extend(more);
        }
    }
    for byte in &bytes {
        match *byte {
            // Whoever writes it begins anew.
            SENTINEL => machine.agent.line.clear(),
            b'\n' => {
                let line = core::mem::take(&mut machine.agent.line);
                answer(machine, &String::from_utf8_lossy(&line));
            }
            byte if machine.agent.line.len() < LONGEST => machine.agent.line.push(byte),
            _ => {}
        }
    }
    !bytes.is_empty()
}

/// Closes the channel, as if the agent had ended, or opens it again.
pub fn set_open(machine: &mut Machine, open: bool) -> Result<(), String> {
    let (ports, port) = channel(machine).ok_or("this machine has no channel for an agent")?;
    ports.set_open(port, open).map_err(|error| format!("{error}"))
}

/// Says what was held, and holds nothing any more.
pub fn release(machine: &mut Machine) {
    machine.agent.holds = false;
    let held = core::mem::take(&mut machine.agent.held);
    if let Some((ports, port)) = channel(machine) {
        // Nobody listens any more.
        let _ = ports.send(port, &held);
    }
}

/// Whether somebody on the host has the channel open.
pub fn is_heard(machine: &mut Machine) -> bool {
    channel(machine).is_some_and(|(ports, port)| ports.is_open(port))
}

fn channel(machine: &mut Machine) -> Option<(&mut crate::virtio::Ports, usize)> {
    let ports = machine.consoles.ports()?;
    let port = ports.find(CHANNEL)?;
    Some((ports, port))
}

fn answer(machine: &mut Machine, line: &str) {
    machine.agent.asked += 1;
    let command = field(line, "execute").unwrap_or("");
    let mut end = None;
    let returned = match command {
        "guest-sync-delimited" | "guest-sync" => Ok(field(line, "id").unwrap_or("0").into()),
        "guest-shutdown" => {
            end = Some(match field(line, "mode") {
                Some("reboot") => End::Reboot,
                Some("halt") => End::Halt,
                _ => End::PowerOff,
            });
            Ok(String::new())
        }
        "guest-suspend-ram" => {
            end = Some(End::Suspend);
            Ok(String::new())
        }
        "guest-suspend-disk" => {
            end = Some(End::Hibernate);
            Ok(String::new())
        }
        _ => of_guest(machine, command, line),
    };
    if let Some(end) = end {
        match end {
            End::PowerOff => machine.power.off(),
            End::Suspend => machine.power.suspend(false),
            End::Hibernate => machine.power.hibernate(),
            End::Reboot => machine.power.reset(),
            End::Halt => crate::ring0::halt_forever(),
        };
        return;
    }
    let mut text = match returned {
        Ok(value) => format!("{{\"return\": {value}}}\n").into_bytes(),
        Err((class, reason)) => {
            format!("{{\"error\": {{\"class\": \"{class}\", \"desc\": \"{reason}\"}}}}\n").into_bytes()
        }
    };
    if command == "guest-sync-delimited" {
        text.insert(0, SENTINEL);
    }
    if machine.agent.holds && command == "guest-fsfreeze-freeze" {
        machine.agent.held = text;
        return;
    }
    if let Some((ports, port)) = channel(machine) {
        // Nobody listens any more.
        let _ = ports.send(port, &text);
    }
}

type Refusal = (&'static str, String);

fn of_guest(machine: &mut Machine, command: &str, line: &str) -> Result<String, Refusal> {
    let generic = |reason: &str| ("GenericError", String::from(reason));
    Ok(match command {
        "guest-ping" => "{}".into(),
        "guest-info" => info(),
        "guest-get-host-name" => "{\"host-name\": \"reeve-guest\"}".into(),
        "guest-get-osinfo" => "{\"id\": \"reeve-guest\", \"kernel-release\": \"0.1.0\"}".into(),
        "guest-get-time" => format!("{}", machine.agent.epoch + clock::now() as i64),
        "guest-set-time" => {
            // Without a time it is the hardware's clock, and this guest has set nothing else by it.
            let time = field(line, "time").and_then(|time| time.parse::<i64>().ok());
            machine.agent.epoch = time.map_or(0, |time| time - clock::now() as i64);
            "{}".into()
        }
        "guest-fsfreeze-status" => (if machine.agent.frozen { "\"frozen\"" } else { "\"thawed\"" }).into(),
        "guest-fsfreeze-freeze" | "guest-fsfreeze-freeze-list" if machine.agent.frozen => {
            return Err(generic("file systems are frozen already"));
        }
        "guest-fsfreeze-freeze" | "guest-fsfreeze-freeze-list" => {
            machine.agent.frozen = true;
            let named = (0..machine.disks.len()).filter(|disk| line.contains(&format!("\"/disk{disk}\"")));
            let count = if command.ends_with("list") { named.count() } else { machine.disks.len() };
            format!("{count}")
        }
        "guest-fsfreeze-thaw" => {
            let frozen = core::mem::take(&mut machine.agent.frozen);
            format!("{}", if frozen { machine.disks.len() } else { 0 })
        }
        "guest-fstrim" => {
            let minimum = field(line, "minimum").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            machine.agent.trimmed = Some(minimum);
            let path = |disk: usize| {
                format!("{{\"path\": \"/disk{disk}\", \"trimmed\": 4096, \"minimum\": {minimum}}}")
            };
            format!("{{\"paths\": [{}]}}", list(machine.disks.len(), path))
        }
        "guest-get-fsinfo" => format!("[{}]", list(machine.disks.len(), |disk| filesystem(machine, disk))),
        "guest-network-get-interfaces" => {
            format!("[{}]", list(machine.networks.len(), |net| interface(machine, net)))
        }
        "guest-get-vcpus" => {
            let vcpu = |cpu: usize| {
                let online = machine.agent.offline >> cpu & 1 == 0;
                format!("{{\"logical-id\": {cpu}, \"online\": {online}, \"can-offline\": {}}}", cpu > 0)
            };
            format!("[{}]", list(machine.expected_cpus as usize, vcpu))
        }
        "guest-set-vcpus" => set_vcpus(machine, line)?,
        "guest-set-user-password" if field(line, "username") == Some("root") => {
            machine.agent.password_of = field(line, "username").map(String::from);
            "{}".into()
        }
        "guest-set-user-password" => return Err(generic("there is no such user")),
        other => return Err(("CommandNotFound", format!("The command {other} has not been found"))),
    })
}

fn info() -> String {
    const COMMANDS: [&str; 16] = [
        "guest-sync-delimited",
        "guest-sync",
        "guest-ping",
        "guest-info",
        "guest-get-host-name",
        "guest-get-osinfo",
        "guest-get-time",
        "guest-set-time",
        "guest-fsfreeze-status",
        "guest-fsfreeze-freeze",
        "guest-fsfreeze-thaw",
        "guest-fstrim",
        "guest-get-fsinfo",
        "guest-network-get-interfaces",
        "guest-get-vcpus",
        "guest-set-vcpus",
    ];
    let command = |index: usize| {
        format!("{{\"name\": \"{}\", \"enabled\": true, \"success-response\": true}}", COMMANDS[index])
    };
    format!("{{\"version\": \"0.1.0\", \"supported_commands\": [{}]}}", list(COMMANDS.len(), command))
}

fn filesystem(machine: &Machine, disk: usize) -> String {
    let slot = machine.disks[disk].slot;
    let bytes = machine.disks[disk].capacity() * 512;
    let place = format!("{{\"domain\": 0, \"bus\": 0, \"slot\": {slot}, \"function\": 0}}");
    format!(
        "{{\"name\": \"disk{disk}\", \"mountpoint\": \"/disk{disk}\", \"type\": \"none\", \"total-bytes\": {bytes}, \
         \"used-bytes\": 0, \"disk\": [{{\"bus-type\": \"virtio\", \"bus\": 0, \"target\": 0, \"unit\": 0, \
         \"pci-controller\": {place}}}]}}"
    )
}

fn interface(machine: &Machine, net: usize) -> String {
    let mac = machine.networks[net].device.mac_address();
    let mac: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{{\"name\": \"net{net}\", \"hardware-address\": \"{}\", \"ip-addresses\": [{{\"ip-address-type\": \"ipv4\", \
         \"ip-address\": \"192.0.2.{}\", \"prefix\": 24}}]}}",
        mac.join(":"),
        net + 1
    )
}

/// The objects of the list are looked at one after the other; what is before the first bad one is done.
fn set_vcpus(machine: &mut Machine, line: &str) -> Result<String, Refusal> {
    let mut done = 0;
    for object in line.split('{').filter(|object| object.contains("logical-id")) {
        let number = field(object, "logical-id").and_then(|number| number.parse::<u32>().ok());
        let number = number.filter(|number| *number < machine.expected_cpus.min(64));
        let online = field(object, "online") == Some("true");
        match number {
            Some(number) if online || number > 0 => {
                let bit = 1 << number;
                machine.agent.offline = machine.agent.offline & !bit | if online { 0 } else { bit };
                done += 1;
            }
            _ if done > 0 => break,
            _ => return Err(("GenericError", "that vCPU can't be set so".into())),
        }
    }
    Ok(format!("{done}"))
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}
