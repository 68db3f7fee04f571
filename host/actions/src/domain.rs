//! Verbs on domains, a file a group.

mod agent;
mod arrive;
mod arrive_disks;
mod arrive_stream;
mod block_job;
mod clock;
mod clone;
mod clone_operation;
mod console;
mod copied_disks;
mod create;
mod define;
mod definition_change;
mod device;
mod device_change;
mod disk;
mod disk_facts;
mod dump;
mod hand_over;
mod identity;
mod interface;
mod leash;
mod made_file;
mod make_ready;
mod media;
mod migrate;
mod post_copy;
mod read;
mod restore;
mod run;
mod save;
mod save_image;
mod settings;
mod settings_change;
mod shares;
mod sleep;
mod snapshot;
mod start;
mod startup;
mod steer;
mod stop;
mod streams;
mod tune;
mod undefine;
mod update;
mod update_device;
mod volume;

use std::sync::Arc;
use std::time::Duration;

use reeve_domain::{Request, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::definitions::Unread;
use crate::error::explain;
use crate::policy_port::{GuardRequest, GuardVerdict, MigrationGuard};

pub(crate) use agent::Conversations;
pub(crate) use arrive::Arrive;
pub(crate) use block_job::Pivot;
pub(crate) use clone_operation::Cloning;
pub use define::EditGuard;
pub use device::Attachment;
pub(crate) use device_change::ChangeDevice;
pub(crate) use dump::Dump;
pub(crate) use hand_over::HAND_OVER;
pub use leash::Gone;
pub(crate) use leash::Leash;
pub(crate) use migrate::Leave;
pub(crate) use save::Save;
pub(crate) use settings_change::ChangeSettings;
pub(crate) use snapshot::{DeleteSnapshots, Revert, TakeSnapshot};
pub(crate) use start::Start;
pub(crate) use stop::Destroy;
pub(crate) use undefine::Undefine;
pub(crate) use update_device::UpdateDevice;

/// How long a policy waits for a domain that is being changed: long enough for a change whose event it just heard to end,
/// and well below the deadline of any hook.
const POLICY_PATIENCE: Duration = Duration::from_millis(250);
/// How long a client waits for a domain that is being moved, saved or dumped, and how often it is looked whether it is.
const CLIENT_PATIENCE: Duration = Duration::from_secs(3);

/// A domain that an actor may use a verb on.
pub(crate) struct Subject {
    /// Identity.
    pub uuid: Uuid,
    /// Name.
    pub name: String,
}

/// What a guard chain is asked about.
pub(crate) struct Question<'a> {
    /// The hook.
    pub hook: Hook,
    /// On whose behalf.
    pub actor: &'a Actor,
    /// State of the domain.
    pub state: DomainState,
    /// The effective configuration.
    pub config: DomainConfig,
    /// XML text of a device, for the device hooks.
    pub device: Option<&'a str>,
    /// For the stop hook: by force.
    pub forced: bool,
}

/// Why nothing can be done with a definition that is on disk alone.
fn cant_be_read(unread: &Unread) -> Error {
    let name = &unread.row.name;
    let message = format!("the definition of domain '{name}' can't be read: {}", unread.reason);
    Error::new(ErrorCode::WrongState, message).with_hint(format!(
        "'reeve domain edit {name}' shows it as it is and takes a mended one, 'reeve domain undefine {name}' removes it"
    ))
}

impl Actions {
    /// A definition with this name or UUID that could not be loaded, if `actor` may use `verb` on it.
    pub(crate) fn unread(&self, actor: &Actor, verb: Verb, key: &str) -> Result<Option<Unread>, Error> {
        let Some(unread) = self.definitions.find_unread(key) else { return Ok(None) };
        self.authorize(actor, verb, &unread.row.name)?;
        Ok(Some(unread))
    }

    /// The domain with this name, UUID or id, if `actor` may use `verb` on it.
    pub(crate) fn subject(&self, actor: &Actor, verb: Verb, key: &str) -> Result<Subject, Error> {
        let found = self.domains.lookup(key).and_then(|uuid| self.domains.snapshot(uuid));
        let summary = match found {
            Ok(snapshot) => snapshot.summary,
            Err(error) => {
                let unread = self.definitions.find_unread(key);
                self.authorize(actor, verb, unread.as_ref().map_or(key, |unread| &unread.row.name))?;
                return Err(unread.map_or_else(|| explain(error), |unread| cant_be_read(&unread)));
            }
        };
        self.authorize(actor, verb, &summary.name)?;
        Ok(Subject { uuid: summary.uuid, name: summary.name })
    }

