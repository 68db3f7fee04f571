//! The control protocol of a worker: the first byte says in pieces of which size the others arrive. No panic, no memory beyond
//! a frame; what is understood comes back the same; the decoder that must not block sees what the blocking reader sees.
#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;

use libfuzzer_sys::fuzz_target;
use reeve_vmm::protocol::{Call, Decoder, MAX_FDS, Message, Request, decode, encode, receive};

/// What a socket takes at once without a reader.
const MOST: usize = 32 << 10;

fuzz_target!(|bytes: &[u8]| {
    let [piece, bytes @ ..] = bytes else { return };
    let bytes = &bytes[..bytes.len().min(MOST)];
    let cut = cut(bytes, usize::from(*piece) + 1);
    assert_eq!(cut, read(bytes));
    for body in &cut {
        if let Ok(request) = decode::<Request>(body) {
            let frame = encode(&request).expect("what came in a frame fits one");
            assert_eq!(decode::<Request>(&frame[4..]).expect("own words are understood"), request);
            if let Call::Launch { config } = &request.call {
                let _ = config.validate();
            }
        }
        if let Ok(message) = decode::<Message>(body) {
            let frame = encode(&message).expect("what came in a frame fits one");
            assert_eq!(decode::<Message>(&frame[4..]).expect("own words are understood"), message);
        }
    }
});

/// Frames by the decoder, fed in pieces, until the stream ends or cannot be used.
fn cut(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut daemon, worker) = UnixStream::pair().expect("a socket pair");
    let (mut decoder, mut frames) = (Decoder::new(MAX_FDS), Vec::new());
    for piece in bytes.chunks(piece) {
        daemon.write_all(piece).expect("the socket has room");
        assert!(decoder.fill(&worker).expect("there are bytes"));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame.body),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

/// Frames by the blocking reader.
fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut daemon, worker) = UnixStream::pair().expect("a socket pair");
    daemon.write_all(bytes).expect("the socket has room");
    drop(daemon);
    std::iter::from_fn(|| receive(&worker).ok().flatten()).map(|frame| frame.body).collect()
}
