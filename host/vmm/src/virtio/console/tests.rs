use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::*;
use crate::console::Console;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

const SIZE: u16 = 16;
const MULTIPORT: u64 = 1 << 1;

fn console(alias: &str) -> Arc<Console> {
    Console::new(alias, None, Box::new(|| {}))
}

fn session(console: &Console) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    console.open(ours);
    console.ready();
    theirs
}

fn driver(ports: &[(&Arc<Console>, Option<&str>)]) -> Driver {
    let ports = ports
        .iter()
        .map(|(console, name)| ConsolePort { console: Arc::clone(console), name: name.map(str::to_owned) });
    Driver::new(Box::new(ConsoleDevice::new(ports.collect()).unwrap()))
}

fn read(client: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_simple_driver_talks_through_port_0() {
    let console = console("console0");
    let mut driver = driver(&[(&console, None)]);
    driver.start(EVENT_IDX, SIZE);
    let text = driver.buffer(b"hello ");
    driver.submit(1, SIZE, &[(text, 6, false)]);
    driver.wait_used(1, SIZE);
    let mut client = session(&console);
    let text = driver.buffer(b"world");
    driver.submit(1, SIZE, &[(text, 2, false), (text + 2, 3, false)]);
    assert_eq!(read(&mut client, 11), b"hello world");
    client.write_all(b"ls\n").unwrap();
    console.ready();
    let input = driver.buffer(&[0; 2]);
    driver.submit(0, SIZE, &[(input, 2, true)]);
    assert_eq!(driver.wait_used(0, SIZE).1, 2);
    assert_eq!(driver.bytes(input, 2), b"ls");
    let more = driver.buffer(&[0; 16]);
    driver.submit(0, SIZE, &[(more, 16, true)]);
    assert_eq!(driver.wait_used(0, SIZE).1, 1, "input waited for room");
    assert!(driver.lines.raised(1) > 0 && driver.lines.raised(2) > 0);
}

#[test]
fn output_without_a_session_never_blocks_the_guest() {
    let console = console("console0");
    let mut driver = driver(&[(&console, None)]);
    driver.start(0, SIZE);
    let block = driver.buffer(&[b'x'; 4096]);
    for _ in 0..200 {
        driver.submit(1, SIZE, &[(block, 4096, false)]);
        driver.wait_used(1, SIZE);
    }
    assert_eq!(read(&mut session(&console), 65536), [b'x'; 65536]);
}

#[test]
fn ports_are_announced_named_opened_and_closed() {
    let (screen, agent) = (console("console0"), console("channel0"));
    let mut driver = driver(&[(&screen, None), (&agent, Some("org.qemu.guest_agent.0"))]);
    assert_eq!(driver.read(0x2004, 4), 2, "ports");
    assert_eq!(driver.read(0x12, 2), 6, "queues");
    driver.start(MULTIPORT | EVENT_IDX, SIZE);
    let replies: Vec<u64> = (0..SIZE).map(|_| driver.buffer(&[0; 64])).collect();
    for reply in &replies {
        driver.submit(2, SIZE, &[(*reply, 64, true)]);
    }
    let mut next = 0;
    let mut expect = |driver: &mut Driver, port: u32, event: u16, value: u16, text: &[u8]| {
        let (_, length) = driver.wait_used(2, SIZE);
        let expected = [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes(), text].concat();
        assert_eq!(driver.bytes(replies[next], length as usize), expected);
        next += 1;
    };
    let say = |driver: &mut Driver, port: u32, event: u16, value: u16| {
        let message =
            driver.buffer(&[&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat());
        driver.submit(3, SIZE, &[(message, 8, false)]);
        driver.wait_used(3, SIZE);
    };
    say(&mut driver, 0, 0, 1);
    expect(&mut driver, 0, 1, 1, b"");
    expect(&mut driver, 1, 1, 1, b"");
    say(&mut driver, 0, 3, 1);
    expect(&mut driver, 0, 4, 1, b"");
    expect(&mut driver, 0, 6, 1, b"");
    say(&mut driver, 1, 3, 1);
    expect(&mut driver, 1, 7, 1, b"org.qemu.guest_agent.0");
    expect(&mut driver, 1, 6, 0, b"");
    let mut client = session(&agent);
    expect(&mut driver, 1, 6, 1, b"");
    client.write_all(b"ping").unwrap();
    agent.ready();
    let input = driver.buffer(&[0; 64]);
    driver.submit(4, SIZE, &[(input, 64, true)]);
    assert_eq!(driver.wait_used(4, SIZE).1, 4);
    let output = driver.buffer(b"pong");
    driver.submit(5, SIZE, &[(output, 4, false)]);
    assert_eq!(read(&mut client, 4), b"pong");
    drop(client);
    driver.submit(4, SIZE, &[(input, 64, true)]);
    agent.ready();
    expect(&mut driver, 1, 6, 0, b"");
    say(&mut driver, 77, 3, 1);
    say(&mut driver, 1, 999, 1);
    assert_eq!(driver.used(2) as usize, next, "nonsense is not answered");
}

#[test]
fn early_output_and_a_flood_of_questions() {
    let console = console("console0");
    let mut driver = driver(&[(&console, None)]);
    driver.write(0x2008, &[b'!', 0, 0, 0]);
    assert_eq!(read(&mut session(&console), 1), b"!");
    driver.start(MULTIPORT, SIZE);
    let message = driver.buffer(&[0, 0, 0, 0, 0, 0, 1, 0]);
    for _ in 0..1000 {
        driver.submit(3, SIZE, &[(message, 8, false)]);
        driver.wait_used(3, SIZE);
    }
    let reply = driver.buffer(&[0; 8]);
    for _ in 0..SIZE {
        driver.submit(2, SIZE, &[(reply, 8, true)]);
    }
    wait_until("answers", || driver.used(2) == SIZE);
}
