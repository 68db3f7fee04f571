//! The part of the DSDT that drives the PCI hot-plug controller ([`crate::pci::hotplug`]): one ejectable object a slot, and
//! the method of its event that tells the operating system which slots to look at. The events of all controllers are here too.

use acpi_tables::aml::{
    self, And, Device, Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, If, Local, Method,
    MethodCall, Name, Notify, OpRegion, OpRegionSpace, Path, Scope, Store,
};
use acpi_tables::{Aml, AmlSink};

use crate::layout;
use crate::legacy::power;
use crate::pci::hotplug;

const REGION: &str = "HPRG";
pub(super) const DEVICE_CHECK: u8 = 1;
pub(super) const EJECT_REQUEST: u8 = 3;
const REGISTER_BITS: usize = 32;

/// AML that is ready.
pub(super) struct Raw(pub(super) Vec<u8>);

impl Aml for Raw {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// Registers, slots and the method that looks at the registers, for the inside of the root bridge.
pub(super) fn slots() -> Raw {
    let mut out = Vec::new();
    let (port, length) = (layout::HOTPLUG_PORTS.start as u16, hotplug::LEN as u8);
    OpRegion::new(Path::new(REGION), OpRegionSpace::SystemIO, &port, &length).to_aml_bytes(&mut out);
    let registers = [*b"PLUG", *b"LEAV", *b"EJCT"].map(|name| FieldEntry::Named(name, REGISTER_BITS));
    Field::new(
        Path::new(REGION),
        FieldAccessType::DWord,
        FieldLockRule::NoLock,
        FieldUpdateRule::WriteAsZeroes,
        registers.into(),
    )
    .to_aml_bytes(&mut out);
    (1..32).for_each(|slot| self::slot(&mut out, slot));
    look(&mut out);
    Raw(out)
}

fn slot(out: &mut Vec<u8>, slot: u8) {
    let (bit, address) = (1u32 << slot, u32::from(slot) << 16);
    let register = Path::new("EJCT");
    Device::new(
        name(slot),
        vec![
            &Name::new(Path::new("_ADR"), &address),
            &Name::new(Path::new("_SUN"), &slot),
            &Method::new(Path::new("_EJ0"), 1, true, vec![&Store::new(&register, &bit)]),
        ],
    )
    .to_aml_bytes(out);
}

/// Reading clears, so each register is read once and then looked at.
fn look(out: &mut Vec<u8>) {
    let mut body = Vec::new();
    Store::new(&Local(0), &Path::new("PLUG")).to_aml_bytes(&mut body);
    Store::new(&Local(1), &Path::new("LEAV")).to_aml_bytes(&mut body);
    for slot in 1..32u8 {
        let bit = 1u32 << slot;
        for (local, value) in [(0, DEVICE_CHECK), (1, EJECT_REQUEST)] {
            let (local, name) = (Local(local), name(slot));
            let is_set = And::new(&aml::ZERO, &local, &bit);
            If::new(&is_set, vec![&Notify::new(&name, &value)]).to_aml_bytes(&mut body);
        }
    }
    Method::new(Path::new("LOOK"), 0, true, vec![&Raw(body)]).to_aml_bytes(out);
}

/// The scope of general-purpose events with those of the controllers.
pub(super) fn events() -> Raw {
    let (mut out, mut methods) = (Vec::new(), Vec::new());
    let controllers = [(power::HOTPLUG_EVENT, "PCI0"), (power::CPU_EVENT, "CPUS")];
    for (event, device) in controllers {
        let look = MethodCall::new(Path::new(&format!("\\_SB_.{device}.LOOK")), Vec::new());
        let event = format!("_E{event:02X}");
        Method::new(Path::new(&event), 0, false, vec![&look]).to_aml_bytes(&mut methods);
    }
    Scope::new(Path::new("\\_GPE"), vec![&Raw(methods)]).to_aml_bytes(&mut out);
    Raw(out)
}

fn name(slot: u8) -> Path {
    Path::new(&format!("S{slot:02X}_"))
}
