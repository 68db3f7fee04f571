//! Sockets between programs of the host and of the guest (`<vsock>`).

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_tests::wait;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
/// Connections of a guest at a time.
const MOST: usize = 128;
const VSOCK: &str = "<vsock model='virtio'><cid auto='no' address='7'/></vsock>";

/// Where the live document says that programs of the host connect.
fn path(lab: &Lab) -> anyhow::Result<PathBuf> {
    let document = lab.reeve(&["domain", "dumpxml", "web"])?.ok();
    let (_, vsock) = document.split_once("<vsock").ok_or_else(|| anyhow::anyhow!("{document}"))?;
    anyhow::ensure!(vsock.contains("address='7'"), "{vsock}");
    let path = vsock.split_once("<source path='").and_then(|(_, rest)| rest.split_once('\''));
    Ok(path.ok_or_else(|| anyhow::anyhow!("{vsock}"))?.0.into())
}

fn connect(path: &Path, port: u32) -> anyhow::Result<(UnixStream, String)> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("CONNECT {port}\n").as_bytes())?;
    let answer = line(&mut stream)?;
    Ok((stream, answer))
}

fn line(stream: &mut UnixStream) -> anyhow::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8(line)?)
}

/// A program of the host that listens for one call of the guest, says what it heard, and answers.
fn answer_once(path: &Path, port: u32) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<String>>> {
    let mut own = path.as_os_str().to_owned();
    own.push(format!("_{port}"));
    let listener = UnixListener::bind(own)?;
    Ok(std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let heard = line(&mut stream)?;
        stream.write_all(b"heard-it\n")?;
        // The guest ends it.
        let _ = stream.read(&mut [0]);
        Ok(heard)
    }))
}

#[test]
fn programs_talk_both_ways_whatever_becomes_of_the_daemon() -> Outcome {
    let mut lab = Lab::with_guest(&format!("{CONSOLE}{VSOCK}"))?;
    let path = path(&lab)?;
    assert!(lab.console("vsock info", "open=")?.contains("cid=7"));
    assert_eq!(connect(&path, 1024)?.1, "", "nobody listens in the guest");
    lab.console("vsock listen 1024", "ok port=1024")?;
    let (mut stream, answer) = connect(&path, 1024)?;
    assert!(answer.starts_with("OK "), "{answer}");
    lab.daemon.kill()?;
    stream.write_all(b"without a daemon\n")?;
    assert_eq!(line(&mut stream)?, "without a daemon");
    lab.daemon.launch()?;
    stream.write_all(b"with another one\n")?;
    assert_eq!(line(&mut stream)?, "with another one");
    // The other way the daemon connects.
    lab.console("vsock call 80 hello", "nobody is there")?;
    let heard = answer_once(&path, 81)?;
    lab.console("vsock call 81 good-day", "ok heard-it")?;
    assert_eq!(heard.join().expect("the program does not panic")?, "good-day");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert!(!path.exists(), "the socket is left");
    Ok(())
}

#[test]
fn what_nobody_answers_ends_and_one_too_many_is_refused() -> Outcome {
    let lab = Lab::with_guest(&format!("{CONSOLE}{VSOCK}"))?;
    let path = path(&lab)?;
    lab.console("vsock listen 1024", "ok port=1024")?;
    lab.console("vsock deaf on", "ok deaf=true")?;
    let ask = || -> anyhow::Result<UnixStream> {
        let mut stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // It may be refused before this is said.
        let _ = stream.write_all(b"CONNECT 1024\nearly words\n");
        Ok(stream)
    };
    // What was said before the guest accepts reaches it when it does.
    let mut early = ask()?;
    lab.console("vsock deaf off", "ok deaf=false")?;
    let answer = line(&mut early)?;
    assert!(answer.starts_with("OK "), "{answer}");
    assert_eq!(line(&mut early)?, "early words");
    drop(early);
    wait::until("the guest has no connection", PATIENCE, || {
        lab.console("vsock info", "echoed=").is_ok_and(|said| said.contains("open=0"))
    })?;
    lab.console("vsock deaf on", "ok deaf=true")?;
    let asking = (0..MOST).map(|_| ask()).collect::<anyhow::Result<Vec<_>>>()?;
    // Those that came before it are still there.
    is_refused(&mut ask()?).context("one too many")?;
    for mut stream in &asking {
        stream.set_nonblocking(true)?;
        let waits = stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(waits, "it is refused although there was room");
        stream.set_nonblocking(false)?;
    }
    for mut stream in asking {
        stream.set_read_timeout(Some(3 * PATIENCE))?;
        is_refused(&mut stream).context("nobody answers")?;
    }
    lab.console("vsock deaf off", "ok deaf=false")?;
    let (mut stream, answer) = connect(&path, 1024)?;
    assert!(answer.starts_with("OK "), "{answer}");
    stream.write_all(b"there is room again\n")?;
    assert_eq!(line(&mut stream)?, "there is room again");
    Ok(())
}

/// Waits for the end of a connection without an answer.
fn is_refused(stream: &mut UnixStream) -> Outcome {
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        other => anyhow::bail!("it is not refused: {other:?}"),
    }
}

#[test]
fn a_saved_guest_loses_its_connections_and_can_have_new_ones() -> Outcome {
    let lab = Lab::with_guest(&format!("{CONSOLE}{VSOCK}"))?;
    let before = path(&lab)?;
    lab.console("vsock listen 1024", "ok port=1024")?;
    let (mut stream, _) = connect(&before, 1024)?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    assert_eq!(stream.read(&mut [0])?, 0, "it has ended");
    lab.reeve(&["domain", "start", "web"])?.ok();
    let (mut stream, answer) = connect(&path(&lab)?, 1024)?;
    assert!(answer.starts_with("OK "), "{answer}");
    stream.write_all(b"back again\n")?;
    assert_eq!(line(&mut stream)?, "back again");
    Ok(())
}

#[test]
fn the_operator_may_choose_the_path_and_not_any_address() -> Outcome {
    let lab =
        Lab::with_domain(&format!("{CONSOLE}<vsock><cid auto='yes'/><source path='PLACE/here'/></vsock>"))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let document = lab.reeve(&["domain", "dumpxml", "web"])?.ok();
    assert!(document.contains("auto='yes' address='3'") && document.contains("/here'"), "{document}");
    let (_, answer) = connect(&lab.file("here"), 1)?;
    assert_eq!(answer, "");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert!(!lab.file("here").exists(), "the socket is left");
    let said = lab.define(&format!("{CONSOLE}<vsock><cid auto='no' address='2'/></vsock>"))?.fails(7);
    assert!(said.contains("can't be the address of a guest"), "{said}");
    let said = lab.define(&format!("{CONSOLE}<vsock><cid auto='no'/></vsock>"))?.fails(7);
    assert!(said.contains("needs an address"), "{said}");
    Ok(())
}
