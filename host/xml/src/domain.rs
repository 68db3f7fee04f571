//! `<domain>` documents (guide ch. 20): readers and writers side by side, a file an element group.

mod address;
mod chardev;
mod clock;
mod controller;
pub(crate) mod cpu;
pub(crate) mod devices;
mod disk;
mod filesystem;
mod interface;
mod iothread;
mod memory;
mod memory_device;
mod os;
mod pm;
mod resource;
mod rng;
mod seclabel;
mod sysinfo;
mod tuning;

use std::sync::LazyLock;

use reeve_model::domain::{CpuConfig, DomainConfig, DomainType, LifecycleAction};
use uuid::Uuid;

use crate::audit::{Depth, audit};
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::{Grammar, Rule};
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What a domain document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/domain.grammar")));

/// Reads a domain document.
///
/// A UUID is made when the document has none; `currentMemory` above `memory` is lowered to it; sizes are rounded up to KiB;
/// `id` is ignored. Rules of a whole domain are checked ([`DomainConfig::check`]). The error of a bad document says where
/// and how to mend it; what has no effect is a warning.
///
/// ```
/// let text = "<domain type='kvm'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>";
/// let parsed = reeve_xml::domain::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.memory.as_mib(), 64);
/// assert!(parsed.warnings.is_empty());
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<DomainConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = rule(&root).map_err(placed)?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule))), Memory::OfNodes).map_err(placed)?;
    document.check().map_err(|broken| placed(Fault::new(root.offset_of(&broken.path), broken.message)))?;
    let warnings = audit(text, &root, "/domain", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// The rule of a document's root.
fn rule(root: &Element<'_>) -> Result<&'static Rule, Fault> {
    GRAMMAR.root(&root.name).ok_or_else(|| {
        let message = format!("a domain document starts with <domain>, not <{}>", root.name);
        Fault::new(root.offset, message)
    })
}

/// Reads the document of a domain that was kept: of a definition or a snapshot. An earlier version may have kept what this one refuses; that
/// is in it as it was written. All other rules are checked.
pub fn parse_kept(text: &str) -> Result<DomainConfig, XmlError> {
    let (document, _, _) = read_kept(text, Memory::OfNodes)?;
    Ok(document)
}

/// Reads the document of a guest that goes on: of a save image, or one that another host sends. What no machine was ever given is left out
/// ([`DomainConfig::leave_out_unheeded`]), and named: an earlier version may have kept it.
pub fn parse_going_on(text: &str) -> Result<(DomainConfig, Vec<String>), XmlError> {
    // The guest has what it was given: where the nodes say something else, nobody heeded them.
    let (_, as_it_ran, left_out) = read_kept(text, Memory::AsWritten)?;
    Ok((as_it_ran, left_out))
}

/// A document as it is written, without what earlier versions did not heed, and what that is. The second one breaks no rule.
fn read_kept(text: &str, of: Memory) -> Result<(DomainConfig, DomainConfig, Vec<String>), XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = rule(&root).map_err(placed)?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule))), of).map_err(placed)?;
    let mut as_it_ran = document.clone();
    let left_out = as_it_ran.leave_out_unheeded();
    as_it_ran.check().map_err(|broken| placed(Fault::new(root.offset_of(&broken.path), broken.message)))?;
    Ok((document, as_it_ran, left_out))
}

/// Writes a domain in libvirt's layout and order. Reading it back gives the same domain.
pub fn format(domain: &DomainConfig) -> String {
    print::document(&written(write(domain, None), &GRAMMAR))
}

/// As [`format`](fn@format), with the id of the running domain.
pub fn format_live(domain: &DomainConfig, id: u32) -> String {
    print::document(&written(write(domain, Some(id)), &GRAMMAR))
}

/// As [`format`](fn@format), without the UUID when the document had none.
pub(crate) fn format_as_written(domain: &DomainConfig, had_uuid: bool) -> String {
    let mut root = written(write(domain, None), &GRAMMAR);
    root.children.retain(|child| had_uuid || child.as_element().is_none_or(|child| child.name != "uuid"));
    print::document(&root)
}

/// Where the memory of a guest with NUMA nodes is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// As libvirt has it, it has what these have together.
    OfNodes,
    /// In `<memory>`, as for every other guest.
    AsWritten,
}

