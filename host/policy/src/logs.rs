//! The newest log lines of every policy, kept in memory for `policy logs`. The daemon's own log has them too, where its filter
//! lets them through; here they are whatever that filter says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reeve_model::policy::Hook;
use reeve_model::watch::{LogFilter, LogLevel, PolicyLogLine};
use time::OffsetDateTime;
use tokio::sync::watch;

/// Lines kept of one policy.
const LINES: usize = 1000;

/// Bytes of messages kept of one policy.
const BYTES: usize = 256 * 1024;

const DEFAULT_LIMIT: usize = 100;
const LONGEST_WAIT: u32 = 60;

/// A ring a policy.
pub(crate) struct PolicyLogs {
    rings: Mutex<HashMap<String, Ring>>,
    /// Counts all lines, so that whoever waits hears of a new one.
    written: watch::Sender<u64>,
}

impl Default for PolicyLogs {
    fn default() -> Self {
        let (written, _) = watch::channel(0);
        Self { rings: Mutex::default(), written }
    }
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<PolicyLogLine>,
    bytes: usize,
    last: u64,
}

impl Ring {
    fn push(&mut self, line: PolicyLogLine) {
        self.bytes += line.message.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.message.len();
        }
    }

    fn read(&self, after: Option<u64>, limit: usize) -> Vec<PolicyLogLine> {
        match after {
            // A number that was not reached yet is of an earlier run of the daemon.
            Some(after) if after <= self.last => {
                self.lines.iter().filter(|line| line.seq > after).take(limit).cloned().collect()
            }
            Some(_) => self.lines.iter().take(limit).cloned().collect(),
            None => self.lines.iter().skip(self.lines.len().saturating_sub(limit)).cloned().collect(),
        }
    }
}

impl PolicyLogs {
    /// Keeps a line of `policy`.
    pub(crate) fn write(&self, policy: &str, level: LogLevel, hook: Hook, call: &str, message: &str) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if !rings.contains_key(policy) {
            rings.insert(policy.to_owned(), Ring::default());
        }
        if let Some(ring) = rings.get_mut(policy) {
            ring.last += 1;
            let line = PolicyLogLine {
                seq: ring.last,
                time: OffsetDateTime::now_utc(),
                level,
                hook,
                call: call.to_owned(),
                message: message.to_owned(),
            };
            ring.push(line);
        }
        drop(rings);
        self.written.send_modify(|written| *written += 1);
    }

    /// Lines of `policy`, oldest first; waits for one where the filter says so and there is none.
    pub(crate) async fn read(&self, policy: &str, filter: &LogFilter) -> Vec<PolicyLogLine> {
        let limit = filter.limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let wait = Duration::from_secs(filter.wait.unwrap_or(0).min(LONGEST_WAIT).into());
        let mut written = self.written.subscribe();
        let until = tokio::time::Instant::now() + wait;
        loop {
            written.mark_unchanged();
            let lines = self.now(policy, filter.after, limit);
            if !lines.is_empty() || wait.is_zero() {
                return lines;
            }
            if !matches!(tokio::time::timeout_at(until, written.changed()).await, Ok(Ok(()))) {
                return Vec::new();
            }
        }
    }

    fn now(&self, policy: &str, after: Option<u64>, limit: usize) -> Vec<PolicyLogLine> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.get(policy).map(|ring| ring.read(after, limit)).unwrap_or_default()
    }

    /// Forgets the lines of a policy that was taken out.
    pub(crate) fn remove(&self, policy: &str) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).remove(policy);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn write(logs: &PolicyLogs, message: &str) {
        logs.write("p", LogLevel::Info, Hook::Task, "1-p", message);
    }

    async fn read(logs: &PolicyLogs, after: Option<u64>, limit: Option<u32>) -> Vec<u64> {
        let lines = logs.read("p", &LogFilter { after, limit, wait: None }).await;
        lines.iter().map(|line| line.seq).collect()
    }

    #[tokio::test]
    async fn the_newest_lines_are_kept() {
        let logs = PolicyLogs::default();
        for number in 0..1500 {
            write(&logs, &number.to_string());
        }
        assert_eq!(read(&logs, None, Some(2)).await, [1499, 1500], "the newest without a place to begin");
        assert_eq!(read(&logs, Some(0), Some(2)).await, [501, 502], "the oldest that are kept after it");
        assert_eq!(read(&logs, Some(1500), None).await, [0_u64; 0]);
        assert_eq!(read(&logs, Some(9000), Some(1)).await, [501], "a number of another run of the daemon");
        write(&logs, &"x".repeat(BYTES));
        assert_eq!(read(&logs, Some(0), None).await, [1501], "bytes are bounded as well");
    }

    #[tokio::test]
    async fn a_reader_waits_for_the_next_line() {
        let logs = Arc::new(PolicyLogs::default());
        let filter = LogFilter { after: Some(0), wait: Some(20), ..LogFilter::default() };
        let reader = tokio::spawn({
            let logs = Arc::clone(&logs);
            async move { logs.read("p", &filter).await }
        });
        tokio::task::yield_now().await;
        logs.write("other", LogLevel::Info, Hook::Task, "1-other", "not this one");
        tokio::task::yield_now().await;
        write(&logs, "this one");
        assert_eq!(reader.await.unwrap()[0].message, "this one");
    }
}
