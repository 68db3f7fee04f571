//! The guard chain: policies in order, each sees what the ones before it rewrote, the first deny ends it.

pub(crate) mod storage;

use std::sync::Arc;

use reeve_actions::policy_port::{
    Denial, GuardRequest, GuardVerdict, MigrationGuard, NetworkGuard, NetworkQuestion, Rewrite,
};
use reeve_model::domain::DomainConfig;
use reeve_model::migrated_disk::MovingDisks;
use reeve_model::policy::{FailureMode, Hook, Outcome, PathChange};
use reeve_model::storage::VolumeConfig;
use reeve_model::{Actor, DomainState};

use crate::asked::{Asking, Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::exports::reeve::hooks::volume_create::VolumeVerdict;
use crate::bindings::reeve::migration::journey::Journey;
use crate::bindings::reeve::types::policy;
use crate::exports::{Answer, NewVolume, Question};
use crate::failure::{Failure, shorten};
use crate::host::domain_config::DomainView;
use crate::host::networks::NetworkView;
use crate::migration;
use crate::rewrite;
use crate::session;
use crate::shared::Shared;

const REASON_LIMIT: usize = 1024;

/// What a policy decided, as far as the chain goes on from it.
pub(crate) enum Step {
    Allow,
    Deny(String),
    Rewrite(Document, Vec<PathChange>),
}

impl Step {
    /// What is written down of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Allow => Verdict::plain(Outcome::Allow),
            Self::Deny(reason) => Verdict { reason: reason.clone(), ..Verdict::plain(Outcome::Deny) },
            Self::Rewrite(_, changes) => {
                Verdict { changes: changes.clone(), ..Verdict::plain(Outcome::Rewrite) }
            }
        }
    }
}

/// What a guard may rewrite.
#[derive(Clone)]
pub(crate) enum Document {
    /// The configuration of a domain.
    Domain(Arc<DomainConfig>),
    /// The document of a volume.
    Volume(Arc<VolumeConfig>),
}

impl Document {
    fn domain(&self) -> Option<&Arc<DomainConfig>> {
        match self {
            Self::Domain(config) => Some(config),
            Self::Volume(_) => None,
        }
    }
}

/// What stays the same along the chain.
struct Chain<'a> {
    shared: &'a Shared,
    occasion: Occasion,
    about: About,
}

/// What the guards are asked about, besides a domain's configuration.
enum About {
    Domain { state: DomainState, device: Option<String>, forced: bool },
    Migration { state: DomainState, journey: Arc<Journey>, disks: Arc<MovingDisks> },
    Network(Box<NetworkQuestion>),
    Storage(Box<Question>),
}

impl About {
    fn question(&self, document: Option<&Document>) -> Question {
        let config = document.and_then(Document::domain);
        match self {
            Self::Storage(question) => match (&**question, document) {
                (Question::NewVolume(volume), Some(Document::Volume(config))) => {
                    let config = Arc::clone(config);
                    Question::NewVolume(Box::new(NewVolume { config, ..(**volume).clone() }))
                }
                (question, _) => question.clone(),
            },
            Self::Domain { state, device, forced } => Question::Guard {
                domain: DomainView {
                    config: Arc::clone(config.expect("a guard of a domain is asked with its configuration")),
                    state: *state,
                },
                device: device.clone(),
                forced: *forced,
            },
            Self::Migration { state, journey, disks } => {
                let config = config.expect("a guard of a domain is asked with its configuration");
                Question::Migrate {
                    domain: DomainView { config: Arc::clone(config), state: *state },
                    journey: Arc::clone(journey),
                    disks: migration::contract_disks(config, disks),
                }
            }
            Self::Network(question) => match &**question {
                NetworkQuestion::Start { network, xml } => {
                    Question::Network(NetworkView { summary: network.clone(), xml: xml.clone() })
                }
                NetworkQuestion::Stop { network } => {
                    Question::Network(NetworkView { summary: network.clone(), xml: String::new() })
                }
                NetworkQuestion::Plug { config, state, port } => Question::Port {
                    domain: DomainView { config: Arc::clone(config), state: *state },
                    port: Arc::new(port.clone()),
                },
            },
        }
    }

