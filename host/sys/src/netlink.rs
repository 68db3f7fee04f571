//! One conversation with rtnetlink: the kernel answers within the system call, so nothing here waits.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::link::KernelError;

/// Attribute of an answer that holds the kernel's words.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Header of the request that a refusal repeats.
const REQUEST_HEADER: usize = 16;

/// How often a listing is begun anew because something changed meanwhile.
const LISTINGS: usize = 16;

/// Does one thing and waits for the kernel's word that it is done.
pub(crate) fn act(message: RouteNetlinkMessage, flags: u16) -> Result<(), KernelError> {
    let socket = open()?;
    send(&socket, message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
    while let Some(answers) = receive(&socket)? {
        for answer in answers {
            if let Answer::End = answer? {
                return Ok(());
            }
        }
    }
    Err(truncated())
}

/// Reads one thing.
pub(crate) fn get(message: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, KernelError> {
    let socket = open()?;
    send(&socket, message, NLM_F_REQUEST)?;
    while let Some(answers) = receive(&socket)? {
        for answer in answers {
            if let Answer::Message { message, .. } = answer? {
                return Ok(*message);
            }
        }
    }
    Err(truncated())
}

/// Reads everything of a kind.
pub(crate) fn list(message: &RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
    for _ in 0..LISTINGS {
        if let Some(messages) = list_once(message.clone())? {
            return Ok(messages);
        }
    }
    Err(rustix::io::Errno::AGAIN.into())
}

/// None when something changed during the listing, so that it may miss things that were there all the time.
fn list_once(message: RouteNetlinkMessage) -> Result<Option<Vec<RouteNetlinkMessage>>, KernelError> {
    let socket = open()?;
    send(&socket, message, NLM_F_REQUEST | NLM_F_DUMP)?;
    let (mut messages, mut whole) = (Vec::new(), true);
    while let Some(answers) = receive(&socket)? {
        for answer in answers {
            match answer? {
                Answer::Message { message, interrupted } => {
                    whole &= !interrupted;
                    messages.push(*message);
                }
                Answer::End => return Ok(whole.then_some(messages)),
            }
        }
    }
    Err(truncated())
}

enum Answer {
    Message { message: Box<RouteNetlinkMessage>, interrupted: bool },
    End,
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    // Kernels before 4.12 and 4.3 don't have them; their refusals come without words.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn send(socket: &Socket, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = 1;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    Ok(())
}

/// The answers of one datagram; none when there was nothing in it.
fn receive(socket: &Socket) -> io::Result<Option<Vec<Result<Answer, KernelError>>>> {
    let (bytes, _) = socket.recv_from_full()?;
    let (mut rest, mut answers) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
        let length = (message.header.length as usize)
            .next_multiple_of(4)
            .clamp(REQUEST_HEADER, rest.len().max(REQUEST_HEADER));
        rest = rest.get(length..).unwrap_or_default();
        let flags = message.header.flags;
        match message.payload {
            NetlinkPayload::InnerMessage(message) => {
                let interrupted = flags & NLM_F_DUMP_INTR != 0;
                answers.push(Ok(Answer::Message { message: Box::new(message), interrupted }));
            }
            NetlinkPayload::Error(error) => answers.push(match error.code {
                None => Ok(Answer::End),
                Some(_) => {
                    let words = (flags & NLM_F_ACK_TLVS != 0).then(|| error.header.get(REQUEST_HEADER..));
                    Err(KernelError { errno: error.to_io(), text: words.flatten().and_then(words_of) })
                }
            }),
            NetlinkPayload::Done(done) => answers.push(match done.code {
                0 => Ok(Answer::End),
                code => Err(io::Error::from_raw_os_error(code.abs()).into()),
            }),
            _ => {}
        }
    }
    Ok((!bytes.is_empty()).then_some(answers))
}

fn words_of(attributes: &[u8]) -> Option<String> {
    let mut attributes = NlasIterator::new(attributes).flatten();
    let words = attributes.find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
    let words = words.value().split(|&byte| byte == 0).next()?;
    String::from_utf8(words.to_vec()).ok().filter(|words| !words.is_empty())
}

fn truncated() -> KernelError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}
