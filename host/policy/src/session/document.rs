//! A domain in a session: its state and its document as libvirt XML, which reads back as the configuration it was written from.

use reeve_model::DomainState;
use reeve_model::domain::DomainConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::host::domain_config::DomainView;

/// A domain as a hook is handed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Domain {
    /// State when the hook was called.
    #[serde(default = "shut_off")]
    pub(crate) state: DomainState,
    /// The document.
    pub(crate) xml: String,
}

fn shut_off() -> DomainState {
    DomainState::ShutOff
}

impl Domain {
    /// The JSON form of a view.
    pub(crate) fn of(view: &DomainView) -> Self {
        Self { state: view.state, xml: reeve_xml::domain::format(&view.config) }
    }

    /// The configuration and state it stands for. A document without UUID gets one that follows from its name.
    pub(crate) fn read(&self) -> Result<(DomainConfig, DomainState), String> {
        let parse = || {
            reeve_xml::domain::parse(&self.xml, &reeve_xml::ParseOptions::default())
                .map(|parsed| parsed.document)
                .map_err(|error| format!("the document is wrong: {error}"))
        };
        let mut config = parse()?;
        // The reader makes up another UUID each time for a document that has none.
        if !self.xml.contains("<uuid>") && parse()?.uuid != config.uuid {
            config.uuid = named(&config.name);
        }
        Ok((config, self.state))
    }
}

/// True when the document of `config` reads back as `config`.
pub(crate) fn survives(config: &DomainConfig) -> bool {
    let text = reeve_xml::domain::format(config);
    reeve_xml::domain::parse(&text, &reeve_xml::ParseOptions::default())
        .is_ok_and(|parsed| parsed.document == *config)
}

/// The UUID of a domain whose document has none.
fn named(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHOUT: &str =
        "<domain type='sim'><name>web</name><memory>1024</memory><os><type>hvm</type></os></domain>";

    #[test]
    fn a_document_without_uuid_is_the_same_domain_every_time() {
        let domain = Domain { state: DomainState::ShutOff, xml: WITHOUT.into() };
        let (first, _) = domain.read().unwrap();
        assert_eq!(domain.read().unwrap().0, first);
        assert!(survives(&first));
        let other = Domain { xml: WITHOUT.replace("web", "db"), ..domain };
        assert_ne!(other.read().unwrap().0.uuid, first.uuid);
    }

    #[test]
    fn a_uuid_of_the_document_stays() {
        let uuid = "6a2f9d0c-0000-4000-8000-000000000001";
        let xml = WITHOUT.replace("<memory>", &format!("<uuid>{uuid}</uuid><memory>"));
        let (config, _) = Domain { state: DomainState::Running, xml }.read().unwrap();
        assert_eq!(config.uuid.to_string(), uuid);
    }
}
