//! The part of the DSDT that drives the controller of vCPUs ([`crate::legacy::cpus`]): one ejectable processor a vCPU that the machine
//! can have, and the method of its event that tells the operating system which of them to look at.

use acpi_tables::Aml;
use acpi_tables::aml::{
    self, And, BufferData, Device, Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, If,
    Local, Method, Name, Notify, OpRegion, OpRegionSpace, Path, Return, Store,
};

use super::hotplug::{DEVICE_CHECK, EJECT_REQUEST, Raw};
use super::{LOCAL_APIC_ENABLED, local_apic};
use crate::config::Numa;
use crate::layout;
use crate::legacy::cpus::{LEN, WORDS};

const REGION: &str = "CPRG";
const WORD_BITS: usize = 32;
/// Present, enabled, shown, functioning.
const THERE: u8 = 0xf;

/// Registers, processors and the method that looks at the registers, for a scope of their own.
pub(super) fn processors(max: u32, numa: &Numa) -> Raw {
    let mut out = Vec::new();
    let (port, length) = (layout::CPU_HOTPLUG_PORTS.start as u16, LEN as u8);
    OpRegion::new(Path::new(REGION), OpRegionSpace::SystemIO, &port, &length).to_aml_bytes(&mut out);
    let registers = ["PRE", "PLU", "LEA", "EJE"].into_iter().flat_map(|name| {
        (0..WORDS).map(move |word| {
            let name = format!("{name}{word}");
            FieldEntry::Named(name.as_bytes().try_into().expect("four letters"), WORD_BITS)
        })
    });
    Field::new(
        Path::new(REGION),
        FieldAccessType::DWord,
        FieldLockRule::NoLock,
        FieldUpdateRule::WriteAsZeroes,
        registers.collect(),
    )
    .to_aml_bytes(&mut out);
    (0..max).for_each(|number| processor(&mut out, number, numa.node_of(number)));
    look(&mut out, max);
    Raw(out)
}

fn processor(out: &mut Vec<u8>, number: u32, node: Option<u32>) {
    let (present, eject) = (register("PRE", number), register("EJE", number));
    let bit = 1u32 << (number % 32);
    let is_there = And::new(&aml::ZERO, &present, &bit);
    let answer = |name: &str, yes: &dyn Aml, no: &dyn Aml| {
        let mut out = Vec::new();
        let (taken, otherwise) = (Return::new(yes), Return::new(no));
        let choice = If::new(&is_there, vec![&taken]);
        let method: Vec<&dyn Aml> = vec![&choice, &otherwise];
        Method::new(Path::new(name), 0, false, method).to_aml_bytes(&mut out);
        Raw(out)
    };
    let entry = |flags| BufferData::new(local_apic(number, flags).into());
    let (status, entry) =
        (answer("_STA", &THERE, &aml::ZERO), answer("_MAT", &entry(LOCAL_APIC_ENABLED), &entry(0)));
    let (kind, uid) = (Name::new(Path::new("_HID"), &"ACPI0007"), Name::new(Path::new("_UID"), &number));
    let store = Store::new(&eject, &bit);
    let let_go = Method::new(Path::new("_EJ0"), 1, true, vec![&store]);
    let mut children: Vec<&dyn Aml> = vec![&kind, &uid, &status, &entry];
    let proximity = node.map(|node| Name::new(Path::new("_PXM"), &node));
    children.extend(proximity.iter().map(|name| name as &dyn Aml));
    // The first one stays.
    if number > 0 {
        children.push(&let_go);
    }
    Device::new(name(number), children).to_aml_bytes(out);
}

/// Reading clears, so each word is read once and then looked at.
fn look(out: &mut Vec<u8>, max: u32) {
    let mut body = Vec::new();
    for word in (0..max).step_by(WORD_BITS) {
        Store::new(&Local(0), &register("PLU", word)).to_aml_bytes(&mut body);
        Store::new(&Local(1), &register("LEA", word)).to_aml_bytes(&mut body);
        for number in word..max.min(word + WORD_BITS as u32) {
            let bit = 1u32 << (number % 32);
            for (local, value) in [(0, DEVICE_CHECK), (1, EJECT_REQUEST)] {
                let (local, name) = (Local(local), name(number));
                let is_set = And::new(&aml::ZERO, &local, &bit);
                If::new(&is_set, vec![&Notify::new(&name, &value)]).to_aml_bytes(&mut body);
            }
        }
    }
    Method::new(Path::new("LOOK"), 0, true, vec![&Raw(body)]).to_aml_bytes(out);
}

/// The word of a register that has the bit of a vCPU.
fn register(name: &str, number: u32) -> Path {
    Path::new(&format!("{name}{}", number / 32))
}

fn name(number: u32) -> Path {
    Path::new(&format!("C{number:03X}"))
}
