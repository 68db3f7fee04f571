//! The console device's thread: bytes between port queues and consoles, messages on the control queues.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;

use super::control::{Control, MESSAGE_SIZE, PortInfo};
use crate::console::Console;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

/// Input of some session, or a session that came or went.
const WAKE: u64 = 1000;
const CONTROL_IN: u64 = 1001;
const CONTROL_OUT: u64 = 1002;
/// Tokens of port queues: twice the port, plus one for what the guest sends.
const TRANSMIT: u64 = 1;

const CHUNK: usize = 4096;

/// One port with the queues its driver enabled.
pub(super) struct Port {
    pub console: Arc<Console>,
    pub info: PortInfo,
    pub receive: Option<DeviceQueue>,
    pub transmit: Option<DeviceQueue>,
}

/// Owns the queues while the device runs.
pub(super) struct ConsoleHandler {
    pub memory: Memory,
    pub ports: Vec<Port>,
    pub control: Control,
    pub control_in: Option<DeviceQueue>,
    pub control_out: Option<DeviceQueue>,
    /// Fires when a console's session has something new.
    pub wake: EventFd,
}

impl ConsoleHandler {
    /// Every queue, for whoever takes them back.
    pub(super) fn into_queues(self) -> impl Iterator<Item = DeviceQueue> {
        let ports = self.ports.into_iter().flat_map(|port| [port.receive, port.transmit]);
        ports.chain([self.control_in, self.control_out]).flatten()
    }

    /// Gives input of the session to the guest, as far as the guest has room.
    fn receive(&mut self, port: usize) -> Result<(), QueueError> {
        let Port { console, receive: Some(queue), .. } = &mut self.ports[port] else { return Ok(()) };
        let memory = &self.memory;
        let mut buffer = [0; CHUNK];
        let mut given = false;
        for _ in 0..queue.size() {
            queue.disable_notification(memory)?;
            let mut next = queue.pop(memory)?;
            if next.is_none() && queue.enable_notification(memory)? {
                next = queue.pop(memory)?;
            }
            let Some(mut chain) = next else { break };
            let room = CHUNK.min(chain.writable.len() as usize);
            let count = console.input(&mut buffer[..room]);
            if count == 0 && room > 0 {
                // The buffer waits for input; what the driver adds meanwhile needs no notification.
                queue.unpop();
                break;
            }
            chain.writable.write(memory, &buffer[..count]);
            queue.complete(memory, chain.head, count as u32)?;
            given = true;
        }
        if given {
            // Whatever is left, of input or of buffers, is looked at in the next round.
            queue.kick();
            queue.notify(memory)?;
        }
        Ok(())
    }

    /// Gives what the guest wrote to the console, as far as it has room.
    fn transmit(&mut self, port: usize) -> Result<(), QueueError> {
        let Port { console, transmit: Some(queue), .. } = &mut self.ports[port] else { return Ok(()) };
        let memory = &self.memory;
        let mut buffer = [0; CHUNK];
        let mut taken = false;
        for _ in 0..queue.size() {
            queue.disable_notification(memory)?;
            let mut next = queue.pop(memory)?;
            if next.is_none() && queue.enable_notification(memory)? {
                next = queue.pop(memory)?;
            }
            let Some(mut chain) = next else { break };
            if !console.has_room(chain.readable.len() as usize) {
                // Whoever makes room wakes this thread.
                queue.unpop();
                break;
            }
            loop {
                match chain.readable.read(memory, &mut buffer) {
                    0 => break,
                    count => console.output(&buffer[..count]),
                }
            }
            queue.complete(memory, chain.head, 0)?;
            taken = true;
        }
        if taken {
            // Whatever is left is looked at in the next round.
            queue.kick();
            queue.notify(memory)?;
        }
        Ok(())
    }

    fn hear_control(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.control_out else { return Ok(()) };
        let infos: Vec<PortInfo> = self.ports.iter().map(|port| port.info.clone()).collect();
        let (memory, control, ports) = (&self.memory, &mut self.control, &self.ports);
        queue.serve(memory, |chain| {
            let mut message = [0; MESSAGE_SIZE];
            if chain.readable.read(memory, &mut message) == MESSAGE_SIZE
                && let Some((port, open)) = control.receive(&message, &infos)
            {
                ports[port].console.set_guest_open(open);
            }
            Ok(0)
        })?;
        self.say_control()
    }

    /// Sends queued control messages as far as the driver has buffers for them.
    fn say_control(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.control_in else { return Ok(()) };
        let memory = &self.memory;
        let mut said = false;
        while self.control.has_messages() {
            let Some(mut chain) = queue.pop(memory)? else {
                if queue.enable_notification(memory)? {
                    continue;
                }
                break;
            };
            let message = self.control.next().unwrap_or_default();
            let written = chain.writable.write(memory, &message);
            queue.complete(memory, chain.head, written as u32)?;
            said = true;
        }
        if said { queue.notify(memory) } else { Ok(()) }
    }

    /// Sessions came, went or said something.
    fn woken(&mut self) -> Result<(), QueueError> {
        for port in 0..self.ports.len() {
            self.receive(port)?;
            self.transmit(port)?;
            let Port { console, info, .. } = &mut self.ports[port];
            let open = console.is_open();
            if open != info.host_open {
                info.host_open = open;
                self.control.host_side(port, info);
            }
        }
        self.say_control()
    }
}

impl Handler for ConsoleHandler {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let watch = |queue: &Option<DeviceQueue>, token| match queue {
            Some(queue) => poll.add(queue.event().as_raw_fd(), EventSet::IN, token),
            None => Ok(()),
        };
        for (port, token) in self.ports.iter().zip((0..).step_by(2)) {
            watch(&port.receive, token)?;
            watch(&port.transmit, token + TRANSMIT)?;
        }
        watch(&self.control_in, CONTROL_IN)?;
        watch(&self.control_out, CONTROL_OUT)?;
        poll.add(self.wake.as_raw_fd(), EventSet::IN, WAKE)
    }

    fn handle(&mut self, token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        let heard = |queue: &Option<DeviceQueue>| queue.iter().for_each(|queue| drain(queue.event()));
        match token {
            WAKE => {
                drain(&self.wake);
                self.woken()
            }
            CONTROL_IN => {
                heard(&self.control_in);
                self.say_control()
            }
            CONTROL_OUT => {
                heard(&self.control_out);
                self.hear_control()
            }
            token => {
                let port = (token / 2) as usize;
                if token % 2 == TRANSMIT {
                    heard(&self.ports[port].transmit);
                    self.transmit(port)
                } else {
                    heard(&self.ports[port].receive);
                    self.receive(port)
                }
            }
        }
    }

    fn quiesce(&mut self) {}
}
