//! Disks of a guest that moves, in a session.
//!
//! Where there is a document, what is left out of a disk is as the document has it, and so is a disk that is left out: shared with the
//! destination, of a size that is not known. A recorded session says all of it, or nothing when that is all there is.

use reeve_model::migrated_disk::MovingDisks;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::records::{record, words};
use crate::bindings::reeve::migration::disks;
use crate::host::domain_config::DomainView;
use crate::migration::{Disks, contract_disks};

words!(Way = disks::Way { Shared, Copied, CopiedAboveBacking });
words!(Cache = disks::CacheMode { None, Writethrough, Writeback, Directsync, Unsafe });
record!(
    MigratedDisk = disks::MigratedDisk {
        target: String,
        device: String,
        source: String,
        path: Option<String>,
        pool: Option<String>,
        volume: Option<String>,
        format: Option<String>,
        capacity: Option<u64>,
        allocation: Option<u64>,
        file_system: Option<String>,
        readonly: bool,
        shareable: bool,
        cache: Cache,
        coherent: bool,
        way: Way,
        backing: Option<String>,
    }
);

type Fields = Map<String, Value>;

/// The disks of a document of which nothing else is known.
fn of_document(domain: &DomainView) -> Disks {
    contract_disks(&domain.config, &MovingDisks::default())
}

/// The JSON form; none where the document says it all.
pub(super) fn write(disks: &Disks, domain: Option<&DomainView>) -> serde_json::Result<Option<Vec<Fields>>> {
    let records = |disks: &Disks| -> Vec<MigratedDisk> { disks.iter().cloned().map(Into::into).collect() };
    let said = domain.map(of_document).unwrap_or_default();
    let (disks, said) = (records(disks), records(&said));
    if disks == said {
        return Ok(None);
    }
    let fields = |disk| serde_json::to_value(disk).and_then(serde_json::from_value);
    disks.into_iter().map(fields).collect::<Result<_, _>>().map(Some)
}

/// The disks that are said, beside the document where there is one.
pub(super) fn read(given: Option<Vec<Fields>>, domain: Option<&DomainView>) -> Result<Disks, String> {
    let Some(domain) = domain else {
        return given.unwrap_or_default().into_iter().map(whole).collect();
    };
    let mut given = given.unwrap_or_default();
    let mut joined = Vec::new();
    for disk in of_document(domain).iter().cloned().map(MigratedDisk::from) {
        let (own, others): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|fields| fields.get("target").is_some_and(|target| *target == disk.target));
        given = others;
        let mut fields: Fields =
            serde_json::to_value(disk).and_then(serde_json::from_value).map_err(|error| error.to_string())?;
        own.into_iter().for_each(|own| fields.extend(own));
        joined.push(whole(fields)?);
    }
    match given.first() {
        None => Ok(joined.into()),
        Some(fields) => Err(format!(
            "the document of domain '{}' has no disk {}, which is among 'disks'",
            domain.config.name,
            fields.get("target").unwrap_or(&Value::Null)
        )),
    }
}

fn whole(fields: Fields) -> Result<disks::MigratedDisk, String> {
    let target = fields.get("target").cloned().unwrap_or_default();
    let disk = MigratedDisk::deserialize(Value::Object(fields));
    disk.map(Into::into).map_err(|error| format!("disk {target} of 'disks': {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::document::Domain;
    use super::super::question::view;
    use super::*;

    fn domain() -> DomainView {
        let disk = |target: &str, cache: &str| {
            format!(
                "<disk type='file'><driver type='raw' cache='{cache}'/><source file='/{target}'/><target dev='{target}' bus='virtio'/></disk>"
            )
        };
        let xml = format!(
            "<domain type='kvm'><name>web</name><memory>1024</memory><os><type>hvm</type></os><devices>{}{}</devices></domain>",
            disk("vda", "none"),
            disk("vdb", "unsafe")
        );
        view(&Domain { state: reeve_model::DomainState::Running, xml }).unwrap()
    }

    fn fields(value: Value) -> Vec<Fields> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_left_out_is_as_the_document_has_it() {
        let domain = domain();
        let disks = read(None, Some(&domain)).unwrap();
        assert_eq!(disks.iter().map(|disk| disk.coherent).collect::<Vec<_>>(), [true, false]);
        assert_eq!(write(&disks, Some(&domain)).unwrap(), None);
        let given = fields(json!([{ "target": "vdb", "way": "copied", "capacity": 4096 }]));
        let disks = read(Some(given), Some(&domain)).unwrap();
        let [first, second] = &disks[..] else { panic!("{disks:?}") };
        assert_eq!(
            (first.way, first.capacity, first.path.as_deref()),
            (disks::Way::Shared, None, Some("/vda"))
        );
        assert_eq!(
            (second.way, second.capacity, second.cache),
            (disks::Way::Copied, Some(4096), disks::CacheMode::Unsafe)
        );
        let written = write(&disks, Some(&domain)).unwrap();
        let again = read(written.clone(), Some(&domain)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{disks:?}"));
        assert_eq!(
            format!("{:?}", read(written, None).unwrap()),
            format!("{disks:?}"),
            "without a document too"
        );
    }

    #[test]
    fn what_is_no_disk_of_the_domain_is_named() {
        let refused =
            |given: Value, domain: Option<&DomainView>| read(Some(fields(given)), domain).unwrap_err();
        let said = refused(json!([{ "target": "vdx" }]), Some(&domain()));
        assert_eq!(said, "the document of domain 'web' has no disk \"vdx\", which is among 'disks'");
        let said = refused(json!([{ "target": "vda", "colour": "red" }]), Some(&domain()));
        assert!(said.starts_with("disk \"vda\" of 'disks': unknown field `colour`"), "{said}");
        assert!(refused(json!([{ "target": "vda" }]), None).contains("missing field"));
    }
}
