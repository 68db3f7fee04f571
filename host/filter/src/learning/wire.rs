//! What the daemon and the sniffer tell each other: a line of text a message, with a socket where a port is to be watched.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use reeve_model::MacAddress;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use super::frame::Seen;
use crate::tree::LearningMode;

/// Longest message.
const LONGEST: usize = 256;

/// From the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Watch a guest by the socket beside it.
    Watch {
        /// Number of the port.
        port: u32,
        /// The guest's hardware address.
        mac: MacAddress,
        /// What to look for.
        mode: LearningMode,
    },
    /// Stop.
    Forget(u32),
}

/// From the sniffer: a port and what was seen there.
pub type Report = (u32, Seen);

impl Order {
    fn to_line(self) -> String {
        match self {
            Self::Watch { port, mac, mode } => {
                let mode = if mode == LearningMode::Dhcp { "dhcp" } else { "any" };
                format!("watch {port} {mac} {mode}")
            }
            Self::Forget(port) => format!("forget {port}"),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["watch", port, mac, mode] => {
                let mode = match mode {
                    "dhcp" => LearningMode::Dhcp,
                    "any" => LearningMode::Any,
                    _ => return None,
                };
                Some(Self::Watch { port: port.parse().ok()?, mac: mac.parse().ok()?, mode })
            }
            ["forget", port] => Some(Self::Forget(port.parse().ok()?)),
            _ => None,
        }
    }
}

fn report_to_line((port, seen): Report) -> String {
    match seen {
        Seen::Address(ip) => format!("address {port} {ip}"),
        Seen::Release(ip) => format!("release {port} {ip}"),
        Seen::Lease { ip, seconds, server } => {
            let seconds = seconds.map_or("forever".to_owned(), |seconds| seconds.to_string());
            format!("lease {port} {ip} {seconds} {server}")
        }
    }
}

fn report_from_line(line: &str) -> Option<Report> {
    let words: Vec<&str> = line.split(' ').collect();
    let ip = |word: &str| word.parse::<Ipv4Addr>().ok();
    let (port, seen) = match words[..] {
        ["address", port, address] => (port, Seen::Address(ip(address)?)),
        ["release", port, address] => (port, Seen::Release(ip(address)?)),
        ["lease", port, address, seconds, server] => {
            let seconds = if seconds == "forever" { None } else { Some(seconds.parse().ok()?) };
            (port, Seen::Lease { ip: ip(address)?, seconds, server: ip(server)? })
        }
        _ => return None,
    };
    Some((port.parse().ok()?, seen))
}

/// Sends an order; the socket belongs to [`Order::Watch`].
pub fn send_order(to: impl AsFd, order: Order, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = socket.into_iter().collect();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("there is no room for a descriptor"));
    }
    let line = order.to_line();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(to, &[io::IoSlice::new(line.as_bytes())], &mut ancillary, flags)?;
    Ok(())
}

/// Sends a report; dropped where the daemon does not keep up, which reads the next one.
pub fn send_report(to: impl AsFd, report: Report) -> io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::send(to, report_to_line(report).as_bytes(), flags) {
        Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// What came from the other side.
#[derive(Debug)]
pub enum Received<T> {
    /// A message; none when it is not understood.
    Message(Option<T>),
    /// Nothing now.
    Nothing,
    /// The other side is gone.
    End,
}

/// Receives an order and its socket.
pub fn receive_order(from: impl AsFd) -> io::Result<Received<(Order, Option<OwnedFd>)>> {
    receive(from, |line, socket| Order::from_line(line).map(|order| (order, socket)))
}

/// Receives a report.
pub fn receive_report(from: impl AsFd) -> io::Result<Received<Report>> {
    receive(from, |line, _| report_from_line(line))
}

fn receive<T>(
    from: impl AsFd,
    read: impl FnOnce(&str, Option<OwnedFd>) -> Option<T>,
) -> io::Result<Received<T>> {
    let mut bytes = [0; LONGEST];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(from, &mut [io::IoSliceMut::new(&mut bytes)], &mut ancillary, flags);
    let length = match received {
        Ok(message) => message.bytes,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
        Err(Errno::CONNRESET) => return Ok(Received::End),
        Err(errno) => return Err(errno.into()),
    };
    let mut fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let socket = fds.next().and_then(|mut rights| rights.next());
    if length == 0 {
        return Ok(Received::End);
    }
    Ok(Received::Message(std::str::from_utf8(&bytes[..length]).ok().and_then(|line| read(line, socket))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        for order in [
            Order::Watch { port: 7, mac, mode: LearningMode::Dhcp },
            Order::Watch { port: 0, mac, mode: LearningMode::Any },
            Order::Forget(u32::MAX),
        ] {
            assert_eq!(Order::from_line(&order.to_line()), Some(order));
        }
        let (ip, server) = (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 1));
        for seen in [
            Seen::Address(ip),
            Seen::Release(ip),
            Seen::Lease { ip, seconds: None, server },
            Seen::Lease { ip, seconds: Some(60), server },
        ] {
            assert_eq!(report_from_line(&report_to_line((3, seen))), Some((3, seen)));
        }
        for bad in ["", "watch", "watch 1 x any", "forget -1", "forget 1 2", "watch 1 52:54:00:00:00:01 all"]
        {
            assert_eq!(Order::from_line(bad), None, "{bad}");
        }
        for bad in
            ["lease 1 10.0.0.7 60", "address 1 ::1", "release x 10.0.0.7", "lease 1 10.0.0.7 -1 10.0.0.1"]
        {
            assert_eq!(report_from_line(bad), None, "{bad}");
        }
    }
}
