//! Documents in and out: the only file here that knows the XML crate.

use reeve_model::domain::{Device, DomainConfig};
use reeve_model::filter::FilterConfig;
use reeve_model::host_interface::HostInterfaceConfig;
use reeve_model::network::{NetworkConfig, NetworkUpdate};
use reeve_model::secret::SecretConfig;
use reeve_model::snapshot::Snapshot;
use reeve_model::storage::{PoolConfig, VolumeConfig};
use reeve_model::{Error, ErrorCode};
use reeve_xml::{ParseOptions, XmlError};
use sha2::{Digest, Sha256};

/// A domain document that was read.
pub(crate) struct DomainDocument {
    /// What it says.
    pub config: DomainConfig,
    /// What in it has no effect, a sentence each.
    pub warnings: Vec<String>,
}

/// Reads a domain document; `strict` makes the first warning an error.
pub(crate) fn parse(xml: &str, strict: bool) -> Result<DomainDocument, Error> {
    let parsed =
        reeve_xml::domain::parse(xml, &ParseOptions { strict }).map_err(|fault| invalid("domain", &fault))?;
    let warnings = parsed.warnings.iter().map(ToString::to_string).collect();
    Ok(DomainDocument { config: parsed.document, warnings })
}

/// Reads the document of a definition that was kept, maybe by an earlier version. What this one refuses is refused when it boots.
pub(crate) fn parse_kept(xml: &str) -> Result<DomainConfig, Error> {
    reeve_xml::domain::parse_kept(xml).map_err(|fault| invalid("domain", &fault))
}

/// Reads the document of a guest that goes on: out of a save image, or from another host. What an earlier version has not heeded in it is
/// not refused now: the guest does without it already.
pub(crate) fn parse_going_on(xml: &str) -> Result<DomainConfig, Error> {
    let (config, left_out) =
        reeve_xml::domain::parse_going_on(xml).map_err(|fault| invalid("domain", &fault))?;
    if !left_out.is_empty() {
        let left_out = left_out.join("; ");
        tracing::warn!(domain = config.name, left_out, "a guest goes on without what its document asks for");
    }
    Ok(config)
}

/// Reads a snapshot document; `strict` makes the first warning an error.
pub(crate) fn parse_snapshot(xml: &str, strict: bool) -> Result<Snapshot, Error> {
    let parsed = reeve_xml::snapshot::parse(xml, &ParseOptions { strict });
    parsed.map(|parsed| parsed.document).map_err(|fault| invalid("snapshot", &fault))
}

/// The document of a snapshot.
pub(crate) fn format_snapshot(snapshot: &Snapshot) -> String {
    reeve_xml::snapshot::format(snapshot)
}

/// Reads a device document.
pub(crate) fn parse_device(xml: &str) -> Result<Device, Error> {
    reeve_xml::device::parse(xml).map_err(|fault| invalid("device", &fault))
}

/// The document of a definition.
pub(crate) fn format(config: &DomainConfig) -> String {
    reeve_xml::domain::format(config)
}

/// The document of a running domain.
pub(crate) fn format_live(config: &DomainConfig, id: u32) -> String {
    reeve_xml::domain::format_live(config, id)
}

/// The document of one device.
pub(crate) fn format_device(device: &Device) -> String {
    reeve_xml::device::format(device)
}

/// Reads a network document; `strict` makes the first warning an error.
pub(crate) fn parse_network(xml: &str, strict: bool) -> Result<(NetworkConfig, Vec<String>), Error> {
    let parsed = reeve_xml::network::parse(xml, &ParseOptions { strict })
        .map_err(|fault| invalid("network", &fault))?;
    Ok((parsed.document, parsed.warnings.iter().map(ToString::to_string).collect()))
}

/// The document of a network's definition.
pub(crate) fn format_network(config: &NetworkConfig) -> String {
    reeve_xml::network::format(config)
}

/// The document of an active network.
pub(crate) fn format_network_live(config: &NetworkConfig, connections: u32) -> String {
    reeve_xml::network::format_live(config, connections)
}

/// A network with one section changed.
pub(crate) fn update_network(config: &NetworkConfig, change: &NetworkUpdate) -> Result<NetworkConfig, Error> {
    reeve_xml::network::update(config, change).map_err(|refused| {
        Error::new(ErrorCode::Invalid, format!("network '{}' can't be changed so: {refused}", config.name))
    })
}

