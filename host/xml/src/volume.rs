//! `<volume>` documents (guide ch. 13, 14.12).

use std::sync::LazyLock;

use reeve_model::storage::{BackingStore, ImageFeatures, Timestamps, VolumeConfig, VolumeKind, VolumeTarget};

use crate::audit::{Depth, audit};
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::pool::target::{
    read_encryption, read_permissions, read_size, write_encryption, write_permissions, write_size,
};
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What a volume document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/volume.grammar")));

/// Reads a volume document, and checks it ([`VolumeConfig::check`]).
///
/// ```
/// let text = "<volume><name>disk.img</name><capacity unit='G'>8</capacity></volume>";
/// let parsed = reeve_xml::volume::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.capacity, Some(reeve_model::Bytes::gib(8)));
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<VolumeConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).ok_or_else(|| {
        let message = format!("a volume document starts with <volume>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document
        .check()
        .map_err(|broken| placed(Fault::new(root.offset_of_violation(&broken.path), broken.message)))?;
    let warnings = audit(text, &root, "/volume", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// Writes a volume in libvirt's layout and order. Reading it back gives the same volume.
pub fn format(volume: &VolumeConfig) -> String {
    print::document(&written(write(volume), &GRAMMAR))
}

fn read(volume: &mut Reader<'_, '_>) -> Result<VolumeConfig, Fault> {
    let kind = match volume.word("type") {
        None => None,
        Some(word) => Some(VolumeKind::from_word(&word).ok_or_else(|| {
            let words: Vec<&str> = VolumeKind::ALL.iter().map(|(_, word)| *word).collect();
            volume.attribute_fault("type", format!("type='{word}' is not one of {}", words.join(", ")))
        })?),
    };
    let name = volume
        .one("name", |name| Ok(name.trimmed()))?
        .ok_or_else(|| volume.fault("the volume has no name; add <name>…</name>"))?;
    Ok(VolumeConfig {
        kind,
        name,
        key: volume.one("key", |key| Ok(key.trimmed()))?.filter(|key| !key.is_empty()),
        capacity: volume.one("capacity", read_size)?,
        allocation: volume.one("allocation", read_size)?,
        physical: volume.one("physical", read_size)?,
        target: volume.one("target", read_target)?.unwrap_or_default(),
        backing: volume.one("backingStore", read_backing)?.flatten(),
        extra: volume.extra(),
    })
}

fn read_target(target: &mut Reader<'_, '_>) -> Result<VolumeTarget, Fault> {
    Ok(VolumeTarget {
        path: target.one("path", |path| Ok(path.trimmed()))?.filter(|path| !path.is_empty()),
        format: target.one("format", |format| format.required("type", "qcow2"))?,
        permissions: target.one("permissions", read_permissions)?,
        encryption: target.one("encryption", read_encryption)?,
        nocow: target.flag("nocow")?,
        compat: target.one("compat", |compat| Ok(compat.trimmed()))?,
        cluster_size: target.one("clusterSize", read_size)?,
        features: target.one("features", |features| {
            Ok(ImageFeatures {
                lazy_refcounts: features.flag("lazy_refcounts")?,
                extended_l2: features.flag("extended_l2")?,
                extra: features.extra(),
            })
        })?,
        timestamps: target.one("timestamps", read_timestamps)?,
        preallocation: None,
        extra: target.extra(),
    })
}

fn read_timestamps(stamps: &mut Reader<'_, '_>) -> Result<Timestamps, Fault> {
    let mut stamp = |name| Ok(stamps.one(name, |stamp| Ok(stamp.trimmed()))?.filter(|text| !text.is_empty()));
    Ok(Timestamps {
        atime: stamp("atime")?,
        mtime: stamp("mtime")?,
        ctime: stamp("ctime")?,
        btime: stamp("btime")?,
        extra: stamps.extra(),
    })
}

/// An empty `<backingStore/>` ends a chain, as none does.
fn read_backing(backing: &mut Reader<'_, '_>) -> Result<Option<BackingStore>, Fault> {
    if backing.element.elements().next().is_none() {
        return Ok(None);
    }
    let path = backing
        .one("path", |path| Ok(path.trimmed()))?
        .ok_or_else(|| backing.fault("<backingStore> names no image; add <path>…</path>"))?;
    Ok(Some(BackingStore {
        path,
        format: backing.one("format", |format| format.required("type", "qcow2"))?,
        permissions: backing.one("permissions", read_permissions)?,
        extra: backing.extra(),
    }))
}

fn write(volume: &VolumeConfig) -> Element<'_> {
    let mut root = Element::new("volume");
    if let Some(kind) = volume.kind {
        root.set("type", kind.as_str());
    }
    root.one_text("name", Some(&volume.name))
        .one_text("key", volume.key.as_ref())
        .one_some(write_size("capacity", volume.capacity))
        .one_some(write_size("allocation", volume.allocation))
        .one_some(write_size("physical", volume.physical))
        .one_unless_empty(write_target(&volume.target))
        .one_some(volume.backing.as_ref().map(write_backing))
        .extra(&volume.extra)
}

fn write_target(target: &VolumeTarget) -> Element<'_> {
    Element::new("target")
        .one_text("path", target.path.as_ref())
        .one_some(target.format.as_deref().map(write_format))
        .one_some(target.permissions.as_ref().map(write_permissions))
        .one_some(target.encryption.as_ref().map(write_encryption))
        .one_flag("nocow", target.nocow)
        .one_text("compat", target.compat.as_ref())
        .one_some(write_size("clusterSize", target.cluster_size))
        .one_some(target.features.as_ref().map(|features| {
            Element::new("features")
                .one_flag("lazy_refcounts", features.lazy_refcounts)
                .one_flag("extended_l2", features.extended_l2)
                .extra(&features.extra)
        }))
        .one_some(target.timestamps.as_ref().map(write_timestamps))
        .extra(&target.extra)
}

fn write_timestamps(stamps: &Timestamps) -> Element<'_> {
    Element::new("timestamps")
        .one_text("atime", stamps.atime.as_ref())
        .one_text("mtime", stamps.mtime.as_ref())
        .one_text("ctime", stamps.ctime.as_ref())
        .one_text("btime", stamps.btime.as_ref())
        .extra(&stamps.extra)
}

fn write_format(format: &str) -> Element<'_> {
    Element::new("format").with("type", format)
}

fn write_backing(backing: &BackingStore) -> Element<'_> {
    Element::new("backingStore")
        .one_text("path", Some(&backing.path))
        .one_some(backing.format.as_deref().map(write_format))
        .one_some(backing.permissions.as_ref().map(write_permissions))
        .extra(&backing.extra)
}
