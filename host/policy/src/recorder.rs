//! Recording in the daemon: the next calls of a policy, each as a [`Session`], in a bounded buffer until a client fetches them.
//!
//! A recording ends after so many calls, bytes or seconds, whichever is first, and costs nothing before it begins and after it
//! has ended. A session holds what the policy was given and what it was told: the document, the configuration, values of its
//! key-value store, lists of the domains it may read. It is as confidential as those.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reeve_model::policy::{Hook, Outcome, PathChange};
use reeve_model::{Error, ErrorCode};
use serde_json::Value;

use crate::binding::Active;
use crate::instance::{Ask, Report};
use crate::session::{Draft, Session};
use crate::tape::{self, Tape};

/// Calls of one recording at most.
pub(crate) const COUNT_LIMIT: u32 = 100_000;

/// Seconds one recording takes at most.
pub(crate) const SECONDS_LIMIT: u32 = 3600;

/// Bytes of sessions that wait to be fetched, for each recording.
const BYTES_LIMIT: usize = 64 * 1024 * 1024;

/// Recordings at the same time.
const RECORDINGS_LIMIT: usize = 8;

/// How long an ended recording waits to be fetched.
const LINGER: Duration = Duration::from_secs(60);

/// The recordings under way.
#[derive(Default)]
pub(crate) struct Recorder {
    /// True while any recording wants calls: all that a call looks at otherwise.
    on: AtomicBool,
    recordings: Mutex<Vec<Recording>>,
}

struct Recording {
    policy: String,
    hook: Option<Hook>,
    /// Calls that may still begin.
    unclaimed: u32,
    /// Calls that began and have not ended.
    claimed: u32,
    until: Instant,
    bytes: usize,
    sessions: Vec<Value>,
    lost: u64,
}

impl Recording {
    fn wants(&self, policy: &str, hook: Hook, now: Instant) -> bool {
        self.policy == policy
            && self.hook.is_none_or(|wanted| wanted == hook)
            && self.unclaimed > 0
            && now < self.until
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.until || (self.unclaimed == 0 && self.claimed == 0)
    }
}

/// What was recorded since it was last fetched.
pub(crate) struct Fetched {
    /// Sessions, oldest first.
    pub(crate) sessions: Vec<Value>,
    /// Calls that found the buffer full.
    pub(crate) lost: u64,
    /// True when there will be no more.
    pub(crate) done: bool,
}

/// One call that is recorded.
pub(crate) struct Take {
    tape: Arc<Mutex<tape::Recording>>,
    draft: Draft,
}

impl Take {
    /// A recording of one call, whoever keeps it.
    pub(crate) fn new(active: &Active, ask: &Ask) -> Self {
        Self { tape: Arc::default(), draft: Draft::new(active, ask) }
    }

    /// The tape for the call.
    pub(crate) fn tape(&self) -> Tape {
        Tape::Recording(Arc::clone(&self.tape))
    }

    /// The session of the call, without what came of its answer.
    pub(crate) fn end(self, report: &Report) -> Box<Session> {
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = std::mem::take(&mut tape.calls);
        Box::new(self.draft.answered(calls, tape.overflowed, &report.answer, report.fuel))
    }
}

impl Recorder {
    /// Begins to record a call, if anybody wants it.
    pub(crate) fn begin(&self, active: &Active, ask: &Ask) -> Option<Take> {
        if !self.on.load(Ordering::Relaxed) {
            return None;
        }
        self.claim(&active.name, ask.hook).then(|| Take::new(active, ask))
    }

    fn claim(&self, policy: &str, hook: Hook) -> bool {
        let now = Instant::now();
        let mut recordings = self.lock();
        let Some(recording) = recordings.iter_mut().find(|recording| recording.wants(policy, hook, now))
        else {
            self.refresh(&recordings, now);
            return false;
        };
        recording.unclaimed -= 1;
        recording.claimed += 1;
        true
    }

    /// Keeps the session of a call that ended, with what came of it.
    pub(crate) fn keep(&self, session: &Session, outcome: Outcome, reason: &str, changes: &[PathChange]) {
        let mut session = session.clone();
        session.decided(outcome, reason, changes);
        let length = session.line().len();
        let json = serde_json::to_value(&session).unwrap_or_default();
        let mut recordings = self.lock();
        let Some(recording) = recordings.iter_mut().find(|recording| {
            recording.policy == session.policy.name
                && recording.claimed > 0
                && recording.hook.is_none_or(|hook| hook == session.hook)
        }) else {
            return;
        };
        recording.claimed -= 1;
        if recording.bytes + length > BYTES_LIMIT {
            recording.lost += 1;
        } else {
            recording.bytes += length;
            recording.sessions.push(json);
        }
    }

