//! `reeve:node/host`: the machine and its memory.

use reeve_model::Verb;
use reeve_model::node::NodeMemory;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::node::host;
use crate::call::{Answered, CallState, contract_error};

/// The contract's form of the host's memory.
pub(crate) fn contract_memory(memory: &NodeMemory) -> host::Memory {
    host::Memory {
        total: memory.total.0,
        free: memory.free.0,
        available: memory.available.0,
        cached: memory.cached.0,
        buffers: memory.buffers.0,
        swap_total: memory.swap_total.0,
        swap_free: memory.swap_free.0,
    }
}

impl host::Host for CallState {
    fn get_info(&mut self) -> Answered<host::Info> {
        self.count()?;
        if let Err(denied) = self.check(Verb::NodeRead) {
            return Ok(Err(denied));
        }
        self.witness("reeve:node/host.get-info", Vec::new, |state| match state.outside.services.node_info() {
            Ok(info) => Ok(host::Info {
                hostname: info.hostname,
                cpus: info.cpus,
                memory: info.memory.0,
                numa_cells: info.numa_cells,
            }),
            Err(error) => Err(contract_error(&error)),
        })
    }

    fn get_memory(&mut self) -> Answered<host::Memory> {
        self.count()?;
        if let Err(denied) = self.check(Verb::NodeRead) {
            return Ok(Err(denied));
        }
        self.witness("reeve:node/host.get-memory", Vec::new, |state| {
            match state.outside.services.node_memory() {
                Ok(memory) => Ok(contract_memory(&memory)),
                Err(error) => Err(contract_error(&error)),
            }
        })
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    host::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
