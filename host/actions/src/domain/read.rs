//! Reading domains. Works at any time, also while a domain is being changed and from within a policy's hook.

use reeve_model::stats::{DomainInfo, DomainSnapshot, DomainStats, DomainSummary};
use reeve_model::{Actor, DomainState, Error, ErrorCode, StateReason, Verb};
use uuid::Uuid;

use crate::definitions::Unread;
use crate::error::explain;
use crate::{Actions, document};

impl Actions {
    /// One row a domain, by name; a policy sees those it was granted. The daemon asks for policies, and gets what can be looked at.
    pub fn list(&self, actor: &Actor) -> Result<Vec<DomainSummary>, Error> {
        let mut rows: Vec<_> = self.domains.list().into_iter().map(|row| self.with_save(row)).collect();
        match actor {
            Actor::Policy { name, .. } => {
                rows.retain(|row| self.policy.permits(name, Verb::DomainRead, &row.name));
            }
            Actor::Daemon => {}
            Actor::Client { .. } | Actor::Host { .. } => {
                self.authorize(actor, Verb::DomainRead, "")?;
                self.add_unread(&mut rows);
            }
        }
        Ok(rows)
    }

    /// Definitions that could not be loaded are rows all the same; one whose domain still runs is a word about that.
    fn add_unread(&self, rows: &mut Vec<DomainSummary>) {
        for Unread { row, reason } in self.definitions.unread() {
            if let Some(running) = rows.iter_mut().find(|running| running.uuid == row.uuid) {
                running.unreadable = Some(reason);
                continue;
            }
            rows.push(self.with_save(DomainSummary {
                id: None,
                uuid: row.uuid,
                name: row.name,
                state: DomainState::ShutOff,
                reason: StateReason::Unknown,
                persistent: true,
                autostart: row.autostart,
                driver: String::new(),
                managed_save: false,
                unreadable: Some(reason),
            }));
        }
        rows.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// UUID of the domain with this name, UUID or id.
    pub fn lookup(&self, actor: &Actor, key: &str) -> Result<Uuid, Error> {
        Ok(self.subject(actor, Verb::DomainRead, key)?.uuid)
    }

    /// The row of one domain: its state and why it is in it.
    pub fn state(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        Ok(self.snapshot(actor, key)?.summary)
    }

    /// The row of one domain and its live configuration, or its definition while it is off.
    pub fn snapshot(&self, actor: &Actor, key: &str) -> Result<DomainSnapshot, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let DomainSnapshot { summary, config } = self.domains.snapshot(subject.uuid).map_err(explain)?;
        Ok(DomainSnapshot { summary: self.with_save(summary), config })
    }

    /// A row that knows of a managed save.
    pub(crate) fn with_save(&self, mut row: DomainSummary) -> DomainSummary {
        row.managed_save = row.persistent && self.managed_image(row.uuid).exists();
        row
    }

    /// Every domain with its configuration, by name; a policy sees those it was granted.
    pub fn snapshots(&self, actor: &Actor) -> Result<Vec<DomainSnapshot>, Error> {
        let mut all = self.domains.snapshots();
        match actor {
            Actor::Policy { name, .. } => {
                all.retain(|domain| self.policy.permits(name, Verb::DomainRead, &domain.summary.name));
            }
            Actor::Client { .. } | Actor::Host { .. } | Actor::Daemon => {
                self.authorize(actor, Verb::DomainRead, "")?;
            }
        }
        Ok(all)
    }

    /// Everything `domain info` shows; asks the machine of an active domain.
    pub async fn info(&self, actor: &Actor, key: &str) -> Result<DomainInfo, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let mut info = self.domains.info(subject.uuid).await.map_err(explain)?;
        info.summary = self.with_save(info.summary);
        Ok(info)
    }

    /// Counters of an active domain.
    pub async fn stats(&self, actor: &Actor, key: &str) -> Result<DomainStats, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        self.domains.stats(subject.uuid).await.map_err(explain)
    }

    /// The document of a domain: of its live configuration while it is active, of its definition when `inactive` or off.
    pub fn xml(&self, actor: &Actor, key: &str, inactive: bool) -> Result<String, Error> {
        if (inactive || self.domains.lookup(key).is_err())
            && let Some(unread) = self.unread(actor, Verb::DomainRead, key)?
        {
            return Ok(unread.row.xml);
        }
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if let Some(id) = snapshot.summary.id.filter(|_| !inactive) {
            return Ok(document::format_live(&snapshot.config, id));
        }
        match self.domains.definition(subject.uuid).map_err(explain)? {
            Some(definition) => Ok(document::format(&definition)),
            None if inactive => {
                let message = format!("domain '{}' is transient: it has no definition", subject.name);
                Err(Error::new(ErrorCode::WrongState, message)
                    .with_hint(format!("'reeve domain xml {}' shows its live configuration", subject.name)))
            }
            None => Ok(document::format(&snapshot.config)),
        }
    }
}