    /// What the decision log keeps of it.
    fn detail(&self) -> String {
        match self {
            Self::Storage(question) => session::question(question).to_string(),
            Self::Domain { device, .. } => device.clone().unwrap_or_default(),
            Self::Migration { journey, disks, .. } => {
                format!("{} {:?} {:?}", session::journey(journey), disks.facts, disks.copied)
            }
            Self::Network(question) => match &**question {
                NetworkQuestion::Start { xml, .. } => xml.clone(),
                NetworkQuestion::Stop { network } => serde_json::to_string(network).unwrap_or_default(),
                NetworkQuestion::Plug { port, .. } => serde_json::to_string(port).unwrap_or_default(),
            },
        }
    }
}

/// The denial that a missing policy means, where it means one.
fn missing(shared: &Shared, hook: Hook) -> Option<Denial> {
    let absent = shared.absent.closing(hook)?;
    let reason = format!("the policy is bound to this hook but could not be loaded: {}", absent.error);
    Some(Denial { policy: absent.name, reason })
}

/// Asks the chain of a guard of networks; nothing can be rewritten.
pub(crate) async fn guard_network(shared: &Shared, request: NetworkGuard) -> Result<(), Denial> {
    let NetworkGuard { actor, question } = request;
    let (hook, subject, document) = match &question {
        NetworkQuestion::Start { network, .. } => (Hook::NetworkStart, network.name.clone(), None),
        NetworkQuestion::Stop { network } => (Hook::NetworkStop, network.name.clone(), None),
        NetworkQuestion::Plug { config, .. } => {
            (Hook::PortPlug, config.name.clone(), Some(Document::Domain(Arc::clone(config))))
        }
    };
    if let Some(denial) = missing(shared, hook) {
        return Err(denial);
    }
    let bindings = shared.registry.answering(hook);
    if bindings.is_empty() {
        return Ok(());
    }
    let occasion = Occasion::new(shared, hook, actor, subject);
    let chain = Chain { shared, occasion, about: About::Network(Box::new(question)) };
    for (binding, active) in bindings {
        if let Step::Deny(reason) = chain.ask(&binding, &active, document.as_ref()).await {
            return Err(Denial { policy: active.name.clone(), reason });
        }
    }
    Ok(())
}

/// Asks the chain of a guard hook.
pub(crate) async fn guard(shared: &Shared, request: GuardRequest) -> GuardVerdict {
    let GuardRequest { hook, actor, state, config, device, forced } = request;
    guard_domain(shared, hook, actor, config, About::Domain { state, device, forced }).await
}

/// Asks the chain of a guard of migrations.
pub(crate) async fn guard_migration(shared: &Shared, request: MigrationGuard) -> GuardVerdict {
    let MigrationGuard { hook, actor, state, config, journey, disks } = request;
    let journey = Arc::new(migration::contract_journey(&journey));
    guard_domain(shared, hook, actor, config, About::Migration { state, journey, disks }).await
}

async fn guard_domain(
    shared: &Shared,
    hook: Hook,
    actor: Actor,
    mut config: Arc<DomainConfig>,
    about: About,
) -> GuardVerdict {
    if let Some(Denial { policy, reason }) = missing(shared, hook) {
        return GuardVerdict::Deny { policy, reason };
    }
    let bindings = shared.registry.answering(hook);
    if bindings.is_empty() {
        return GuardVerdict::Allow { config, rewrites: Vec::new() };
    }
    let occasion = Occasion::new(shared, hook, actor, config.name.clone());
    let chain = Chain { shared, occasion, about };
    let mut rewrites = Vec::new();
    for (binding, active) in bindings {
        match chain.ask(&binding, &active, Some(&Document::Domain(Arc::clone(&config)))).await {
            Step::Allow => {}
            Step::Deny(reason) => return GuardVerdict::Deny { policy: active.name.clone(), reason },
            Step::Rewrite(Document::Volume(_), _) => {}
            Step::Rewrite(Document::Domain(rewritten), changes) => {
                config = rewritten;
                rewrites.push(Rewrite { policy: active.name.clone(), changes });
            }
        }
    }
    GuardVerdict::Allow { config, rewrites }
}

