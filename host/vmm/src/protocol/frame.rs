//! Frames on a stream socket: length, JSON, descriptors.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MAX_FDS, MAX_FRAME};

const HEADER: usize = 4;
const RIGHTS_SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_FDS));

/// The bytes of one frame and the descriptors that came with it.
#[derive(Debug)]
pub struct Frame {
    /// JSON.
    pub body: Vec<u8>,
    /// Descriptors, in the order they were sent.
    pub fds: Vec<OwnedFd>,
}

/// Why a frame could not be sent, received or understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length in the header, or of a message to send, is above the limit.
    #[error("a frame of {0} bytes is larger than the limit of {MAX_FRAME}")]
    TooLarge(usize),
    /// More descriptors than a frame can carry.
    #[error("{0} descriptors are more than the {1} a frame can carry")]
    TooManyFds(usize, usize),
    /// The body is not what was expected.
    #[error("frame can't be understood: {0}")]
    Body(#[from] serde_json::Error),
    /// The other side closed the socket in the middle of a frame.
    #[error("the connection ended inside a frame")]
    Truncated,
    /// The socket failed.
    #[error("control socket failed: {0}")]
    Socket(#[from] io::Error),
}

impl From<rustix::io::Errno> for FrameError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Socket(errno.into())
    }
}

/// The bytes of a frame (header and JSON) for a message.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message)?;
    let len = bytes.len() - HEADER;
    if len > MAX_FRAME {
        return Err(FrameError::TooLarge(len));
    }
    bytes[..HEADER].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(bytes)
}

/// The message in the body of a frame.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(body)?)
}

/// Sends a message and descriptors on a blocking socket.
pub fn send(stream: &UnixStream, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<(), FrameError> {
    let bytes = encode(message)?;
    let sent = send_first(stream, &bytes, fds)?;
    (&mut &*stream).write_all(&bytes[sent..])?;
    Ok(())
}

/// One `sendmsg` of the start of a frame with its descriptors; returns the bytes that went out.
pub(crate) fn send_first(
    stream: &UnixStream,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, FrameError> {
    if fds.len() > MAX_FDS {
        return Err(FrameError::TooManyFds(fds.len(), MAX_FDS));
    }
    let mut space = [std::mem::MaybeUninit::uninit(); RIGHTS_SPACE];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        let fits = ancillary.push(SendAncillaryMessage::ScmRights(fds));
        debug_assert!(fits, "the buffer is made for MAX_FDS descriptors");
    }
    let sent = rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    Ok(sent)
}

/// Receives one frame from a blocking socket; none when the other side closed it between frames.
pub fn receive(stream: &UnixStream) -> Result<Option<Frame>, FrameError> {
    let mut header = [0; HEADER];
    let mut fds = Vec::new();
    let got = receive_some(stream, &mut header, &mut fds)?;
    if got == 0 {
        return Ok(None);
    }
    let mut stream = stream;
    stream.read_exact(&mut header[got..]).map_err(truncated)?;
    let mut body = vec![0; checked_length(header)?];
    stream.read_exact(&mut body).map_err(truncated)?;
    Ok(Some(Frame { body, fds }))
}

fn truncated(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Socket(error),
    }
}

fn checked_length(header: [u8; HEADER]) -> Result<usize, FrameError> {
    let len = u32::from_le_bytes(header) as usize;
    if len > MAX_FRAME { Err(FrameError::TooLarge(len)) } else { Ok(len) }
}