/// Reads a pool document; `strict` makes the first warning an error.
pub(crate) fn parse_pool(xml: &str, strict: bool) -> Result<(PoolConfig, Vec<String>), Error> {
    let parsed = reeve_xml::pool::parse(xml, &ParseOptions { strict })
        .map_err(|fault| invalid("storage pool", &fault))?;
    Ok((parsed.document, parsed.warnings.iter().map(ToString::to_string).collect()))
}

/// The document of a storage pool.
pub(crate) fn format_pool(config: &PoolConfig) -> String {
    reeve_xml::pool::format(config)
}

/// Reads a volume document; `strict` makes the first warning an error.
pub(crate) fn parse_volume(xml: &str, strict: bool) -> Result<(VolumeConfig, Vec<String>), Error> {
    let parsed =
        reeve_xml::volume::parse(xml, &ParseOptions { strict }).map_err(|fault| invalid("volume", &fault))?;
    Ok((parsed.document, parsed.warnings.iter().map(ToString::to_string).collect()))
}

/// The document of a volume.
pub(crate) fn format_volume(config: &VolumeConfig) -> String {
    reeve_xml::volume::format(config)
}

/// Reads a secret document; `strict` makes the first warning an error.
pub(crate) fn parse_secret(xml: &str, strict: bool) -> Result<(SecretConfig, Vec<String>), Error> {
    let parsed =
        reeve_xml::secret::parse(xml, &ParseOptions { strict }).map_err(|fault| invalid("secret", &fault))?;
    Ok((parsed.document, parsed.warnings.iter().map(ToString::to_string).collect()))
}

/// The document of a secret.
pub(crate) fn format_secret(config: &SecretConfig) -> String {
    reeve_xml::secret::format(config)
}

/// A filter document that was read.
pub(crate) struct FilterDocument {
    /// What it says.
    pub filter: FilterConfig,
    /// False where its UUID was made.
    pub has_uuid: bool,
}

/// Reads a filter document; `strict` makes the first warning an error.
pub(crate) fn parse_filter(xml: &str, strict: bool) -> Result<(FilterDocument, Vec<String>), Error> {
    let parsed = reeve_xml::filter::parse(xml, &ParseOptions { strict })
        .map_err(|fault| invalid("nwfilter", &fault))?;
    let filter = parsed.document;
    // A UUID that was made is nowhere in the document.
    let has_uuid = xml.to_lowercase().contains(&filter.uuid.to_string());
    let warnings = parsed.warnings.iter().map(ToString::to_string).collect();
    Ok((FilterDocument { filter, has_uuid }, warnings))
}

/// The document of a packet filter.
pub(crate) fn format_filter(filter: &FilterConfig) -> String {
    reeve_xml::filter::format(filter)
}

/// Reads the document of an interface of the host; `strict` makes the first warning an error.
pub(crate) fn parse_interface(xml: &str, strict: bool) -> Result<(HostInterfaceConfig, Vec<String>), Error> {
    let parsed = reeve_xml::host_interface::parse(xml, &ParseOptions { strict })
        .map_err(|fault| invalid("interface", &fault))?;
    Ok((parsed.document, parsed.warnings.iter().map(ToString::to_string).collect()))
}

/// The document of an interface of the host.
pub(crate) fn format_interface(config: &HostInterfaceConfig) -> String {
    reeve_xml::host_interface::format(config)
}

/// `<metadata>` with this child in place of the one with the same namespace; what is wrong with the child otherwise.
pub(crate) fn set_metadata(metadata: Option<&str>, child: &str) -> Result<String, String> {
    reeve_xml::metadata::set(metadata, child).map_err(|fault| fault.to_string())
}

/// What identifies a version of a document: sha256, hex.
pub(crate) fn digest(xml: &str) -> String {
    Sha256::digest(xml.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invalid(kind: &str, fault: &XmlError) -> Error {
    Error::new(ErrorCode::Invalid, format!("the {kind} document is wrong: {fault}"))
        .with_hint("'reeve xml check FILE' shows all that is to be said about a document")
}
