//! What a guest's devices are at the destination: images that both hosts see, and interfaces whose networks learn where they are.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use reeve_tests::{Daemon, Guest, Namespace, Options, wait};
use tempfile::TempDir;

use crate::pair::{NO_GROUPS, Pair, host, say, state};
use crate::{Outcome, PATIENCE};

const MAC: &str = "52:54:00:4d:69:67";

/// Two hosts without groups for their workers, each in a network of its own.
fn hosts(networks: &[Namespace; 2]) -> anyhow::Result<[Daemon; 2]> {
    let host = |network: &Namespace| {
        let config = NO_GROUPS.to_owned();
        Daemon::start_with(Options { config, through: network.through(), ..Options::default() })
    };
    Ok([host(&networks[0])?, host(&networks[1])?])
}

/// A pair whose guest has these devices and a console.
fn pair([source, target]: [Daemon; 2], place: TempDir, devices: &str) -> anyhow::Result<Pair> {
    let pair = Pair { source, target, place, addresses: None };
    let devices = format!("{devices}<serial type='pty'><target port='0'/></serial>");
    let document = Guest::locate()?.document_with("guest", 64, "", &devices);
    pair.source.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: ready")?;
    Ok(pair)
}

/// Two hosts, and a guest on a new qcow2 image that both of them see.
fn on_an_image() -> anyhow::Result<Pair> {
    let (hosts, place) = ([host()?, host()?], tempfile::tempdir()?);
    let directory = place.path().display().to_string();
    hosts[0].reeve(&["pool", "create-as", "shared", "dir", "--target", &directory])?.ok();
    hosts[0].reeve(&["vol", "create-as", "shared", "disk.qcow2", "64M", "--format", "qcow2"])?.ok();
    let disk = format!(
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{directory}/disk.qcow2'/>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    pair(hosts, place, &disk)
}

#[test]
fn what_a_guest_writes_to_an_image_that_the_destination_has_open_is_read_there() -> Outcome {
    let mut pair = on_an_image()?;
    say(&pair.source, "mem write 77 24\n", "ok write")?;
    pair.slowly(|pair| {
        // The destination has opened it by now. These are clusters and tables that were not there then.
        for number in 1..8 {
            say(&pair.source, &format!("disk put 0 {} late-{number}\n", 8192 * number), "ok")?;
        }
        assert_eq!(state(&pair.source)?, "running");
        Ok(())
    })?
    .ok();
    for number in 1..8 {
        say(&pair.target, &format!("disk read 0 {}\n", 8192 * number), &format!("text=late-{number}"))?;
        say(&pair.target, &format!("disk put 0 {} there-{number}\n", 8192 * number + 4096), "ok")?;
    }
    pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
    let image = pair.place.path().join("disk.qcow2").display().to_string();
    pair.target.reeve(&["image", "check", "-f", "qcow2", &image])?.ok();
    Ok(())
}

#[test]
fn a_guest_on_a_qcow2_image_moves_there_and_back() -> Outcome {
    let mut pair = on_an_image()?;
    // Each host makes clusters in tables that the other one made, and reads what was written at the other.
    for round in 0..4 {
        let at = 4096 * (round + 1);
        say(&pair.source, &format!("disk put 0 {at} round-{round}\n"), "ok")?;
        pair.migrate(&["--live", "--persistent"])?.ok();
        pair.turn_around();
        for earlier in 0..=round {
            let at = 4096 * (earlier + 1);
            say(&pair.source, &format!("disk read 0 {at}\n"), &format!("text=round-{earlier}"))?;
        }
        say(&pair.source, "disk flush 0\n", "ok")?;
    }
    pair.source.reeve(&["domain", "destroy", "guest"])?.ok();
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: ready")?;
    say(&pair.source, "disk read 0 16384\n", "text=round-3")?;
    Ok(())
}

#[test]
fn a_drive_moves_with_the_medium_it_has() -> Outcome {
    let (hosts, place) = ([host()?, host()?], tempfile::tempdir()?);
    let path = |name: &str| place.path().join(name).display().to_string();
    for (name, byte) in [("a.iso", b'a'), ("b.iso", b'b')] {
        std::fs::write(path(name), vec![byte; 4096])?;
    }
    let (a, b) = (path("a.iso"), path("b.iso"));
    let drive = "<disk type='file' device='cdrom'><target dev='vda' bus='virtio'/></disk>";
    let mut pair = pair(hosts, place, drive)?;
    // Empty, with one medium and with another.
    let change = |host: &Daemon, words: &[&str]| {
        host.reeve(&[&["domain", "change-media", "guest", "vda"], words].concat())
    };
    for (medium, sectors) in [(None, 0), (Some((&a, "aaaa")), 8), (Some((&b, "bbbb")), 8), (None, 0)] {
        match medium {
            Some((path, _)) => drop(change(&pair.source, &[path, "--live"])?.ok()),
            None if change(&pair.source, &["--eject"])?.code == 0 => {}
            None => say(&pair.source, "disk info 0\n", "sectors=0").map(drop)?,
        }
        pair.migrate(&["--live", "--persistent"])?.ok();
        pair.turn_around();
        say(&pair.source, "disk info 0\n", &format!("sectors={sectors} access=ro"))?;
        if let Some((_, text)) = medium {
            say(&pair.source, "disk read 0 0\n", &format!("text={text}"))?;
        }
    }
    Ok(())
}

/// Says something to port 1024 of the guest through the socket that a host's live document shows, and what comes back.
fn call(host: &Daemon, words: &str) -> anyhow::Result<String> {
    let document = host.reeve(&["domain", "dumpxml", "guest"])?.ok();
    let path = document.split_once("<vsock").and_then(|(_, rest)| rest.split_once("<source path='"));
    let path = path.and_then(|(_, rest)| rest.split_once('\''));
    let (path, _) = path.ok_or_else(|| anyhow::anyhow!("no path in {document}"))?;
    anyhow::ensure!(Path::new(path).starts_with(host.root()), "{path} is another host's");
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("CONNECT 1024\n{words}\n").as_bytes())?;
    let mut lines = BufReader::new(stream).lines();
    anyhow::ensure!(lines.next().transpose()?.is_some_and(|line| line.starts_with("OK ")), "it is refused");
    Ok(lines.next().transpose()?.unwrap_or_default())
}

