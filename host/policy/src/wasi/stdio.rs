//! Standard output and error: lines of the policy's log, within its limit of log bytes.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::bindings::reeve::log::log::Level;
use crate::call::CallState;
use crate::limits::Limits;
use crate::meter::Meter;

/// Bytes that can be written at once; a longer line is cut here, too.
const CHUNK: usize = 4096;

/// What was written and is not in the log yet.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Pending>>);

#[derive(Default)]
struct Pending {
    whole: Vec<(Level, String)>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Lines {
    /// Gives a context its standard streams.
    pub(super) fn attach(&self, builder: &mut WasiCtxBuilder, state: &CallState) {
        let stream = |level| Stream {
            level,
            lines: self.clone(),
            meter: Arc::clone(&state.meter),
            limits: state.active.program.limits.clone(),
        };
        builder.stdout(stream(Level::Info)).stderr(stream(Level::Warn));
    }

    /// The lines that are whole, and at the `end` the ones that are not.
    pub(super) fn take(&self, end: bool) -> Vec<(Level, String)> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if end {
            for level in [Level::Info, Level::Warn] {
                pending.break_line(level);
            }
        }
        std::mem::take(&mut pending.whole)
    }
}

impl Pending {
    fn part(&mut self, level: Level) -> &mut Vec<u8> {
        if level == Level::Warn { &mut self.err } else { &mut self.out }
    }

    fn write(&mut self, level: Level, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.break_line(level);
            } else {
                self.part(level).push(byte);
                if self.part(level).len() >= CHUNK {
                    self.break_line(level);
                }
            }
        }
    }

    fn break_line(&mut self, level: Level) {
        let line = std::mem::take(self.part(level));
        if !line.is_empty() {
            self.whole.push((level, String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

#[derive(Clone)]
struct Stream {
    level: Level,
    lines: Lines,
    meter: Arc<Meter>,
    limits: Limits,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.meter
            .log(bytes.len() as u64, &self.limits)
            .map_err(|limited| StreamError::Trap(limited.into()))?;
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).write(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines() {
        let lines = Lines::default();
        let write = |level, text: &str| lines.0.lock().unwrap().write(level, text.as_bytes());
        write(Level::Info, "one\n\ntw");
        write(Level::Warn, "bad");
        let texts = |end| lines.take(end).into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        assert_eq!(texts(false), ["one"]);
        write(Level::Info, "o\n");
        assert_eq!(texts(false), ["two"]);
        assert_eq!(texts(true), ["bad"]);
        write(Level::Info, &"x".repeat(CHUNK * 2 + 1));
        assert_eq!(texts(true).iter().map(String::len).collect::<Vec<_>>(), [CHUNK, CHUNK, 1]);
    }
}
