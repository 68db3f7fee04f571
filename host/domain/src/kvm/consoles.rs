//! Serial ports, consoles and channels of a domain as those of a worker (guide 20.16.14 to 20.16.17).

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use reeve_model::domain::{CharDevice, DomainConfig};
use reeve_sys::socket;
use reeve_vmm::config::{
    ConsoleConfig, ConsoleEnd, ConsolePort, DeviceConfig, DeviceKind, FdIndex, SerialConfig,
};
use tracing::warn;

use super::devices::alias;
use super::plan::{Source, Sources};

/// Alias of the device that carries virtio consoles and channels.
const VIRTIO_SERIAL: &str = "virtio-serial0";
/// Alias of a serial port that a `<console>` stands for.
const FIRST_SERIAL: &str = "serial0";

/// Serial ports; a `<console>` of a serial kind without a `<serial>` stands for the first one.
pub(super) fn serials(
    config: &DomainConfig,
    sources: &mut Sources,
    refuse: &mut impl FnMut(String),
) -> Vec<SerialConfig> {
    let devices = &config.devices;
    let mut serials = Vec::new();
    let mut add = |alias: String, device: &CharDevice| {
        if let Some(target) = device.target_type.as_deref().filter(|target| !is_serial(target)) {
            refuse(format!("serial port '{alias}' is a '{target}': only isa-serial is there"));
        }
        match host_side(device, sources) {
            Ok((log, end)) => serials.push(SerialConfig { alias, log, end }),
            Err(sentence) => refuse(format!("serial port '{alias}' {sentence}")),
        }
    };
    for serial in &devices.serials {
        add(alias(&serial.common), serial);
    }
    let mut others = devices.consoles.iter().filter(|console| !is_virtio(console));
    if let Some(console) = others.next()
        && devices.serials.is_empty()
    {
        add(FIRST_SERIAL.to_owned(), console);
    }
    for console in others {
        let alias = alias(&console.common);
        refuse(format!("console '{alias}' is the second serial one: give it a <target type='virtio'/>"));
    }
    serials
}

fn is_serial(target: &str) -> bool {
    matches!(target, "serial" | "isa-serial")
}

/// The device with all virtio consoles and channels, consoles first.
pub(super) fn ports(
    config: &DomainConfig,
    sources: &mut Sources,
    refuse: &mut impl FnMut(String),
) -> Option<DeviceConfig> {
    let devices = &config.devices;
    let mut ports = Vec::<ConsolePort>::new();
    for console in devices.consoles.iter().filter(|console| is_virtio(console)) {
        let alias = alias(&console.common);
        match host_side(console, sources) {
            Ok((log, end)) => ports.push(ConsolePort { alias, name: None, log, end }),
            Err(sentence) => refuse(format!("console '{alias}' {sentence}")),
        }
    }
    for channel in &devices.channels {
        let alias = alias(&channel.common);
        match named(channel).and_then(|name| Ok((name, host_side(channel, sources)?))) {
            Ok((name, _)) if ports.iter().any(|port| port.name.as_ref() == Some(&name)) => {
                refuse(format!("channel '{alias}' is the second one with the name '{name}'"));
            }
            Ok((name, (log, end))) => ports.push(ConsolePort { alias, name: Some(name), log, end }),
            Err(sentence) => refuse(format!("channel '{alias}' {sentence}")),
        }
    }
    if ports.is_empty() {
        return None;
    }
    let kind = DeviceKind::Console(ConsoleConfig { ports });
    Some(DeviceConfig { alias: VIRTIO_SERIAL.to_owned(), slot: None, event_idx: true, kind })
}

fn named(channel: &CharDevice) -> Result<String, String> {
    match channel.target_type.as_deref() {
        None | Some("virtio") => {}
        Some("guestfwd") => {
            return Err(
                "forwards TCP of a guest, which takes a network inside the machine: use an interface"
                    .to_owned(),
            );
        }
        Some(other) => return Err(format!("has a target of type '{other}': only virtio is there")),
    }
    channel.name.clone().ok_or_else(|| "has no name: give its <target> one".to_owned())
}