impl Chain<'_> {
    /// Asks one policy, or its last good version when that answers in place of one that failed.
    async fn ask(&self, binding: &Arc<Binding>, active: &Arc<Active>, document: Option<&Document>) -> Step {
        let failure = match self.ask_version(binding, active, document, None).await {
            Ok(step) => return step,
            Err(failure) => failure,
        };
        let previous = binding.previous().filter(|_| active.on_failure == FailureMode::Previous);
        let Some(previous) = previous else { return after_failure(active, &failure) };
        match self.ask_version(binding, &previous, document, Some(active)).await {
            Ok(step) => step,
            Err(again) => after_failure(active, &format!("{failure}; its last good version: {again}")),
        }
    }

    /// Asks one version, logs what it said, and says what that means for the chain; an error when it gave no answer.
    async fn ask_version(
        &self,
        binding: &Arc<Binding>,
        active: &Arc<Active>,
        document: Option<&Document>,
        in_place_of: Option<&Arc<Active>>,
    ) -> Result<Step, String> {
        let asking = Asking {
            active,
            in_place_of,
            question: self.about.question(document),
            domain: document.and_then(Document::domain).cloned(),
            detail: self.about.detail(),
        };
        let decide = |answer| {
            let step = decide(self.occasion.hook, active, document, answer)?;
            let verdict = step.verdict();
            Ok((step, verdict))
        };
        let decided = self.occasion.ask(self.shared, binding, asking, decide).await;
        let step = decided.map_err(|failure| failure.to_string())?;
        Ok(if active.enforces() { step } else { Step::Allow })
    }
}

/// Turns an answer into a step; a rewrite is applied, validated and checked against the grants.
pub(crate) fn decide(
    hook: Hook,
    active: &Active,
    document: Option<&Document>,
    answer: Answer,
) -> Result<Step, Failure> {
    let verdict = match answer {
        Answer::Verdict(verdict) => verdict,
        Answer::Volume(VolumeVerdict::Allow) => return Ok(Step::Allow),
        Answer::Volume(VolumeVerdict::Deny(reason)) => policy::Verdict::Deny(reason),
        Answer::Volume(VolumeVerdict::Rewrite(changes)) => {
            let Some(Document::Volume(config)) = document else {
                return Err(Failure::Refused(format!("there is no volume to rewrite in hook '{hook}'")));
            };
            let (rewritten, changes) = storage::rewrite(config, changes, &active.grants)?;
            let rewritten = Document::Volume(Arc::new(rewritten));
            return Ok(if changes.is_empty() { Step::Allow } else { Step::Rewrite(rewritten, changes) });
        }
        _ => return Err(Failure::Refused("a guard must answer with a verdict".to_owned())),
    };
    match verdict {
        policy::Verdict::Allow => Ok(Step::Allow),
        policy::Verdict::Deny(reason) if reason.trim().is_empty() => {
            Ok(Step::Deny("the policy gave no reason".to_owned()))
        }
        policy::Verdict::Deny(reason) => Ok(Step::Deny(shorten(&reason, REASON_LIMIT))),
        policy::Verdict::Rewrite(edits) if edits.is_empty() => Ok(Step::Allow),
        policy::Verdict::Rewrite(edits) => {
            let config = document.and_then(Document::domain).filter(|_| may_rewrite(hook));
            let Some(config) = config else {
                let why = format!("it rewrites the domain, which is too late in hook '{hook}'");
                return Err(Failure::Refused(why));
            };
            let (rewritten, changes) = rewrite::apply(config, edits, &active.grants)?;
            Ok(if changes.is_empty() {
                Step::Allow
            } else {
                Step::Rewrite(Document::Domain(Arc::new(rewritten)), changes)
            })
        }
    }
}

/// The hooks at which nothing has been made of the document yet.
fn may_rewrite(hook: Hook) -> bool {
    matches!(hook, Hook::DomainDefine | Hook::DomainPrepare | Hook::MigrateOut | Hook::MigrateIn)
}

/// What a policy that does not answer means.
fn after_failure(active: &Active, why: &str) -> Step {
    match active.on_failure {
        _ if !active.enforces() => Step::Allow,
        FailureMode::Closed | FailureMode::Previous => {
            Step::Deny(format!("the policy could not decide: {why}"))
        }
        FailureMode::Open => {
            tracing::warn!(policy = active.name, "allowed although policy '{}' failed: {why}", active.name);
            Step::Allow
        }
    }
}
