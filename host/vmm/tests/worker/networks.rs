//! Guests that are joined by sockets.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use reeve_vmm::config::{DeviceKind, FdIndex, NetBackend, NetConfig, Offloads};
use rustix::thread::UnshareFlags;

use crate::harness::{PATIENCE, Terminal, Worker, config, guest, kvm, locked_in};
use crate::virtio::{device, number};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(230, 0, 0, 1), 5558);

/// A locked-in guest with one interface; its sockets are descriptors 2 and 3.
fn boot(number: u8, backend: NetBackend, sockets: &[OwnedFd]) -> (Worker, Terminal) {
    let (kvm, kernel) = (kvm(), guest());
    let mac = [0x52, 0x54, 0, 0, 0, number];
    let net = NetConfig { backend, mac, mtu: 1500, link_up: true, offloads: Offloads::ALL };
    let mut config = config();
    config.devices = vec![device("net0", None, DeviceKind::Net(net))];
    config.sandbox = locked_in();
    let mut fds = vec![kvm.as_fd(), kernel.as_fd()];
    fds.extend(sockets.iter().map(AsFd::as_fd));
    let mut worker = Worker::launch(&config, &fds);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    (worker, terminal)
}

/// What one sends, the others get, and it itself does not.
fn talk(guests: &mut [(Worker, Terminal)]) {
    for sender in 0..guests.len() {
        for (index, (_, terminal)) in guests.iter_mut().enumerate() {
            if index != sender {
                terminal.tell("net recv 10 15000");
            }
        }
        let (_, terminal) = &mut guests[sender];
        assert_eq!(number(&terminal.run("net send 10 900"), "frames"), 10);
        for (index, (_, terminal)) in guests.iter_mut().enumerate() {
            if index != sender {
                let received = terminal.expect("ok");
                assert_eq!(
                    (number(&received, "frames"), number(&received, "bytes")),
                    (10, 9000),
                    "{received}"
                );
            }
        }
        let echo = guests[sender].1.run("net recv 1 50");
        assert_eq!(number(&echo, "frames"), 0, "an echo: {echo}");
    }
}

/// Sockets of a group in a network namespace of their own.
fn group_of(guests: usize) -> std::io::Result<Vec<[OwnedFd; 2]>> {
    // SAFETY: only this thread, which ends with the sockets, changes its network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    for arguments in
        [&["link", "set", "lo", "up", "multicast", "on"][..], &["route", "add", "224.0.0.0/4", "dev", "lo"]]
    {
        let status = std::process::Command::new("ip").args(arguments).status()?;
        assert!(status.success(), "ip {arguments:?}");
    }
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let (inet, datagram) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM);
    (0..guests)
        .map(|_| {
            let receive = rustix::net::socket_with(inet, datagram, flags, None)?;
            rustix::net::sockopt::set_socket_reuseaddr(&receive, true)?;
            rustix::net::bind(&receive, &GROUP)?;
            let receive = UdpSocket::from(receive);
            receive.join_multicast_v4(GROUP.ip(), &Ipv4Addr::UNSPECIFIED)?;
            let send = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            send.connect(GROUP)?;
            Ok([receive.into(), send.into()])
        })
        .collect()
}

#[test]
fn guests_of_a_multicast_group_hear_each_other() {
    let made = std::thread::spawn(|| group_of(2)).join().expect("making sockets does not panic");
    let sockets = match made {
        Ok(sockets) => sockets,
        Err(error) => {
            println!("SKIP C guests_of_a_multicast_group_hear_each_other: no namespace of its own: {error}");
            return;
        }
    };
    let backend = NetBackend::Multicast { receive: FdIndex(2), send: FdIndex(3) };
    let mut guests: Vec<_> =
        (0..).zip(&sockets).map(|(number, sockets)| boot(number, backend.clone(), sockets)).collect();
    talk(&mut guests);
    guests.into_iter().for_each(|(worker, _)| worker.finish());
}

#[test]
fn a_tunnel_server_and_its_clients_are_one_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guests = vec![boot(0, NetBackend::Server { fd: FdIndex(2) }, &[listener.into()])];
    for number in 1..3 {
        let stream = TcpStream::connect(address).unwrap();
        guests.push(boot(number, NetBackend::Client { fd: FdIndex(2) }, &[stream.into()]));
    }
    // Every client has been heard once the server has taken it in.
    talk(&mut guests);
    // The last frame may be counted a moment after it arrived.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let server = guests[0].0.stats().interfaces[0].clone();
        if (server.tx_packets, server.rx_packets) == (10, 20) {
            break;
        }
        assert!(Instant::now() < deadline, "{server:?}");
        std::thread::yield_now();
    }
    let (mut gone, _) = guests.pop().unwrap();
    gone.link.call(reeve_vmm::protocol::Call::Quit).unwrap();
    gone.finish();
    talk(&mut guests);
    guests.into_iter().for_each(|(worker, _)| worker.finish());
}