fn read(domain: &mut Reader<'_, '_>, of: Memory) -> Result<DomainConfig, Fault> {
    let domain_type = DomainType::from_word(&domain.required("type", "kvm")?);
    domain.attribute("id");
    let name = domain
        .one("name", |name| Ok(name.trimmed()))?
        .ok_or_else(|| domain.fault("the domain has no name; add <name>…</name>"))?;
    let memory = domain.one("memory", memory::read_size)?.ok_or_else(|| {
        domain.fault(format!("domain '{name}' has no memory; add <memory unit='MiB'>…</memory>"))
    })?;
    let cpu = domain.one("cpu", cpu::read)?;
    let of_nodes = cpu.as_ref().and_then(CpuConfig::numa_memory).filter(|_| of == Memory::OfNodes);
    let memory = of_nodes.unwrap_or(memory);
    let current_memory = domain.one("currentMemory", memory::read_size)?.filter(|current| current.0 > 0);
    let os = domain.one("os", os::read)?.ok_or_else(|| {
        domain.fault(format!("domain '{name}' does not say what it boots; add <os><type>hvm</type>…</os>"))
    })?;
    Ok(DomainConfig {
        domain_type,
        uuid: domain.one("uuid", read_uuid)?.unwrap_or_else(Uuid::new_v4),
        title: domain.one("title", |title| Ok(title.text().into_owned()))?.filter(|title| !title.is_empty()),
        description: domain
            .one("description", |text| Ok(text.text().into_owned()))?
            .filter(|text| !text.is_empty()),
        metadata: domain.fragment("metadata")?,
        memory,
        current_memory: current_memory.map_or(memory, |current| current.min(memory)),
        memory_backing: domain.one("memoryBacking", memory::read_backing)?.unwrap_or_default(),
        vcpu: domain.one("vcpu", cpu::read_vcpu)?.unwrap_or_else(cpu::one_vcpu),
        iothreads: iothread::read(domain)?,
        cputune: domain.one("cputune", tuning::read_cputune)?.unwrap_or_default(),
        memtune: domain.one("memtune", tuning::read_memtune)?.unwrap_or_default(),
        blkiotune: domain.one("blkiotune", tuning::read_blkiotune)?.unwrap_or_default(),
        numatune: domain.one("numatune", tuning::read_numatune)?.unwrap_or_default(),
        resource: Box::new(domain.one("resource", resource::read)?.unwrap_or_default()),
        sysinfo: domain.one("sysinfo", sysinfo::read)?,
        os,
        features: domain.one("features", os::read_features)?.unwrap_or_default(),
        cpu,
        clock: domain.one("clock", clock::read)?.unwrap_or_else(clock::utc),
        on_poweroff: read_action(domain, "on_poweroff", LifecycleAction::Destroy)?,
        on_reboot: read_action(domain, "on_reboot", LifecycleAction::Restart)?,
        on_crash: read_action(domain, "on_crash", LifecycleAction::Destroy)?,
        pm: domain.one("pm", pm::read)?.unwrap_or_default(),
        devices: domain.one("devices", devices::read)?.unwrap_or_default(),
        seclabels: domain.each("seclabel", seclabel::read)?,
        extra: domain.extra(),
        name,
    })
}

/// 32 hexadecimal digits, with dashes or without (guide figure 20.1).
pub(crate) fn read_uuid(uuid: &mut Reader<'_, '_>) -> Result<Uuid, Fault> {
    let text = uuid.trimmed();
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| Uuid::try_parse(&digits).ok()).flatten().ok_or_else(|| {
        uuid.fault(format!(
            "'{text}' is not a UUID; write 32 hexadecimal digits, or leave <uuid> out to have one made"
        ))
    })
}

fn read_action(
    domain: &mut Reader<'_, '_>,
    name: &str,
    default: LifecycleAction,
) -> Result<LifecycleAction, Fault> {
    let action = domain.one(name, |action| {
        let word = action.trimmed();
        LifecycleAction::from_word(&word).ok_or_else(|| {
            let words: Vec<&str> = LifecycleAction::ALL.iter().map(|(_, word)| *word).collect();
            action.fault(format!("'{word}' is not an action; use one of {}", words.join(", ")))
        })
    })?;
    Ok(action.unwrap_or(default))
}

fn write(domain: &DomainConfig, id: Option<u32>) -> Element<'_> {
    let mut root = Element::new("domain").with("type", domain.domain_type.as_str());
    if let Some(id) = id {
        root.set("id", id.to_string());
    }
    let mut root = root
        .one_text("name", Some(&domain.name))
        .one(Element::new("uuid").with_text(domain.uuid.to_string()))
        .one_text("title", domain.title.as_ref())
        .one_text("description", domain.description.as_ref());
    if let Some(metadata) = &domain.metadata {
        root.fragment(metadata);
    }
    let root = root
        .one(memory::write_size("memory", domain.memory))
        .one(memory::write_size("currentMemory", domain.current_memory))
        .one_unless_empty(memory::write_backing(&domain.memory_backing))
        .one(cpu::write_vcpu(&domain.vcpu));
    iothread::write(root, &domain.iothreads)
        .one_unless_empty(tuning::write_blkiotune(&domain.blkiotune))
        .one_unless_empty(tuning::write_memtune(&domain.memtune))
        .one_unless_empty(tuning::write_cputune(&domain.cputune))
        .one_unless_empty(tuning::write_numatune(&domain.numatune))
        .one_unless_empty(resource::write(&domain.resource))
        .each(domain.sysinfo.as_ref().map(sysinfo::write))
        .one(os::write(&domain.os))
        .one_unless_empty(os::write_features(&domain.features))
        .each(domain.cpu.as_ref().map(cpu::write))
        .one(clock::write(&domain.clock))
        .one(Element::new("on_poweroff").with_text(domain.on_poweroff.as_str()))
        .one(Element::new("on_reboot").with_text(domain.on_reboot.as_str()))
        .one(Element::new("on_crash").with_text(domain.on_crash.as_str()))
        .one_unless_empty(pm::write(&domain.pm))
        .one(devices::write(&domain.devices))
        .each(domain.seclabels.iter().map(seclabel::write))
        .extra(&domain.extra)
}