    /// Begins a recording of the next `count` calls of a policy.
    pub(crate) fn start(
        &self,
        policy: &str,
        hook: Option<Hook>,
        count: u32,
        seconds: u32,
    ) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::new(ErrorCode::Invalid, message));
        if count == 0 || count > COUNT_LIMIT {
            return wrong(format!("a recording takes 1 to {COUNT_LIMIT} calls, not {count}"));
        }
        if seconds == 0 || seconds > SECONDS_LIMIT {
            return wrong(format!("a recording takes 1 to {SECONDS_LIMIT} seconds, not {seconds}"));
        }
        let now = Instant::now();
        let mut recordings = self.lock();
        recordings.retain(|recording| !recording.is_over(now) || now < recording.until + LINGER);
        if let Some(at) = recordings.iter().position(|recording| recording.policy == policy) {
            if !recordings[at].is_over(now) {
                let message = format!("policy '{policy}' is being recorded already");
                return Err(Error::new(ErrorCode::Busy, message));
            }
            recordings.remove(at);
        }
        if recordings.len() >= RECORDINGS_LIMIT {
            let message = format!("{RECORDINGS_LIMIT} recordings are under way, which is the most");
            return Err(Error::new(ErrorCode::Busy, message));
        }
        recordings.push(Recording {
            policy: policy.to_owned(),
            hook,
            unclaimed: count,
            claimed: 0,
            until: now + Duration::from_secs(seconds.into()),
            bytes: 0,
            sessions: Vec::new(),
            lost: 0,
        });
        self.refresh(&recordings, now);
        Ok(())
    }

    /// Gives what was recorded since the last time; the recording is forgotten with its last part.
    pub(crate) fn fetch(&self, policy: &str) -> Result<Fetched, Error> {
        let now = Instant::now();
        let mut recordings = self.lock();
        let at = recordings.iter().position(|recording| recording.policy == policy).ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("policy '{policy}' is not being recorded"))
        })?;
        let recording = &mut recordings[at];
        recording.bytes = 0;
        let fetched = Fetched {
            sessions: std::mem::take(&mut recording.sessions),
            lost: std::mem::take(&mut recording.lost),
            done: recording.is_over(now),
        };
        if fetched.done {
            recordings.remove(at);
        }
        self.refresh(&recordings, now);
        Ok(fetched)
    }

    /// Ends a recording; what was recorded can still be fetched, once.
    pub(crate) fn stop(&self, policy: &str) -> Result<Fetched, Error> {
        let now = Instant::now();
        for recording in self.lock().iter_mut().filter(|recording| recording.policy == policy) {
            recording.until = now;
        }
        self.fetch(policy)
    }

    fn refresh(&self, recordings: &[Recording], now: Instant) {
        let on = recordings.iter().any(|recording| recording.unclaimed > 0 && now < recording.until);
        self.on.store(on, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recording>> {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_bounded() {
        let recorder = Recorder::default();
        for (count, seconds) in [(0, 1), (COUNT_LIMIT + 1, 1), (1, 0), (1, SECONDS_LIMIT + 1)] {
            assert!(recorder.start("a", None, count, seconds).is_err(), "{count} {seconds}");
        }
        recorder.start("a", Some(Hook::DomainDefine), 2, 60).unwrap();
        assert_eq!(recorder.start("a", None, 1, 1).unwrap_err().code, ErrorCode::Busy);
        let claims = [
            ("b", Hook::DomainDefine),
            ("a", Hook::DomainStart),
            ("a", Hook::DomainDefine),
            ("a", Hook::DomainDefine),
        ]
        .map(|(policy, hook)| recorder.claim(policy, hook));
        assert_eq!(claims, [false, false, true, true]);
        assert!(!recorder.claim("a", Hook::DomainDefine), "two were wanted");
        assert!(!recorder.on.load(Ordering::Relaxed), "so calls don't even look any more");
        assert!(!recorder.fetch("a").unwrap().done, "two are under way");
        assert!(recorder.stop("a").unwrap().done);
        assert_eq!(recorder.fetch("a").err().unwrap().code, ErrorCode::NotFound);
    }
}
