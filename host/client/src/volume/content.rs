//! The content of volumes. Holes are named and not sent, in both directions.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request};
use reeve_model::storage::{Frame, SPARSE_CONTENT, VolumePart};
use reeve_sys::sparse;
use tokio::sync::mpsc;

use crate::query::Target;
use crate::{Client, ClientError};

/// What is read of a file and sent at once.
const PIECE: usize = 1 << 20;
/// Pieces that are read before they can be sent.
const AHEAD: usize = 4;

/// A stretch of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Data(Bytes),
    /// So many zeroes.
    Hole(u64),
}

impl Client {
    /// Writes a file into a volume, from its begin to its end; tells how many bytes that was. What is no regular file, such as a pipe, is
    /// read as it comes.
    pub async fn upload_volume(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: File,
    ) -> Result<u64, ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "content"]).with_fields(&part);
        let mut source = Source::new(file).map_err(ClientError::protocol)?;
        let (pieces, waiting) = mpsc::channel(AHEAD);
        // Reading blocks, and goes on while what was read is sent.
        tokio::task::spawn_blocking(move || {
            loop {
                let next = source.next().transpose();
                let ended = !matches!(next, Some(Ok(_)));
                // Nobody waits for a piece when the daemon has refused the others.
                if next.is_none_or(|next| pieces.blocking_send(next).is_err()) || ended {
                    return;
                }
            }
        });
        let pieces = stream::unfold(waiting, async |mut waiting: mpsc::Receiver<io::Result<Bytes>>| {
            waiting.recv().await.map(|piece| (piece.map(hyper::body::Frame::data), waiting))
        });
        let request = Request::builder()
            .method(Method::PUT)
            .uri(target.into_string())
            .header(CONTENT_TYPE, SPARSE_CONTENT)
            .body(StreamBody::new(Box::pin(pieces)))
            .map_err(ClientError::protocol)?;
        let response = self.exchange(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&body).map_err(ClientError::protocol)
    }

    /// Reads the content of a volume and hands it to `sink`, stretch by stretch.
    pub async fn download_volume(
        &self,
        pool: &str,
        volume: &str,
        part: VolumePart,
        sink: &mut (dyn FnMut(Content) -> io::Result<()> + Send),
    ) -> Result<(), ClientError> {
        let target = Target::new(&["pools", pool, "volumes", volume, "content"]).with_fields(&part);
        let request = Request::builder()
            .method(Method::GET)
            .uri(target.into_string())
            .header(ACCEPT, SPARSE_CONTENT)
            .body(Full::new(Bytes::new()))
            .map_err(ClientError::protocol)?;
        let mut body = self.exchange(request).await?.into_body();
        let mut parser = Parser::default();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                parser.push(bytes, sink).map_err(ClientError::protocol)?;
            }
        }
        parser.end().map_err(ClientError::protocol)
    }
}

/// A file that is sent.
struct Source {
    file: File,
    /// Where it ends, and where we are; none where it has no places.
    places: Option<(u64, u64)>,
}

impl Source {
    fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file, places: metadata.is_file().then_some((metadata.len(), 0)) })
    }

    /// What is sent next.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some((end, at)) = &mut self.places else {
            let mut piece = vec![0; PIECE];
            let count = io::Read::read(&mut self.file, &mut piece)?;
            return Ok((count > 0).then(|| framed(&piece[..count])));
        };
        if at >= end {
            return Ok(None);
        }
        let stretch = sparse::stretch(&self.file, *at, *end);
        if !stretch.data {
            *at += stretch.length;
            return Ok(Some(Bytes::copy_from_slice(&Frame::Hole(stretch.length).encode())));
        }
        let count = stretch.length.min(PIECE as u64);
        let mut piece = vec![0; Frame::LENGTH + count as usize];
        piece[..Frame::LENGTH].copy_from_slice(&Frame::Data(count).encode());
        self.file.read_exact_at(&mut piece[Frame::LENGTH..], *at)?;
        *at += count;
        Ok(Some(piece.into()))
    }
}

fn framed(bytes: &[u8]) -> Bytes {
    [&Frame::Data(bytes.len() as u64).encode()[..], bytes].concat().into()
}

/// Bytes in, stretches out.
#[derive(Debug, Default)]
struct Parser {
    /// The begin of a frame.
    begun: BytesMut,
    /// Bytes of data that are still to come.
    left: u64,
}

impl Parser {
    fn push(
        &mut self,
        mut bytes: Bytes,
        sink: &mut (dyn FnMut(Content) -> io::Result<()> + Send),
    ) -> io::Result<()> {
        while bytes.has_remaining() {
            if self.left > 0 {
                let count = self.left.min(bytes.len() as u64);
                self.left -= count;
                sink(Content::Data(bytes.split_to(count as usize)))?;
                continue;
            }
            let missing = (Frame::LENGTH - self.begun.len()).min(bytes.len());
            self.begun.extend_from_slice(&bytes.split_to(missing));
            let Ok(frame) = <[u8; Frame::LENGTH]>::try_from(&self.begun[..]) else { break };
            self.begun.clear();
            match Frame::decode(frame) {
                Some(Frame::Data(length)) => self.left = length,
                Some(Frame::Hole(length)) => sink(Content::Hole(length))?,
                None => return Err(io::Error::other("the daemon sent no sparse content")),
            }
        }
        Ok(())
    }

    fn end(&self) -> io::Result<()> {
        match self.left == 0 && self.begun.is_empty() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_put_together_from_any_pieces() {
        let wire = [&framed(b"abc")[..], &Frame::Hole(1 << 40).encode(), &framed(b"d")].concat();
        for size in 1..wire.len() {
            let (mut parser, mut data, mut holes) = (Parser::default(), Vec::new(), Vec::new());
            let mut sink = |content| {
                match content {
                    Content::Data(bytes) => data.extend_from_slice(&bytes),
                    Content::Hole(length) => holes.push((data.len(), length)),
                }
                Ok(())
            };
            for piece in wire.chunks(size) {
                parser.push(Bytes::copy_from_slice(piece), &mut sink).unwrap();
            }
            parser.end().unwrap();
            assert_eq!((&data[..], &holes[..]), (&b"abcd"[..], &[(3, 1 << 40)][..]), "pieces of {size}");
        }
        let mut parser = Parser::default();
        parser.push(framed(b"abc").slice(..11), &mut |_| Ok(())).unwrap();
        assert!(parser.end().is_err(), "what is cut off is whole");
        assert!(Parser::default().push(Bytes::from_static(b"123456789"), &mut |_| Ok(())).is_err());
    }

    #[test]
    fn holes_of_a_file_are_named() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(&[1; 4096], 4 << 20).unwrap();
        let mut source = Source::new(file).unwrap();
        let mut sent = 0;
        while let Some(bytes) = source.next().unwrap() {
            sent += bytes.len();
        }
        assert!((4096..1 << 20).contains(&sent), "{sent} bytes were sent");
    }
}
