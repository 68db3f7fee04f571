use std::sync::Arc;

use super::*;

/// What a line was told, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Route(MsiMessage),
    Raise,
}

/// Lines that only remember.
#[derive(Default, Clone)]
pub(crate) struct RecordedLines(pub Arc<Mutex<Vec<(usize, Told)>>>, Arc<Mutex<usize>>);

struct RecordedLine(usize, RecordedLines);

impl RecordedLines {
    pub(crate) fn told(&self) -> Vec<(usize, Told)> {
        self.0.lock().unwrap().clone()
    }

    /// How often a vector was raised.
    pub(crate) fn raised(&self, vector: usize) -> usize {
        self.told().iter().filter(|told| **told == (vector, Told::Raise)).count()
    }
}

impl MsiLines for RecordedLines {
    fn create(&self) -> io::Result<Box<dyn MsiLine>> {
        let mut count = self.1.lock().unwrap();
        *count += 1;
        Ok(Box::new(RecordedLine(*count - 1, self.clone())))
    }
}

impl MsiLine for RecordedLine {
    fn route(&self, message: MsiMessage) -> io::Result<()> {
        self.1.0.lock().unwrap().push((self.0, Told::Route(message)));
        Ok(())
    }

    fn raise(&self) {
        self.1.0.lock().unwrap().push((self.0, Told::Raise));
    }
}

fn program(msix: &Msix, vector: u64, address: u64, data: u32) {
    msix.write(vector * 16, &address.to_le_bytes());
    msix.write(vector * 16 + 8, &data.to_le_bytes());
    msix.write(vector * 16 + 12, &0u32.to_le_bytes());
}

#[test]
fn a_programmed_vector_is_routed_once_and_fires() {
    let lines = RecordedLines::default();
    let msix = Msix::new(2, &lines).unwrap();
    msix.set_control(CONTROL_ENABLE);
    program(&msix, 1, 0xfee0_1000, 0x41);
    msix.raise(1);
    msix.raise(1);
    let message = MsiMessage { address: 0xfee0_1000, data: 0x41 };
    assert_eq!(lines.told(), [(1, Told::Route(message)), (1, Told::Raise), (1, Told::Raise)]);
    msix.raise(7);
    assert_eq!(lines.told().len(), 3, "a vector that does not exist fires nothing");
}

#[test]
fn masked_vectors_wait_in_the_pending_bits() {
    let lines = RecordedLines::default();
    let msix = Msix::new(10, &lines).unwrap();
    program(&msix, 9, 0xfee0_0000, 0x30);
    msix.raise(9);
    let mut pending = [0; 8];
    msix.read(u64::from(PBA_OFFSET), &mut pending);
    assert_eq!(pending, [0, 2, 0, 0, 0, 0, 0, 0]);
    msix.set_control(CONTROL_ENABLE | CONTROL_MASK_ALL);
    assert_eq!(lines.raised(9), 0, "the function's mask holds it back");
    msix.set_control(CONTROL_ENABLE);
    assert_eq!(lines.raised(9), 1);
    msix.read(u64::from(PBA_OFFSET), &mut pending);
    assert_eq!(pending, [0; 8]);
    msix.write(9 * 16 + 12, &1u32.to_le_bytes());
    msix.raise(9);
    assert_eq!(lines.raised(9), 1, "the vector's own mask holds it back");
    msix.write(9 * 16 + 12, &0u32.to_le_bytes());
    assert_eq!(lines.raised(9), 2);
}

#[test]
fn odd_accesses_are_bounded() {
    let msix = Msix::new(1, &RecordedLines::default()).unwrap();
    for offset in [0u64, 1, 3, 15, 16, 0x7ff, 0x800, 0xfff, 0x1000, u64::MAX - 8] {
        for len in [1, 2, 4, 8] {
            msix.write(offset, &[0xff; 8][..len]);
            msix.read(offset.min(0xfff), &mut [0; 8][..len]);
        }
    }
    let mut control = [0; 4];
    msix.read(12, &mut control);
    assert_eq!(u32::from_le_bytes(control), ENTRY_MASKED, "reserved bits of the vector control stay zero");
}

#[test]
fn state_survives_a_move_and_pending_vectors_fire_after_it() {
    let from = Msix::new(2, &RecordedLines::default()).unwrap();
    program(&from, 0, 0xfee0_2000, 0x55);
    from.raise(0);
    let mut state = from.state();
    state.control = CONTROL_ENABLE;
    let lines = RecordedLines::default();
    let to = Msix::new(2, &lines).unwrap();
    to.restore(&state).unwrap();
    assert_eq!(lines.raised(0), 1);
    let other = Msix::new(3, &lines).unwrap();
    assert_eq!(other.restore(&state), Err(MsixStateError { expected: 3, found: 2 }));
}
