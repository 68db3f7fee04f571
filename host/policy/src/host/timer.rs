//! `reeve:clock/timer`: waiting, for tasks.

use std::time::Duration;

use reeve_model::policy::Hook;
use reeve_model::{Error, ErrorCode};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::clock::timer;
use crate::call::{Answered, CallState, contract_error};

const PAUSE_LIMIT: u32 = 60_000;

impl timer::Host for CallState {
    async fn pause(&mut self, milliseconds: u32) -> Answered<()> {
        self.count()?;
        let (policy, hook) = (self.policy(), self.hook);
        let refused = if hook != Hook::Task {
            let message = format!("policy '{policy}' may not wait in hook '{hook}': only tasks may");
            Some(Error::new(ErrorCode::Denied, message))
        } else if milliseconds > PAUSE_LIMIT {
            let message = format!(
                "policy '{policy}' wants to wait {milliseconds} ms at once, {PAUSE_LIMIT} are the most"
            );
            Some(Error::new(ErrorCode::Invalid, message))
        } else {
            None
        };
        let pause = async move {
            if let Some(error) = refused {
                return Err(contract_error(&error));
            }
            tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            Ok(())
        };
        self.witness_async("reeve:clock/timer.pause", || vec![milliseconds.into()], pause).await
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    timer::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
