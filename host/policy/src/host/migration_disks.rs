//! `reeve:migration/disks`: the disks of a guest that moves. They came with the question, so a session has them there and not on its tape.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::migration::disks;
use crate::call::CallState;

impl disks::Host for CallState {
    fn list(&mut self) -> wasmtime::Result<Vec<disks::MigratedDisk>> {
        self.count()?;
        Ok(self.disks.to_vec())
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    disks::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
