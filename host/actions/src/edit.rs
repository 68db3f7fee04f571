//! Typed edits applied to a domain configuration: how a guard's rewrite becomes a document.

use reeve_model::Bytes;
use reeve_model::domain::{DeviceConflict, Disk, DomainConfig, Interface, Violation};
use reeve_model::edit::Edit;

use crate::document;

/// Why an edit could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The XML of an edit can't be read.
    #[error("the XML of the edit '{edit}' is wrong: {message}")]
    Xml {
        /// Which edit, e.g. `add-device`.
        edit: &'static str,
        /// Line, column, place and reason.
        message: String,
    },
    /// An edit names a device that is not there.
    #[error("domain '{domain}' has no {what} '{key}' (it has: {known})")]
    NoDevice {
        /// The domain.
        domain: String,
        /// `disk with target`, `interface with MAC` or `device`.
        what: &'static str,
        /// What the edit names.
        key: String,
        /// What there is.
        known: String,
    },
    /// A new device clashes with one that is there.
    #[error("a device can't be added to domain '{domain}': {source}")]
    Conflict {
        /// The domain.
        domain: String,
        /// With what.
        source: DeviceConflict,
    },
    /// A name that no attribute of a document can have.
    #[error("'{attribute}' is not the name of an attribute: letters, digits, '-' and '_' make one")]
    Attribute {
        /// What the edit names.
        attribute: String,
    },
    /// More memory than can be written.
    #[error("{} bytes of memory are more than any machine has", bytes.0)]
    Size {
        /// What the edit asks for.
        bytes: Bytes,
    },
    /// Name or UUID would change.
    #[error("an edit may not change the {what} of domain '{domain}' to '{to}'")]
    Identity {
        /// The domain.
        domain: String,
        /// `name` or `UUID`.
        what: &'static str,
        /// What it would become.
        to: String,
    },
    /// The result breaks a rule that holds for every domain.
    #[error("the edited domain '{domain}' is not valid: {}: {}", violation.path, violation.message)]
    Violation {
        /// The domain.
        domain: String,
        /// Which rule.
        violation: Violation,
    },
}

/// `config` with all edits applied in order. The result is held to the rules of a document that an operator writes; name and
/// UUID stay.
pub fn apply(config: &DomainConfig, edits: &[Edit]) -> Result<DomainConfig, EditError> {
    let mut edited = config.clone();
    for edit in edits {
        apply_one(&mut edited, edit)?;
    }
    let identity = |what, to: String| Err(EditError::Identity { domain: config.name.clone(), what, to });
    if edited.name != config.name {
        return identity("name", edited.name);
    }
    if edited.uuid != config.uuid {
        return identity("UUID", edited.uuid.to_string());
    }
    let domain = config.name.clone();
    edited.check().map_err(|violation| EditError::Violation { domain, violation })?;
    Ok(edited)
}

fn apply_one(config: &mut DomainConfig, edit: &Edit) -> Result<(), EditError> {
    match edit {
        Edit::SetMemory { bytes } => set_memory(config, whole_kib(*bytes)?),
        Edit::SetCurrentMemory { bytes } => config.current_memory = whole_kib(*bytes)?,
        Edit::SetVcpus { count } => {
            config.vcpu.max = *count;
            config.vcpu.current = config.vcpu.current.map(|current| current.min(*count));
        }
        Edit::SetCpuShares { shares } => config.cputune.shares = Some(*shares),
        Edit::SetDiskCache { target, cache } => disk(config, target)?.driver.cache = Some(cache.clone()),
        Edit::SetInterfaceSource { mac, attribute, value } => {
            set_source(interface(config, mac)?, attribute, value)?
        }
        Edit::SetTitle { title } => config.title = (!title.is_empty()).then(|| title.clone()),
        Edit::SetCmdline { cmdline } => config.os.cmdline = (!cmdline.is_empty()).then(|| cmdline.clone()),
        Edit::SetMetadata { xml } => {
            let metadata = document::set_metadata(config.metadata.as_deref(), xml);
            config.metadata =
                Some(metadata.map_err(|message| EditError::Xml { edit: "set-metadata", message })?);
        }
        Edit::AddDevice { xml } => {
            let device = document::parse_device(xml)
                .map_err(|error| EditError::Xml { edit: "add-device", message: error.message })?;
            let domain = config.name.clone();
            config.devices.insert(device).map_err(|source| EditError::Conflict { domain, source })?;
        }
        Edit::RemoveDevice { alias } => {
            if config.devices.remove(alias).is_none() {
                let known = config.devices.commons().filter_map(|common| common.alias.clone()).collect();
                return Err(missing(config, "device", alias, known));
            }
        }
        Edit::Replace { xml } => {
            let parsed = document::parse(xml, false)
                .map_err(|error| EditError::Xml { edit: "replace", message: error.message })?;
            *config = parsed.config;
        }
    }
    Ok(())
}

fn set_memory(config: &mut DomainConfig, bytes: Bytes) {
    config.memory = bytes;
    config.current_memory = config.current_memory.min(bytes);
}

/// As documents have it: rounded up to KiB.
fn whole_kib(bytes: Bytes) -> Result<Bytes, EditError> {
    bytes.round_up_to_kib().ok_or(EditError::Size { bytes })
}

/// The name comes from a policy and goes into the document as it is: nothing but a name may pass.
fn set_source(interface: &mut Interface, attribute: &str, value: &str) -> Result<(), EditError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !attribute.starts_with(|first: char| first.is_ascii_alphabetic()) || !attribute.bytes().all(word) {
        return Err(EditError::Attribute { attribute: attribute.to_owned() });
    }
    match interface.source.iter_mut().find(|(name, _)| name == attribute) {
        Some((_, old)) => value.clone_into(old),
        None => interface.source.push((attribute.to_owned(), value.to_owned())),
    }
    Ok(())
}

fn disk<'a>(config: &'a mut DomainConfig, target: &str) -> Result<&'a mut Disk, EditError> {
    match config.devices.disks.iter().position(|disk| disk.target == target) {
        Some(position) => Ok(&mut config.devices.disks[position]),
        None => {
            let known = config.devices.disks.iter().map(|disk| disk.target.clone()).collect();
            Err(missing(config, "disk with target", target, known))
        }
    }
}

fn interface<'a>(config: &'a mut DomainConfig, mac: &str) -> Result<&'a mut Interface, EditError> {
    let has = |nic: &Interface| nic.mac.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(mac));
    match config.devices.interfaces.iter().position(has) {
        Some(position) => Ok(&mut config.devices.interfaces[position]),
        None => {
            let known = config.devices.interfaces.iter().filter_map(|nic| nic.mac.clone()).collect();
            Err(missing(config, "interface with MAC", mac, known))
        }
    }
}

fn missing(config: &DomainConfig, what: &'static str, key: &str, known: Vec<String>) -> EditError {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    EditError::NoDevice { domain: config.name.clone(), what, key: key.to_owned(), known }
}
