//! `reeve:node/ksm`: kernel samepage merging, to read. It is changed by the answer of a tuner only.

use reeve_model::Verb;
use reeve_model::node::KsmState;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::node::ksm;
use crate::call::{Answered, CallState, contract_error};

/// The contract's form of the state.
pub(crate) fn contract_ksm(state: &KsmState) -> ksm::KsmState {
    ksm::KsmState {
        run: state.run,
        pages_to_scan: state.pages_to_scan,
        sleep_millisecs: state.sleep_millisecs,
        merge_across_nodes: state.merge_across_nodes,
        pages_shared: state.pages_shared,
        pages_sharing: state.pages_sharing,
        pages_unshared: state.pages_unshared,
        pages_volatile: state.pages_volatile,
        full_scans: state.full_scans,
    }
}

impl ksm::Host for CallState {
    fn get(&mut self) -> Answered<ksm::KsmState> {
        self.count()?;
        if let Err(denied) = self.check(Verb::NodeRead) {
            return Ok(Err(denied));
        }
        self.witness("reeve:node/ksm.get", Vec::new, |state| match state.outside.services.ksm() {
            Ok(ksm) => Ok(contract_ksm(&ksm)),
            Err(error) => Err(contract_error(&error)),
        })
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    ksm::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