/// Where a device's bytes go: a log, and who else than the daemon may talk to it.
fn host_side(device: &CharDevice, sources: &mut Sources) -> Result<(Option<FdIndex>, ConsoleEnd), String> {
    let what = alias(&device.common);
    let connects = match device.mode.as_deref() {
        None | Some("bind") => false,
        Some("connect") => true,
        Some(other) => return Err(format!("has a source of mode '{other}': use bind or connect")),
    };
    let path = || -> Result<PathBuf, String> {
        let path = device.path.as_deref().ok_or("has no path: give its <source> one")?;
        match path.starts_with('/') {
            true => Ok(PathBuf::from(path)),
            false => Err(format!("has a source of path '{path}', which is not absolute")),
        }
    };
    let reason = match device.kind.as_str() {
        "pty" | "null" => return Ok((None, ConsoleEnd::Nobody)),
        "unix" if device.path.is_none() && !connects => return Ok((None, ConsoleEnd::Nobody)),
        "unix" if connects => {
            let fd = sources.add(Source::SocketPeer { what, path: path()? });
            return Ok((None, ConsoleEnd::Peer { fd }));
        }
        "unix" => {
            let fd = sources.add(Source::SocketListener { what, path: path()? });
            return Ok((None, ConsoleEnd::Listener { fd }));
        }
        "file" => {
            return Ok((Some(sources.add(Source::Log { what, path: path()? })), ConsoleEnd::Nobody));
        }
        "pipe" => {
            return Ok((Some(sources.add(Source::Pipe { what, path: path()? })), ConsoleEnd::Nobody));
        }
        "tcp" => {
            let address = address(device)?;
            return Ok(match connects {
                true => {
                    let fd = sources.add(Source::TcpPeer { what, address });
                    (None, ConsoleEnd::Peer { fd })
                }
                false => {
                    let fd = sources.add(Source::TcpListener { what, address });
                    (None, ConsoleEnd::Listener { fd })
                }
            });
        }
        "udp" => "UDP loses what is said",
        "dev" => "a device of the host is nothing a locked-in machine drives",
        "stdio" => "a machine has no terminal of its own",
        "vc" => "a machine has no screen to show it on",
        "spicevmc" => "it belongs to SPICE, and a machine has no screen",
        _ => "there is no such type",
    };
    let kind = &device.kind;
    Err(format!("is of type '{kind}', and {reason}: use pty, unix, file, pipe, tcp or null"))
}

/// The address of a TCP console. Names are not looked up: whoever answers for them would choose who talks to the guest.
fn address(device: &CharDevice) -> Result<SocketAddr, String> {
    if let Some(protocol) = device.protocol.as_deref().filter(|protocol| *protocol != "raw") {
        return Err(format!("speaks '{protocol}': only raw TCP is there; put a terminal server before it"));
    }
    let (host, port) = match (&device.host, &device.service) {
        (Some(host), Some(service)) => (host.parse::<IpAddr>().ok(), service.parse().ok()),
        _ => return Err("has no address: give its <source> a host and a service".to_owned()),
    };
    match (host, port) {
        (Some(host), Some(port)) => Ok(SocketAddr::new(host, port)),
        _ => Err("has a source that is no IP address with a port number".to_owned()),
    }
}

/// Removes the sockets that consoles of a domain that has ended listened at.
pub(super) fn remove_sockets(config: &DomainConfig) {
    let devices = &config.devices;
    if let Some(path) = devices.vsock.as_ref().and_then(|vsock| vsock.path.as_deref()).map(Path::new)
        && path.is_absolute()
        && let Err(error) = socket::remove_dead(path)
    {
        warn!(domain = config.name, path = %path.display(), %error, "the socket of a vsock is left where it is");
    }
    for device in devices.serials.iter().chain(&devices.consoles).chain(&devices.channels) {
        let listens = device.kind == "unix" && device.mode.as_deref() != Some("connect");
        if let Some(path) = device.path.as_deref().filter(|path| listens && path.starts_with('/'))
            && let Err(error) = socket::remove_dead(Path::new(path))
        {
            warn!(domain = config.name, path, %error, "the socket of a console is left where it is");
        }
    }
}

/// The alias of the channel that the guest knows by a name.
pub(super) fn channel(config: &DomainConfig, name: &str) -> Option<String> {
    let found = config.devices.channels.iter().find(|channel| channel.name.as_deref() == Some(name));
    found.map(|channel| alias(&channel.common))
}

/// The alias of the console that is opened when none is named.
pub(super) fn first_console(config: &DomainConfig) -> Option<String> {
    let devices = &config.devices;
    match devices.consoles.first() {
        Some(console) if is_virtio(console) => Some(alias(&console.common)),
        Some(_) => {
            Some(devices.serials.first().map_or(FIRST_SERIAL.to_owned(), |serial| alias(&serial.common)))
        }
        None => devices.serials.first().map(|serial| alias(&serial.common)),
    }
}

/// The alias of the port behind a console that an operator names: a serial `<console>` is the first serial port.
pub(super) fn console_port(config: &DomainConfig, name: &str) -> String {
    let named = |console: &&CharDevice| console.common.alias.as_deref() == Some(name) && !is_virtio(console);
    match config.devices.consoles.iter().find(named) {
        Some(_) => {
            config.devices.serials.first().map_or(FIRST_SERIAL.to_owned(), |serial| alias(&serial.common))
        }
        None => name.to_owned(),
    }
}

fn is_virtio(console: &CharDevice) -> bool {
    console.target_type.as_deref() == Some("virtio")
}
