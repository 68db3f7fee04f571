//! Post-copy: a guest that runs at one worker while some of its memory is still at another.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use uuid::Uuid;

use super::Life;
use crate::machine::GuestStop;
use crate::migration::Job;
use crate::pci::Ejected;
use crate::protocol::{ErrorCode, Failure};

impl Life {
    pub(super) fn switch_now(&mut self) -> Result<(), Failure> {
        let migrating = self.migrating()?;
        if !migrating.limits.is_some_and(|limits| limits.post_copy) {
            let reason = "post-copy was not allowed when the migration began";
            return Err(Failure::new(ErrorCode::State, reason));
        }
        migrating.job.switch_now().map_err(|reason| Failure::new(ErrorCode::State, reason))
    }

    /// Whether pages of the guest that runs here are missing; true where nothing brings them.
    pub(in crate::worker) fn late(&self) -> Option<bool> {
        self.migration.as_ref().filter(|migrating| migrating.late.is_some()).map(|migrating| migrating.over)
    }

    pub(super) fn interrupt(&mut self) -> Result<(), Failure> {
        let migrating = self.migrating()?;
        if migrating.late.is_none() && !(migrating.given_up && migrating.post_copy) {
            return Err(Failure::new(ErrorCode::State, "the migration is not in post-copy"));
        }
        migrating.job.interrupt();
        Ok(())
    }

    pub(super) fn resume_late(&mut self, migration: Uuid, mut fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let stream = fds.pop();
        let stream =
            stream.ok_or_else(|| Failure::new(ErrorCode::BadRequest, "post-copy goes on over a stream"))?;
        let memory = self.machine()?.memory().clone();
        let mailbox = Arc::clone(&self.mailbox);
        let migrating = self.migrating()?;
        if !migrating.over {
            return Err(Failure::new(ErrorCode::State, "the migration was not interrupted"));
        }
        let job = match (&migrating.late, migrating.limits) {
            (Some(pages), _) => Job::receive_rest(migration, stream, memory, Arc::clone(pages), &mailbox),
            (None, Some(limits)) if migrating.given_up && migrating.post_copy => {
                Job::send_rest(migration, stream, limits, memory, &mailbox)
            }
            _ => return Err(Failure::new(ErrorCode::State, "the migration is not in post-copy")),
        };
        migrating.job =
            job.map_err(|error| Failure::new(ErrorCode::Host, format!("post-copy can't go on: {error}")))?;
        migrating.over = false;
        Ok(())
    }

    /// A guest that waits for its own memory can't be brought to a stand: what it does to itself is done when it has all of it.
    pub(in crate::worker) fn stop_when_whole(&mut self, stop: Option<GuestStop>) -> Option<GuestStop> {
        if self.late().is_some() {
            self.stopped_late = stop.or(self.stopped_late.take());
            return None;
        }
        stop.or(self.stopped_late.take())
    }

    /// Threads of a device may wait for memory too, so one that the guest let go of ends when the guest has all of it.
    pub(super) fn bury_when_whole(&mut self, ejected: Vec<Ejected>) {
        self.ejected_late.extend(ejected);
        if self.late().is_none() {
            std::mem::take(&mut self.ejected_late).into_iter().for_each(|ejected| self.bury(ejected));
        }
    }

    /// Does what could not be done before the guest had all of its memory.
    pub(super) fn catch_up(&mut self) {
        self.bury_when_whole(Vec::new());
        match self.stop_when_whole(None) {
            Some(stop) => self.guest_stopped(stop),
            None => self.disk_stopped(),
        }
    }

    /// The thread has ended, and the other side need not wait for it.
    pub(super) fn over(&mut self) {
        if let Some(migrating) = &mut self.migration {
            migrating.over = true;
            migrating.job.interrupt();
        }
    }

    /// Nothing of the guest is missing any more.
    pub(super) fn whole(&mut self) {
        if let Some(witness) = &mut self.witness {
            // Without it, an end of this process is taken for the end of a guest that was never whole.
            let _ = witness.write_all(b"w");
        }
    }
}
