//! What the root complex asks of a function.

use super::config::ConfigSpace;

/// One PCI function. Calls come from vCPU threads, one at a time; offsets and data come from the guest and may be
/// anything, but an access never passes the end of the space it is for.
pub trait PciFunction: Send {
    /// The configuration space, for BAR assignment and decoding.
    fn config(&self) -> &ConfigSpace;

    /// The configuration space, to program BARs before the guest runs.
    fn config_mut(&mut self) -> &mut ConfigSpace;

    /// Reads configuration space below 256.
    fn read_config(&mut self, offset: usize, data: &mut [u8]);

    /// Writes configuration space below 256. The root complex looks at the BARs afterwards.
    fn write_config(&mut self, offset: usize, data: &[u8]);

    /// Reads memory of a BAR. The buffer arrives zeroed.
    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]);

    /// Writes memory of a BAR.
    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]);

    /// The BAR now answers at `base`, or nowhere.
    fn bar_moved(&mut self, bar: usize, base: Option<u64>);

    /// The machine is reset: back to the state after power-on, except for the BARs, which the root complex assigns.
    fn reset(&mut self);
}