/// One `recvmsg`; descriptors that came along are close-on-exec and go to `fds`.
fn receive_some(socket: impl AsFd, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<usize, FrameError> {
    let mut space = [std::mem::MaybeUninit::uninit(); RIGHTS_SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(received.bytes)
}

/// Cuts a stream into frames for a reader that must not block.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where, in `bytes`, the frame begins that is not whole yet.
    unfinished: usize,
    /// Descriptors that a frame may bring.
    most_fds: usize,
    /// Descriptors with the offset, in `bytes`, of a byte of their frame.
    fds: VecDeque<(usize, OwnedFd)>,
}

impl Decoder {
    /// A decoder at the start of a stream on which no frame brings more than so many descriptors.
    pub fn new(most_fds: usize) -> Self {
        Self { bytes: Vec::new(), unfinished: 0, most_fds, fds: VecDeque::new() }
    }

    /// Takes what one `recvmsg` on the socket has. False when the other side closed it; an error of kind `WouldBlock`
    /// when there is nothing yet. After another error the stream can't be used any more.
    pub fn fill(&mut self, socket: impl AsFd) -> Result<bool, FrameError> {
        let mut chunk = [0; 16 << 10];
        let mut fds = Vec::new();
        let got = receive_some(socket, &mut chunk, &mut fds)?;
        self.bytes.extend_from_slice(&chunk[..got]);
        // The kernel ends a read after a message with descriptors, so they belong to the frame of the last byte read.
        let last = self.bytes.len().saturating_sub(1);
        self.fds.extend(fds.into_iter().map(|fd| (last, fd)));
        // Who never ends a frame must not fill the table of this process.
        self.pass_whole_frames();
        let open = self.fds.iter().rev().take_while(|(offset, _)| *offset >= self.unfinished).count();
        self.check_fds(open)?;
        Ok(got > 0)
    }

    fn pass_whole_frames(&mut self) {
        while let Some(header) = self.bytes[self.unfinished..].first_chunk::<HEADER>() {
            let end = self.unfinished + HEADER + u32::from_le_bytes(*header) as usize;
            if end > self.bytes.len() {
                break;
            }
            self.unfinished = end;
        }
    }

    fn check_fds(&self, count: usize) -> Result<(), FrameError> {
        if count > self.most_fds { Err(FrameError::TooManyFds(count, self.most_fds)) } else { Ok(()) }
    }

    /// True when it holds a whole frame's worth of bytes or more: take frames out before filling again.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= HEADER + MAX_FRAME
    }

    /// The next whole frame, if there is one. After an error the stream can't be used any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let end = HEADER + checked_length(*header)?;
        if self.bytes.len() < end {
            return Ok(None);
        }
        let body = self.bytes[HEADER..end].to_vec();
        self.bytes.drain(..end);
        self.unfinished -= end;
        let mut fds = Vec::new();
        while let Some((_, fd)) = self.fds.pop_front_if(|(offset, _)| *offset < end) {
            fds.push(fd);
        }
        for (offset, _) in &mut self.fds {
            *offset -= end;
        }
        self.check_fds(fds.len())?;
        Ok(Some(Frame { body, fds }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;

    use super::*;
    use crate::protocol::Answer;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    #[test]
    fn a_frame_and_its_descriptors_arrive_together() {
        let (ours, theirs) = pair();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello").unwrap();
        file.rewind().unwrap();
        send(&ours, &"first", &[]).unwrap();
        send(&ours, &"second", &[file.as_fd()]).unwrap();
        drop(ours);
        let first = receive(&theirs).unwrap().unwrap();
        assert_eq!((decode::<String>(&first.body).unwrap().as_str(), first.fds.len()), ("first", 0));
        let second = receive(&theirs).unwrap().unwrap();
        let mut text = String::new();
        File::from(second.fds.into_iter().next().unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert!(receive(&theirs).unwrap().is_none());
    }

    #[test]
    fn the_decoder_gives_each_frame_its_own_descriptors() {
        let (ours, theirs) = pair();
        let file = tempfile::tempfile().unwrap();
        let mut decoder = Decoder::new(MAX_FDS);
        send(&ours, &"a", &[]).unwrap();
        send(&ours, &"b", &[file.as_fd(), file.as_fd()]).unwrap();
        send(&ours, &"c", &[]).unwrap();
        send(&ours, &"d", &[file.as_fd()]).unwrap();
        drop(ours);
        while decoder.fill(&theirs).unwrap() {}
        let counts: Vec<usize> =
            std::iter::from_fn(|| decoder.next_frame().unwrap()).map(|frame| frame.fds.len()).collect();
        assert_eq!(counts, [0, 2, 0, 1]);
    }

    #[test]
    fn the_decoder_waits_for_the_rest_of_a_frame() {
        let (mut ours, theirs) = pair();
        let bytes = encode(&vec![7u32; 1000]).unwrap();
        let mut decoder = Decoder::new(MAX_FDS);
        ours.write_all(&bytes[..3]).unwrap();
        assert!(decoder.fill(&theirs).unwrap());
        assert!(decoder.next_frame().unwrap().is_none());
        ours.write_all(&bytes[3..]).unwrap();
        while decoder.next_frame().unwrap().is_none() {
            assert!(decoder.fill(&theirs).unwrap());
        }
        theirs.set_nonblocking(true).unwrap();
        let empty = decoder.fill(&theirs).unwrap_err();
        assert!(matches!(empty, FrameError::Socket(error) if error.kind() == io::ErrorKind::WouldBlock));
    }

    #[test]
    fn more_descriptors_than_a_frame_may_bring_end_the_stream() {
        let file = tempfile::tempfile().unwrap();
        let bytes = encode(&"x".repeat(100)).unwrap();
        // A frame that never ends, whole ones before it.
        let (ours, theirs) = pair();
        let mut decoder = Decoder::new(1);
        for _ in 0..3 {
            send(&ours, &"whole", &[file.as_fd()]).unwrap();
            assert!(decoder.fill(&theirs).unwrap());
        }
        assert_eq!(send_first(&ours, &bytes[..10], &[file.as_fd()]).unwrap(), 10);
        assert!(decoder.fill(&theirs).unwrap());
        for _ in 0..3 {
            assert_eq!(decoder.next_frame().unwrap().unwrap().fds.len(), 1);
        }
        assert!(decoder.next_frame().unwrap().is_none());
        send_first(&ours, &bytes[10..11], &[file.as_fd()]).unwrap();
        assert!(matches!(decoder.fill(&theirs), Err(FrameError::TooManyFds(2, 1))));
        // Not even the first bytes of a header.
        let (ours, theirs) = pair();
        let mut decoder = Decoder::new(1);
        send_first(&ours, &bytes[..1], &[file.as_fd(), file.as_fd()]).unwrap();
        assert!(matches!(decoder.fill(&theirs), Err(FrameError::TooManyFds(2, 1))));
        // A whole one.
        let (ours, theirs) = pair();
        let mut decoder = Decoder::new(1);
        send(&ours, &"whole", &[file.as_fd(), file.as_fd()]).unwrap();
        assert!(decoder.fill(&theirs).unwrap());
        assert!(matches!(decoder.next_frame(), Err(FrameError::TooManyFds(2, 1))));
    }

    #[test]
    fn a_list_of_block_jobs_can_be_said() {
        let answer = Answer::BlockJobs { jobs: Vec::new() };
        let frame = encode(&answer).unwrap();
        assert_eq!(decode::<Answer>(&frame[HEADER..]).unwrap(), answer);
    }

    #[test]
    fn lengths_above_the_limit_are_refused_before_any_allocation() {
        let (mut ours, theirs) = pair();
        ours.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(receive(&theirs), Err(FrameError::TooLarge(_))));
        assert!(matches!(encode(&"x".repeat(MAX_FRAME)), Err(FrameError::TooLarge(_))));
        let mut decoder = Decoder::new(MAX_FDS);
        ours.write_all(&(MAX_FRAME as u32 + 1).to_le_bytes()).unwrap();
        decoder.fill(&theirs).unwrap();
        assert!(decoder.next_frame().is_err());
    }
}
