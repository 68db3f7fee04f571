//! Definitions: added, replaced, edited (guide 14.5.6, 14.8.4).

use reeve_model::api::Defined;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};

use super::{Question, Subject};
use crate::Actions;
use crate::definitions::{Definitions, Unread};
use crate::document::{self, DomainDocument};

/// What an edit expects to find.
#[derive(Debug, Clone, Copy, Default)]
pub struct EditGuard<'a> {
    /// sha256 in hex of the document the editor began with ([`Actions::xml`] with `inactive`); none overwrites anything.
    pub expected: Option<&'a str>,
}

/// Largest memory of a domain: what one process can map on x86-64.
const MEMORY_MAX: u64 = 1 << 47;

impl Actions {
    /// Adds a definition, or replaces the one with the same name and UUID. `strict` refuses what would be a warning.
    pub async fn define(&self, actor: &Actor, xml: &str, strict: bool) -> Result<Defined, Error> {
        let document = self.read_document(xml, strict)?;
        self.authorize(actor, Verb::DomainDefine, &document.config.name)?;
        self.definitions.check_identity(&document.config)?;
        Box::pin(self.define_document(actor, document, None)).await
    }

    /// Replaces the definition of a domain; its name and UUID must stay. Refuses when it was changed by somebody else in between.
    pub async fn edit(
        &self,
        actor: &Actor,
        key: &str,
        xml: &str,
        strict: bool,
        guard: EditGuard<'_>,
    ) -> Result<Defined, Error> {
        let subject = match self.unread(actor, Verb::DomainDefine, key)? {
            Some(Unread { row, .. }) => Subject { uuid: row.uuid, name: row.name },
            None => self.subject(actor, Verb::DomainDefine, key)?,
        };
        let document = self.read_document(xml, strict)?;
        let (name, new) = (&subject.name, &document.config);
        if new.name != *name || new.uuid != subject.uuid {
            let message =
                format!("an edit may not change the name or UUID of domain '{name}' ({})", subject.uuid);
            return Err(Error::new(ErrorCode::Invalid, message)
                .with_hint("'reeve domain domrename' gives a domain another name"));
        }
        Box::pin(self.define_document(actor, document, guard.expected)).await
    }

    /// Reads a document and checks it against what holds on every host.
    pub(super) fn read_document(&self, xml: &str, strict: bool) -> Result<DomainDocument, Error> {
        let document = document::parse(xml, strict)?;
        check(&document.config)?;
        Ok(document)
    }

    async fn define_document(
        &self,
        actor: &Actor,
        document: DomainDocument,
        expected: Option<&str>,
    ) -> Result<Defined, Error> {
        let DomainDocument { mut config, mut warnings } = document;
        let reserved = self.allocate_macs(actor, &mut config).await?;
        let state =
            self.domains.snapshot(config.uuid).map_or(DomainState::ShutOff, |found| found.summary.state);
        let question =
            Question { hook: Hook::DomainDefine, actor, state, config, device: None, forced: false };
        let config = self.ask(question).await?;
        check(&config)?;
        let (present, missing) = self.present_volumes(&config).await;
        let refusals = self.domains.check(&present).into_iter().map(|refusal| refusal.to_string());
        warnings.extend(
            missing
                .into_iter()
                .chain(refusals)
                .map(|reason| format!("it can't be started as it is: {reason}")),
        );
        warnings.extend(self.domains.notes(&present));
        warnings.extend(self.device_warnings(&config.devices.disks).await);
        let uuid = config.uuid;
        let (by, expected) = (actor.clone(), expected.map(str::to_owned));
        let keep = move |definitions: &Definitions| {
            let kept = definitions.keep(&by, config, expected.as_deref());
            drop(reserved);
            kept
        };
        self.definitions(keep).await?;
        Ok(Defined { domain: self.row(uuid)?, warnings })
    }
}

/// What holds on every host beyond the rules of a document.
pub(super) fn check(config: &DomainConfig) -> Result<(), Error> {
    if config.memory.0 > MEMORY_MAX {
        let message = format!(
            "domain '{}' asks for {} of memory; a process of this host can map {} at most",
            config.name,
            config.memory,
            reeve_model::Bytes(MEMORY_MAX)
        );
        return Err(Error::new(ErrorCode::Invalid, message).with_hint("lower <memory>"));
    }
    config.check().map_err(|broken| {
        let message = format!("domain '{}' is not valid: {}: {}", config.name, broken.path, broken.message);
        Error::new(ErrorCode::Invalid, message)
    })
}
