//! Channels, consoles and serial ports with an end of their own on the host (guide 20.16.14 to 20.16.17).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use reeve_tests::{free_port, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
const BOUND: &str = "<channel type='unix'><source mode='bind' path='PLACE/agent'/>\
     <target type='virtio' name='org.qemu.guest_agent.0'/></channel>";

/// Asks the agent of a guest through its socket on the host.
fn ping(stream: &mut (impl Read + Write)) -> anyhow::Result<()> {
    stream.write_all(b"{\"execute\":\"guest-ping\"}\n")?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer)?;
    anyhow::ensure!(&answer == b"{\"return\": {}}\n", "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

fn connect(path: &Path) -> anyhow::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[test]
fn a_channel_has_a_socket_that_outlives_the_daemon() -> Outcome {
    let mut lab = Lab::with_guest(&format!("{CONSOLE}{BOUND}"))?;
    let path = lab.file("agent");
    let mut own = connect(&path)?;
    ping(&mut own)?;
    // One conversation at a time: the verbs say that it is taken.
    let said = lab.reeve(&["domain", "domhostname", "web"])?.fails(6);
    assert!(said.contains("in use by a client"), "{said}");
    lab.daemon.kill()?;
    ping(&mut own)?;
    lab.daemon.launch()?;
    ping(&mut own)?;
    drop(own);
    wait::until("the channel is free", PATIENCE, || {
        lab.reeve(&["domain", "domhostname", "web"]).is_ok_and(|run| run.stdout == "reeve-guest\n")
    })?;
    ping(&mut connect(&path)?)?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert!(!path.exists(), "the socket is left");

    // What an earlier host left there is no hindrance; what somebody else uses, or is no socket, is.
    drop(UnixListener::bind(&path)?);
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    let other = UnixListener::bind(&path)?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(7);
    assert!(said.contains("channel0") && said.contains("listens there"), "{said}");
    assert!(path.exists(), "another program's socket is gone");
    drop(other);
    std::fs::remove_file(&path)?;
    std::fs::write(&path, "a file")?;
    lab.reeve(&["domain", "start", "web"])?.fails(7);
    assert_eq!(std::fs::read_to_string(&path)?, "a file");
    Ok(())
}

#[test]
fn a_channel_goes_to_a_program_that_waits() -> Outcome {
    let channel = BOUND.replace("bind", "connect");
    let lab = Lab::with_domain(&format!("{CONSOLE}{channel}"))?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(3);
    assert!(said.contains("channel0"), "{said}");
    let listener = UnixListener::bind(lab.file("agent"))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let (mut guest, _) = listener.accept()?;
    guest.set_read_timeout(Some(PATIENCE))?;
    lab.console("", "reeve-guest: ready")?;
    ping(&mut guest)?;
    Ok(())
}

#[test]
fn a_serial_port_is_a_terminal_over_tcp_and_a_log_is_a_file_or_a_pipe() -> Outcome {
    let port = free_port("127.0.0.1")?;
    let devices = format!(
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}'/><protocol type='raw'/></serial>\
         <console type='file'><source path='PLACE/console.log'/><target type='virtio' port='1'/></console>"
    );
    let lab = Lab::with_domain(&devices)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mut terminal = TcpStream::connect(("127.0.0.1", port))?;
    terminal.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    let mut expect = |terminal: &mut TcpStream, words: &str| -> Outcome {
        let mut bytes = [0; 1024];
        while !text.contains(words) {
            let count = terminal.read(&mut bytes)?;
            anyhow::ensure!(count > 0, "the terminal ended after {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        Ok(())
    };
    expect(&mut terminal, "reeve-guest: ready")?;
    terminal.write_all(b"ping over-tcp\n")?;
    expect(&mut terminal, "ok pong over-tcp")?;
    wait::until("the log has the guest's greeting", PATIENCE, || {
        std::fs::read_to_string(lab.file("console.log")).is_ok_and(|log| log.contains("reeve-guest: ready"))
    })?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();

    let pipe = lab.file("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.define("<serial type='pipe'><source path='PLACE/pipe'/></serial>")?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mut reader = std::fs::File::open(&pipe)?;
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("reeve-guest: ready") {
        let mut bytes = [0; 512];
        let count = reader.read(&mut bytes)?;
        anyhow::ensure!(count > 0, "the pipe ended after {}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&bytes[..count]);
    }
    Ok(())
}

#[test]
fn what_is_not_there_is_said_when_it_is_defined() -> Outcome {
    let lab = Lab::with_domain(
        "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
    )?;
    let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("SPICE") && said.contains("use pty, unix"), "{said}");
    Ok(())
}
