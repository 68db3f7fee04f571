//! `<domainsnapshot>` documents (guide 14.15.2).

use reeve_model::domain::DomainConfig;
use reeve_model::snapshot::{Snapshot, SnapshotDisk, SnapshotMemory, SnapshotPlace, SnapshotState};

use crate::audit::{Depth, audit};
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::kind::Kind;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;
use crate::{domain, print};

const ROOT: &str = "domainsnapshot";

fn grammar() -> &'static Grammar {
    Kind::Snapshot.grammar().expect("snapshots have a grammar")
}

/// Reads a snapshot document. What it does not say is empty: its name, `shutoff`, 1970; whoever makes a snapshot knows better.
///
/// ```
/// let text = "<domainsnapshot><name>clean</name><disks><disk name='vda' snapshot='internal'/></disks></domainsnapshot>";
/// let parsed = reeve_xml::snapshot::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.internal_disks().collect::<Vec<_>>(), ["vda"]);
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<Snapshot>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = grammar().root(&root.name).filter(|_| root.name == ROOT).ok_or_else(|| {
        let message = format!("a snapshot document starts with <{ROOT}>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((grammar(), rule)))).map_err(placed)?;
    let warnings = audit(text, &root, "/domainsnapshot", (grammar(), rule), Depth::Unknown);
    crate::error::finish(document, warnings, options)
}

/// Writes a snapshot in libvirt's layout and order. Reading it back gives the same snapshot.
pub fn format(snapshot: &Snapshot) -> String {
    // Both are elements of their own, whose texts end with a line end.
    let texts = [
        snapshot.domain.as_ref().map(|config| domain::format(config).trim_end().to_owned()),
        snapshot.inactive.as_ref().map(|config| inactive(&domain::format(config))),
    ];
    let mut root = write(snapshot);
    texts.iter().flatten().for_each(|text| root.fragment(text));
    print::document(&written(root, grammar()))
}

/// A domain document under the name that a definition has beside a live one.
fn inactive(document: &str) -> String {
    let inner = document.trim_end().trim_start_matches("<domain").trim_end_matches("</domain>");
    format!("<inactiveDomain{inner}</inactiveDomain>")
}

fn read(snapshot: &mut Reader<'_, '_>) -> Result<Snapshot, Fault> {
    let text = |child: &mut Reader<'_, '_>| Ok(child.trimmed());
    let state = snapshot.one("state", text)?;
    let state = state.map(|word| {
        SnapshotState::from_word(&word).ok_or_else(|| {
            let words = SnapshotState::ALL.map(SnapshotState::as_str).join(", ");
            snapshot.fault(format!("the state '{word}' of a snapshot is not one of {words}"))
        })
    });
    let state = state.transpose()?.unwrap_or(SnapshotState::Shutoff);
    let parent = snapshot.one("parent", |parent| parent.one("name", text))?.flatten();
    let memory = snapshot.one("memory", read_memory)?;
    let disks = snapshot.one("disks", |disks| disks.each("disk", read_disk))?.unwrap_or_default();
    let reverted = snapshot.one("revertDisks", |disks| disks.each("disk", read_disk))?.unwrap_or_default();
    Ok(Snapshot {
        name: snapshot.one("name", text)?.unwrap_or_default(),
        description: snapshot.one("description", text)?.filter(|text| !text.is_empty()),
        created: snapshot.one("creationTime", |time| time.text_number())?.unwrap_or_default(),
        memory: memory.unwrap_or(match state.has_memory() {
            true => SnapshotMemory::Internal,
            false => SnapshotMemory::None,
        }),
        domain: read_domain(snapshot, "domain")?,
        inactive: read_domain(snapshot, "inactiveDomain")?,
        state,
        parent,
        disks,
        reverted,
    })
}

fn read_domain(snapshot: &mut Reader<'_, '_>, name: &str) -> Result<Option<DomainConfig>, Fault> {
    let Some(text) = snapshot.fragment(name)? else { return Ok(None) };
    let inner = text.trim().trim_start_matches('<').trim_start_matches(name);
    let inner = inner.trim_end_matches('>').trim_end_matches(name).trim_end_matches("</");
    // An identity alone, as old hosts wrote it, says nothing of the configuration.
    if !inner.contains("<name") {
        return Ok(None);
    }
    let parsed = domain::parse_kept(&format!("<domain{inner}</domain>"));
    parsed
        .map(Some)
        .map_err(|error| snapshot.fault(format!("<{name}> can't be read: {}: {}", error.path, error.message)))
}

fn read_memory(memory: &mut Reader<'_, '_>) -> Result<SnapshotMemory, Fault> {
    let file = memory.word("file");
    match (memory.word("snapshot").as_deref(), file) {
        (Some("no"), None) => Ok(SnapshotMemory::None),
        (Some("internal") | None, None) => Ok(SnapshotMemory::Internal),
        (Some("external") | None, Some(file)) => Ok(SnapshotMemory::External { file }),
        (Some("external"), None) => {
            Err(memory.fault("memory in a file needs its path; add file='/srv/web.mem'"))
        }
        (Some("no" | "internal"), Some(_)) => {
            Err(memory.attribute_fault("file", "only snapshot='external' has a file"))
        }
        (Some(word), _) => {
            let message = format!("snapshot='{word}' is not one of no, internal, external");
            Err(memory.attribute_fault("snapshot", message))
        }
    }
}

fn read_disk(disk: &mut Reader<'_, '_>) -> Result<SnapshotDisk, Fault> {
    let name = disk.required("name", "vda")?;
    let word = disk.word("snapshot");
    let format = disk.one("driver", |driver| {
        let format = driver.word("type");
        driver.extra();
        Ok(format)
    })?;
    let file = disk.one("source", |source| {
        let file = source.word("file").or_else(|| source.word("dev"));
        source.extra();
        Ok(file)
    })?;
    let deleting = disk.one("snapshotDeleteInProgress", |_| Ok(()))?.is_some();
    disk.extra();
    let (file, format) = (file.flatten(), format.flatten());
    let place = match word.as_deref() {
        None if file.is_none() && format.is_none() => SnapshotPlace::Default,
        None | Some("external") => SnapshotPlace::External { file, format },
        Some("no") => SnapshotPlace::No,
        Some("manual") => SnapshotPlace::Manual,
        Some("internal") => SnapshotPlace::Internal,
        Some(word) => {
            let message = format!("snapshot='{word}' is not one of no, internal, external, manual");
            return Err(disk.attribute_fault("snapshot", message));
        }
    };
    Ok(SnapshotDisk { name, place, deleting })
}

fn write(snapshot: &Snapshot) -> Element<'_> {
    let (place, file) = match &snapshot.memory {
        SnapshotMemory::None => ("no", None),
        SnapshotMemory::Internal => ("internal", None),
        SnapshotMemory::External { file } => ("external", Some(file)),
    };
    let memory = Element::new("memory").with("snapshot", place).with_some("file", file);
    let parent =
        snapshot.parent.as_ref().map(|name| Element::new("parent").one(named("name", name.as_str())));
    let created = (snapshot.created != 0).then(|| named("creationTime", snapshot.created.to_string()));
    Element::new(ROOT)
        .one(named("name", snapshot.name.as_str()))
        .one_text("description", snapshot.description.as_ref())
        .one(named("state", snapshot.state.as_str()))
        .one_some(parent)
        .one_some(created)
        .one(memory)
        .one_unless_empty(Element::new("disks").each(snapshot.disks.iter().map(write_disk)))
        .one_unless_empty(Element::new("revertDisks").each(snapshot.reverted.iter().map(write_disk)))
}

fn named<'c>(name: &'c str, text: impl Into<std::borrow::Cow<'c, str>>) -> Element<'c> {
    Element::new(name).with_text(text)
}

fn write_disk(disk: &SnapshotDisk) -> Element<'_> {
    let element = Element::new("disk").with("name", disk.name.as_str());
    match &disk.place {
        SnapshotPlace::Default => element,
        SnapshotPlace::No => element.with("snapshot", "no"),
        SnapshotPlace::Manual => element.with("snapshot", "manual"),
        SnapshotPlace::Internal => element.with("snapshot", "internal"),
        SnapshotPlace::External { file, format } => {
            let driver = Element::new("driver").with_some("type", format.as_ref());
            let source = Element::new("source").with_some("file", file.as_ref());
            let element = element.with("snapshot", "external").with("type", "file");
            let deleting = disk.deleting.then(|| Element::new("snapshotDeleteInProgress"));
            element.one_unless_empty(driver).one_unless_empty(source).one_some(deleting)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "<domain type='kvm'><name>web</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
        <memory unit='MiB'>64</memory><os><type>hvm</type></os>
        <devices><disk><source file='/a.img'/><target dev='vda'/></disk></devices></domain>";

    fn read(text: &str) -> Snapshot {
        parse(text, &ParseOptions::default()).unwrap().document
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = domain::parse(WEB, &ParseOptions::default()).unwrap().document;
        let mut other = config.clone();
        other.vcpu.max = 2;
        let external = |file: &str| SnapshotPlace::External {
            file: Some(file.to_owned()),
            format: Some("qcow2".into()),
        };
        let disk = |name: &str, place| SnapshotDisk { name: name.to_owned(), place, deleting: false };
        let snapshot = Snapshot {
            name: "before & after".to_owned(),
            description: Some("a <clean> copy".to_owned()),
            state: SnapshotState::Running,
            created: 1_700_000_000,
            parent: Some("first".to_owned()),
            memory: SnapshotMemory::External { file: "/m.mem".to_owned() },
            disks: vec![
                SnapshotDisk { deleting: true, ..disk("vda", external("/a,b.qcow2")) },
                disk("vdb", SnapshotPlace::No),
                disk("vdc", SnapshotPlace::Internal),
                disk("vdd", SnapshotPlace::Manual),
            ],
            reverted: vec![disk("vda", external("/a.1700000001"))],
            domain: Some(config),
            inactive: Some(other),
        };
        let text = format(&snapshot);
        assert_eq!(read(&text), snapshot, "{text}");
        assert_eq!(format(&read(&text)), text);
        let least = Snapshot {
            domain: None,
            inactive: None,
            parent: None,
            disks: Vec::new(),
            reverted: Vec::new(),
            ..snapshot
        };
        assert_eq!(read(&format(&least)), least);
    }

    #[test]
    fn what_somebody_writes_by_hand_is_understood_or_refused() {
        let disks = "<disks><disk name='vda'><source file='/new'/></disk><disk name='/b.img'/></disks>";
        let snapshot =
            read(&format!("<domainsnapshot>{disks}<domain><uuid>x</uuid></domain></domainsnapshot>"));
        assert_eq!((snapshot.name.as_str(), snapshot.domain.is_none()), ("", true));
        assert!(matches!(&snapshot.disks[0].place, SnapshotPlace::External { file: Some(_), format: None }));
        assert_eq!(snapshot.disks[1].place, SnapshotPlace::Default);
        for (inside, part) in [
            ("<state>walking</state>", "is not one of running"),
            ("<memory snapshot='external'/>", "needs its path"),
            ("<memory snapshot='no' file='/x'/>", "only snapshot='external'"),
            ("<disks><disk name='vda' snapshot='maybe'/></disks>", "is not one of no"),
            ("<domain type='kvm'><name>w</name></domain>", "can't be read"),
        ] {
            let text = format!("<domainsnapshot>{inside}</domainsnapshot>");
            let refused = parse(&text, &ParseOptions::default()).unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
        }
        assert!(parse("<domaincheckpoint/>", &ParseOptions::default()).is_err());
    }
}
