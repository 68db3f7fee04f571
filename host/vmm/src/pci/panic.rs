//! The device by which a guest says that it has panicked (pvpanic over PCI).

use super::config::{ConfigSpace, ConfigState, ConfigStateError, Identity};
use super::function::PciFunction;

/// The guest has panicked and does no more.
const PANICKED: u8 = 1;
/// The guest has panicked, and a kernel of its own looks at what is left.
const CRASH_LOADED: u8 = 1 << 1;
/// BARs are pages here; one byte of it is the register.
const BAR_SIZE: u32 = 4096;

/// What a guest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panic {
    /// It has panicked and does no more.
    Final,
    /// It has panicked and looks at what is left by itself.
    Handled,
}

/// Told when the guest panics; called by a vCPU thread.
pub type OnPanic = Box<dyn Fn(Panic) + Send>;

/// The function on the PCI bus.
pub struct PanicFunction {
    config: ConfigSpace,
    on_panic: OnPanic,
}

impl PanicFunction {
    /// A function that tells of panics.
    pub fn new(on_panic: OnPanic) -> Self {
        let identity = Identity {
            vendor: 0x1b36,
            device: 0x0011,
            revision: 1,
            class: 0x08_8000,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        };
        let mut config = ConfigSpace::new(identity);
        config.add_memory_bar(0, BAR_SIZE);
        Self { config, on_panic }
    }

    /// What there is to save of it: its place on the bus.
    pub fn state(&self) -> ConfigState {
        self.config.state()
    }

    /// Loads what was saved. The root complex must remap its BARs afterwards.
    pub fn restore(&mut self, state: &ConfigState) -> Result<(), ConfigStateError> {
        self.config.restore(state)
    }
}

impl PciFunction for PanicFunction {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
    }

    /// What a guest may say.
    fn read_bar(&mut self, _bar: usize, offset: u64, data: &mut [u8]) {
        if offset == 0
            && let Some(byte) = data.first_mut()
        {
            *byte = PANICKED | CRASH_LOADED;
        }
    }

    fn write_bar(&mut self, _bar: usize, offset: u64, data: &[u8]) {
        let said = data.first().copied().filter(|_| offset == 0).unwrap_or(0);
        if said & PANICKED != 0 {
            (self.on_panic)(Panic::Final);
        } else if said & CRASH_LOADED != 0 {
            (self.on_panic)(Panic::Handled);
        }
    }

    fn bar_moved(&mut self, _bar: usize, _base: Option<u64>) {}

    fn reset(&mut self) {
        self.config.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_guest_says_how_it_panicked() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        let mut function = PanicFunction::new(Box::new(move |panic| teller.lock().unwrap().push(panic)));
        let mut byte = [0];
        function.read_bar(0, 0, &mut byte);
        assert_eq!(byte, [3]);
        for (offset, data) in
            [(0, &[0u8][..]), (1, &[1]), (4096, &[1]), (0, &[2]), (0, &[1, 0, 0, 0]), (0, &[0xfc])]
        {
            function.write_bar(0, offset, data);
        }
        assert_eq!(*told.lock().unwrap(), [Panic::Handled, Panic::Final]);
    }
}