#[test]
fn programs_find_a_guest_at_the_socket_of_its_new_host() -> Outcome {
    let vsock = "<vsock model='virtio'><cid auto='yes'/></vsock>";
    let mut pair = pair([host()?, host()?], tempfile::tempdir()?, vsock)?;
    say(&pair.source, "vsock listen 1024\n", "ok port=1024")?;
    for round in ["here", "there", "here again"] {
        assert_eq!(call(&pair.source, round)?, round);
        pair.migrate(&["--live"])?.ok();
        pair.turn_around();
    }
    assert_eq!(call(&pair.source, "the end")?, "the end");
    Ok(())
}

/// Two hosts with a bridge each, and a switch that both are plugged into.
struct Wires {
    hosts: [Namespace; 2],
    switch: Namespace,
}

impl Wires {
    fn lay() -> anyhow::Result<Self> {
        let wires = Self { hosts: [Namespace::new()?, Namespace::new()?], switch: Namespace::new()? };
        wires.switch.run(&["ip", "link", "add", "switch", "type", "bridge"])?;
        wires.switch.run(&["ip", "link", "set", "switch", "up"])?;
        for (host, port) in wires.hosts.iter().zip(["one", "other"]) {
            host.run(&["ip", "link", "add", "br0", "type", "bridge"])?;
            let end = ["ip", "link", "add", "uplink", "type", "veth", "peer", "name", port, "netns"];
            let switch = wires.switch.through();
            host.run(&[&end[..], &[switch[3].as_str()]].concat())?;
            host.run(&["ip", "link", "set", "uplink", "master", "br0", "up"])?;
            host.run(&["ip", "link", "set", "br0", "up"])?;
            wires.switch.run(&["ip", "link", "set", port, "master", "switch", "up"])?;
        }
        Ok(wires)
    }

    /// Frames that the switch got from a port.
    fn frames_from(&self, port: &str) -> anyhow::Result<u64> {
        let path = format!("/sys/class/net/{port}/statistics/rx_packets");
        Ok(self.switch.run(&["cat", &path])?.trim().parse()?)
    }

    /// Waits until the switch has learned that the guest is behind this port.
    fn guest_is_behind(&self, port: &str, patience: Duration) -> Outcome {
        let learned = format!("{MAC} dev {port} ");
        wait::until("the switch knows where the guest is", patience, || {
            let known = self.switch.run(&["bridge", "fdb", "show", "br", "switch"]);
            known.is_ok_and(|known| known.contains(&learned))
        })
    }
}

#[test]
fn networks_learn_where_a_guest_is_and_its_traffic_goes_on() -> Outcome {
    let wires = Wires::lay()?;
    let interface = format!(
        "<interface type='bridge'><source bridge='br0'/><mac address='{MAC}'/><model type='virtio'/></interface>"
    );
    let mut pair = pair(hosts(&wires.hosts)?, tempfile::tempdir()?, &interface)?;
    // A broadcast of local experiments, which everybody on the way learns from.
    let frame = format!("ffffffffffff{}88b5{}", MAC.replace(':', ""), "00".repeat(46));
    // A bridge forwards nothing of a port in its first second.
    wait::until("the guest is heard", PATIENCE, || {
        let sent = say(&pair.source, &format!("net 0 raw {frame}"), "ok bytes=60");
        sent.is_ok() && wires.guest_is_behind("one", Duration::from_secs(1)).is_ok()
    })?;
    for port in ["other", "one"] {
        pair.migrate(&["--live", "--persistent"])?.ok();
        // It has said nothing itself.
        wires.guest_is_behind(port, PATIENCE)?;
        pair.turn_around();
        assert_eq!(state(&pair.source)?, "running");
        let before = wires.frames_from(port)?;
        say(&pair.source, &format!("net 0 raw {frame}"), "ok bytes=60")?;
        wait::until("the guest is heard", PATIENCE, || {
            wires.frames_from(port).is_ok_and(|now| now > before)
        })?;
        wires.guest_is_behind(port, PATIENCE)?;
    }
    Ok(())
}
