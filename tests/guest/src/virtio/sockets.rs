//! Streams between programs of the guest and of the host: the driver of `virtio-drivers`, an echo on ports that are listened at, and calls.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use virtio_drivers::Error;
use virtio_drivers::device::socket::{
    SocketError, VMADDR_CID_HOST, VirtIOSocket, VsockAddr, VsockConnectionManager, VsockEvent, VsockEventType,
};

use super::dma::Identity;
use super::transport::Transport;
use crate::clock;

const BUFFER: usize = 4096;
/// Bytes of the host that may wait on a connection.
const CAPACITY: u32 = 16 << 10;
/// Most bytes sent at once.
const PIECE: usize = 2048;
const FIRST_PORT: u32 = 5000;
/// Packets that are looked at in a row, although they mean nothing here: more than a host sends that ends all that it asked for.
const PACKETS: usize = 64;
const MS: u64 = 1_000_000;

/// The sockets of this guest.
pub struct Sockets {
    manager: VsockConnectionManager<Identity, Transport, BUFFER>,
    next_port: u32,
    /// Nothing of the host is looked at.
    pub deaf: bool,
    /// Connections that are answered with what they bring, and what is still to be sent.
    echoes: Vec<(VsockAddr, u32, VecDeque<u8>)>,
    /// Bytes that were sent back.
    pub echoed: u64,
}

impl Sockets {
    /// Starts the device.
    pub fn new(transport: Transport) -> virtio_drivers::Result<Self> {
        let manager = VsockConnectionManager::new_with_capacity(VirtIOSocket::new(transport)?, CAPACITY);
        Ok(Self { manager, next_port: FIRST_PORT, deaf: false, echoes: Vec::new(), echoed: 0 })
    }

    /// The guest's address.
    pub fn address(&self) -> u64 {
        self.manager.guest_cid()
    }

    /// Connections of the host that are open.
    pub fn open(&self) -> usize {
        self.echoes.len()
    }

    /// Takes connections of the host to a port from now on.
    pub fn listen(&mut self, port: u32) {
        self.manager.listen(port);
    }

    /// Sends back what came. False if there was nothing to do.
    pub fn serve(&mut self) -> virtio_drivers::Result<bool> {
        if self.deaf {
            return Ok(false);
        }
        let mut busy = false;
        // A packet that means nothing here looks as if there were none, and others may be behind it.
        for _ in 0..PACKETS {
            if let Some(event) = self.manager.poll()? {
                busy = true;
                self.heard(&event);
            }
        }
        for index in 0..self.echoes.len() {
            busy |= self.echo(index)?;
        }
        Ok(busy)
    }

    fn heard(&mut self, event: &VsockEvent) {
        let (peer, port) = (event.source, event.destination.port);
        match event.event_type {
            VsockEventType::ConnectionRequest => self.echoes.push((peer, port, VecDeque::new())),
            VsockEventType::Disconnected { .. } => {
                self.echoes.retain(|(other, own, _)| (*other, *own) != (peer, port));
            }
            _ => {}
        }
    }

    fn echo(&mut self, index: usize) -> virtio_drivers::Result<bool> {
        let (peer, port, waiting) = &mut self.echoes[index];
        let mut busy = false;
        if waiting.is_empty() {
            let mut buffer = [0; PIECE];
            // A connection that is over is forgotten when its end is heard of.
            let count = self.manager.recv(*peer, *port, &mut buffer).unwrap_or(0);
            if count > 0 {
                let _ = self.manager.update_credit(*peer, *port);
                waiting.extend(&buffer[..count]);
                busy = true;
            }
        }
        if waiting.is_empty() {
            return Ok(busy);
        }
        let bytes: Vec<u8> = waiting.iter().copied().collect();
        match self.manager.send(*peer, *port, &bytes) {
            Ok(()) => {
                waiting.clear();
                self.echoed += bytes.len() as u64;
                Ok(true)
            }
            Err(Error::SocketDeviceError(SocketError::InsufficientBufferSpaceInPeer)) => Ok(busy),
            Err(Error::SocketDeviceError(_)) => {
                waiting.clear();
                Ok(busy)
            }
            Err(error) => Err(error),
        }
    }

    /// Connects to a port of the host. None when nobody is there.
    pub fn connect(&mut self, port: u32, ms: u64) -> virtio_drivers::Result<Option<u32>> {
        let own = self.next_port;
        self.next_port += 1;
        let peer = VsockAddr { cid: VMADDR_CID_HOST, port };
        self.manager.connect(peer, own)?;
        let deadline = clock::now() + ms * MS;
        while clock::now() < deadline {
            let Some(event) = self.manager.poll()? else {
                clock::doze_until(deadline.min(clock::now() + MS));
                continue;
            };
            if (event.source, event.destination.port) != (peer, own) {
                self.heard(&event);
                continue;
            }
            match event.event_type {
                VsockEventType::Connected => return Ok(Some(own)),
                VsockEventType::Disconnected { .. } => return Ok(None),
                _ => {}
            }
        }
        let _ = self.manager.force_close(peer, own);
        Ok(None)
    }

    /// Sends all bytes, as the host has room for them; false when it does not have it in time, or is gone.
    pub fn send_all(&mut self, port: u32, own: u32, bytes: &[u8], ms: u64) -> virtio_drivers::Result<bool> {
        let peer = VsockAddr { cid: VMADDR_CID_HOST, port };
        let deadline = clock::now() + ms * MS;
        for piece in bytes.chunks(PIECE) {
            loop {
                while let Some(event) = self.manager.poll()? {
                    self.heard(&event);
                }
                match self.manager.send(peer, own, piece) {
                    Ok(()) => break,
                    Err(Error::SocketDeviceError(SocketError::InsufficientBufferSpaceInPeer))
                        if clock::now() < deadline =>
                    {
                        clock::doze_until(clock::now() + MS);
                    }
                    Err(Error::SocketDeviceError(_)) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(true)
    }

    /// A line of the host, and whether there was one.
    pub fn line(&mut self, port: u32, own: u32, ms: u64) -> virtio_drivers::Result<Option<Vec<u8>>> {
        let peer = VsockAddr { cid: VMADDR_CID_HOST, port };
        let mut line = Vec::new();
        let deadline = clock::now() + ms * MS;
        while clock::now() < deadline {
            let mut buffer = [0; 256];
            while let Some(event) = self.manager.poll()? {
                self.heard(&event);
            }
            let Ok(count) = self.manager.recv(peer, own, &mut buffer) else { return Ok(None) };
            line.extend_from_slice(&buffer[..count]);
            if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                line.truncate(end);
                return Ok(Some(line));
            }
            if count == 0 {
                clock::doze_until(deadline.min(clock::now() + MS));
            }
        }
        Ok(None)
    }

    /// Says that nothing more comes, and wants nothing more.
    pub fn close(&mut self, port: u32, own: u32) {
        let _ = self.manager.shutdown(VsockAddr { cid: VMADDR_CID_HOST, port }, own);
    }
}