    /// Asks a guard chain; the configuration after all rewrites, or the denial.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<DomainConfig, Error> {
        let Question { hook, actor, state, config, device, forced } = question;
        let name = config.name.clone();
        let device = device.map(str::to_owned);
        let config = Arc::new(config);
        let request = GuardRequest { hook, actor: actor.clone(), state, config, device, forced };
        settled(hook, &name, self.policy.guard(request).await)
    }

    /// Asks the chain of a guard of migrations; the document for the destination after all rewrites, or the denial.
    pub(crate) async fn ask_migration(&self, request: MigrationGuard) -> Result<DomainConfig, Error> {
        let (hook, name) = (request.hook, request.config.name.clone());
        settled(hook, &name, self.policy.guard_migration(request).await)
    }

    /// The right to change a domain. A policy waits for it a moment only: something may be waiting for the policy. Neither does anybody wait
    /// for a guest to be moved, saved or dumped, which may take for ever; whoever destroys it has that given up.
    pub(crate) async fn turn(&self, actor: &Actor, uuid: Uuid, request: Request) -> Result<Turn, Error> {
        let mut turn = std::pin::pin!(self.domains.begin(actor.clone(), uuid, request));
        let turn = match actor {
            Actor::Client { .. } if request != Request::Destroy => loop {
                match tokio::time::timeout(CLIENT_PATIENCE, &mut turn).await {
                    Ok(turn) => break turn,
                    Err(_) => self.refuse_lasting(uuid)?,
                }
            },
            Actor::Client { .. } | Actor::Host { .. } | Actor::Daemon => turn.await,
            Actor::Policy { .. } => match tokio::time::timeout(POLICY_PATIENCE, turn).await {
                Ok(turn) => turn,
                Err(_) => {
                    let message =
                        format!("domain '{}' is being changed by somebody else", self.row(uuid)?.name);
                    return Err(
                        Error::new(ErrorCode::Busy, message).with_hint("try again when that has ended")
                    );
                }
            },
        };
        turn.map_err(explain)
    }

    /// Busy while a domain is moved, saved or dumped.
    fn refuse_lasting(&self, uuid: Uuid) -> Result<(), Error> {
        let Some(doing) = self.domains.lasts(uuid) else { return Ok(()) };
        let name = self.row(uuid)?.name;
        let message = format!("domain '{name}' is busy: it is being {doing}");
        let hint = format!("try again when that has ended, or end it with 'reeve domain domjobabort {name}'");
        Err(Error::new(ErrorCode::Busy, message).with_hint(hint))
    }

    /// Refuses at once what would be refused later anyway, so that no policy is asked in vain.
    pub(crate) fn permits(&self, subject: &Subject, request: Request) -> Result<(), Error> {
        let phase = self.domains.phase(subject.uuid).map_err(explain)?;
        phase.permits(request).map_err(|sentence| {
            explain(reeve_domain::DomainError::WrongState {
                name: subject.name.clone(),
                sentence: sentence.to_owned(),
            })
        })
    }

    /// The row of a domain as it is now.
    pub(crate) fn row(&self, uuid: Uuid) -> Result<DomainSummary, Error> {
        Ok(self.with_save(self.domains.snapshot(uuid).map_err(explain)?.summary))
    }
}

/// What a guard chain comes to.
fn settled(hook: Hook, name: &str, verdict: GuardVerdict) -> Result<DomainConfig, Error> {
    match verdict {
        GuardVerdict::Allow { config, rewrites } => {
            for rewrite in &rewrites {
                let paths: Vec<&str> = rewrite.changes.iter().map(|change| change.path.as_str()).collect();
                tracing::info!(domain = name, %hook, policy = rewrite.policy, ?paths, "rewritten by policy");
            }
            Ok(Arc::unwrap_or_clone(config))
        }
        GuardVerdict::Deny { policy, reason } => {
            let message = format!("policy '{policy}' denies {hook} of domain '{name}': {reason}");
            let hint = format!("'reeve policy decisions --subject {name}' shows what it was asked");
            Err(Error::new(ErrorCode::Denied, message).with_hint(hint))
        }
    }
}
