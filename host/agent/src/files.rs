//! Files of a guest, a piece at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::commands::{QUICK, decode};
use crate::{Agent, AgentError, wire};

/// Bytes of a file in one answer or question: well below what an answer may have, as base64.
const PIECE: usize = 1 << 20;

/// An open file of a guest. The guest closes it with [`Agent::close_file`] or when its agent ends.
#[derive(Debug, PartialEq, Eq)]
pub struct FileHandle(i64);

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// For reading.
    Read,
    /// For writing; what was in it is gone.
    Write,
    /// For writing after what is in it.
    Append,
}

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes, none at the end.
    pub bytes: Vec<u8>,
    /// There are no more.
    pub is_last: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Agent<S> {
    /// Opens a file of the guest.
    pub async fn open_file(&mut self, path: &str, mode: FileMode) -> Result<FileHandle, AgentError> {
        let mode = match mode {
            FileMode::Read => "r",
            FileMode::Write => "w",
            FileMode::Append => "a",
        };
        Ok(FileHandle(self.get("guest-file-open", json!({ "path": path, "mode": mode }), QUICK).await?))
    }

    /// The next bytes of a file, up to 1 MiB.
    pub async fn read_file(&mut self, file: &FileHandle) -> Result<Piece, AgentError> {
        let command = "guest-file-read";
        let arguments = json!({ "handle": file.0, "count": PIECE });
        let piece: wire::ReadPiece = self.get(command, arguments, QUICK).await?;
        Ok(Piece { bytes: decode(command, &piece.buf_b64)?, is_last: piece.eof })
    }

    /// Writes all of `bytes`.
    pub async fn write_file(&mut self, file: &FileHandle, bytes: &[u8]) -> Result<(), AgentError> {
        let command = "guest-file-write";
        let mut left = bytes;
        while !left.is_empty() {
            let piece = &left[..left.len().min(PIECE)];
            let arguments = json!({ "handle": file.0, "buf-b64": STANDARD.encode(piece) });
            let written: wire::Written = self.get(command, arguments, QUICK).await?;
            let count = usize::try_from(written.count).ok().filter(|count| (1..=piece.len()).contains(count));
            let count = count.ok_or_else(|| {
                let reason = format!("it says that {} of {} bytes were written", written.count, piece.len());
                AgentError::Malformed { command: command.to_owned(), reason }
            })?;
            left = &left[count..];
        }
        Ok(())
    }

    /// Closes a file; what was written is there for other programs of the guest.
    pub async fn close_file(&mut self, file: FileHandle) -> Result<(), AgentError> {
        self.ask("guest-file-close", json!({ "handle": file.0 }), QUICK).await.map(drop)
    }
}
