//! Streams that come beside the first one of a migration.

use std::os::fd::OwnedFd;

use reeve_migrate::StrategyAnswer;

use super::Life;
use crate::migration::Reply;
use crate::protocol::{ErrorCode, Failure};

impl Life {
    /// Takes more streams for the memory of the guest that comes.
    pub(super) fn add_streams(&mut self, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        if fds.is_empty() {
            return Err(Failure::new(
                ErrorCode::BadRequest,
                "streams come as descriptors, and there is none",
            ));
        }
        let added = self.migrating()?.job.add_streams(fds);
        added.map_err(|error| Failure::new(ErrorCode::Host, format!("no stream can be added: {error}")))
    }

    /// Takes the answer of the daemon's strategy, with the streams that it asks for.
    pub(super) fn advise(
        &mut self,
        number: u32,
        answer: StrategyAnswer,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let migrating = self.migrating()?;
        let asked = migrating.asking.take_if(|_| migrating.questions == number);
        let letter =
            asked.ok_or_else(|| Failure::new(ErrorCode::State, "that was not asked, or answered before"))?;
        let added = if fds.is_empty() { Ok(()) } else { self.add_streams(fds) };
        // A step that comes without its streams changes nothing else.
        letter.answer(Ok(Reply::Advice(answer)));
        added
    }
}
