//! The guard chain: policies in order, each sees what the ones before it rewrote, the first deny ends it.

use std::sync::Arc;

use reeve_actions::policy_port::{GuardRequest, GuardVerdict, Rewrite};
use reeve_model::DomainState;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::{FailureMode, Hook, Outcome, PathChange};

use crate::asked::{Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::reeve::types::policy;
use crate::decisions::Input;
use crate::exports::{Answer, Question};
use crate::failure::{Failure, shorten};
use crate::host::domain_config::DomainView;
use crate::instance::{self, Ask};
use crate::rewrite;
use crate::shared::Shared;

const REASON_LIMIT: usize = 1024;

/// What a policy decided, as far as the chain goes on from it.
enum Step {
    Allow,
    Deny(String),
    Rewrite(Arc<DomainConfig>, Vec<PathChange>),
}

/// What stays the same along the chain.
struct Chain<'a> {
    shared: &'a Shared,
    occasion: Occasion,
    state: DomainState,
    device: Option<String>,
    forced: bool,
}

/// Asks the chain of a guard hook.
pub(crate) async fn guard(shared: &Shared, request: GuardRequest) -> GuardVerdict {
    let GuardRequest { hook, actor, state, config, device, forced } = request;
    if let Some(absent) = shared.absent.closing(hook) {
        let reason = format!("the policy is bound to this hook but could not be loaded: {}", absent.error);
        return GuardVerdict::Deny { policy: absent.name, reason };
    }
    let bindings = shared.registry.answering(hook);
    if bindings.is_empty() {
        return GuardVerdict::Allow { config: Box::new(config), rewrites: Vec::new() };
    }
    let occasion = Occasion::new(shared, hook, actor, config.name.clone());
    let chain = Chain { shared, occasion, state, device, forced };
    let mut config = Arc::new(config);
    let mut rewrites = Vec::new();
    for (binding, active) in bindings {
        match chain.ask(&binding, &active, &config).await {
            Step::Allow => {}
            Step::Deny(reason) => return GuardVerdict::Deny { policy: active.name.clone(), reason },
            Step::Rewrite(rewritten, changes) => {
                config = rewritten;
                rewrites.push(Rewrite { policy: active.name.clone(), changes });
            }
        }
    }
    GuardVerdict::Allow { config: Box::new(Arc::unwrap_or_clone(config)), rewrites }
}

impl Chain<'_> {
    /// Asks one policy, logs what it said, and says what that means for the chain.
    async fn ask(&self, binding: &Arc<Binding>, active: &Arc<Active>, config: &Arc<DomainConfig>) -> Step {
        let input = Input {
            config: active.config_text.clone(),
            domain: Some(Arc::clone(config)),
            detail: self.device.clone().unwrap_or_default(),
        };
        if binding.is_parked() {
            self.occasion.note_parked(self.shared, active, input);
            return after_failure(active, "it is parked after too many failures");
        }
        let question = Question::Guard {
            domain: DomainView { config: Arc::clone(config), state: self.state },
            device: self.device.clone(),
            forced: self.forced,
        };
        let ask = Ask {
            hook: self.occasion.hook,
            depth: self.occasion.depth(),
            nested: self.occasion.depth() > 0,
            context: self.occasion.context(active),
            question,
        };
        let mut report = instance::run(self.shared, active, &binding.turns, ask).await;
        let answer = std::mem::replace(&mut report.answer, Ok(Answer::Told));
        let decided = answer.and_then(|answer| self.decide(active, config, answer));
        let (verdict, step) = match decided {
            Ok(Step::Allow) => (Verdict::plain(Outcome::Allow), Step::Allow),
            Ok(Step::Deny(reason)) => {
                let verdict = Verdict { reason: reason.clone(), ..Verdict::plain(Outcome::Deny) };
                (verdict, Step::Deny(reason))
            }
            Ok(Step::Rewrite(rewritten, changes)) => {
                let verdict = Verdict { changes: changes.clone(), ..Verdict::plain(Outcome::Rewrite) };
                (verdict, Step::Rewrite(rewritten, changes))
            }
            Err(failure) => (Verdict::failed(&failure), after_failure(active, &failure.to_string())),
        };
        self.occasion.note(self.shared, binding, active, &report, verdict, input);
        if active.enforces() { step } else { Step::Allow }
    }

    /// Turns an answer into a step; a rewrite is applied, validated and checked against the grants.
    fn decide(&self, active: &Active, config: &Arc<DomainConfig>, answer: Answer) -> Result<Step, Failure> {
        let Answer::Verdict(verdict) = answer else {
            return Err(Failure::Refused("a guard must answer with a verdict".to_owned()));
        };
        match verdict {
            policy::Verdict::Allow => Ok(Step::Allow),
            policy::Verdict::Deny(reason) if reason.trim().is_empty() => {
                Ok(Step::Deny("the policy gave no reason".to_owned()))
            }
            policy::Verdict::Deny(reason) => Ok(Step::Deny(shorten(&reason, REASON_LIMIT))),
            policy::Verdict::Rewrite(edits) if edits.is_empty() => Ok(Step::Allow),
            policy::Verdict::Rewrite(_) if !may_rewrite(self.occasion.hook) => Err(Failure::Refused(
                format!("it rewrites the domain, which is too late in hook '{}'", self.occasion.hook),
            )),
            policy::Verdict::Rewrite(edits) => {
                let (rewritten, changes) = rewrite::apply(config, edits, &active.grants)?;
                Ok(if changes.is_empty() { Step::Allow } else { Step::Rewrite(Arc::new(rewritten), changes) })
            }
        }
    }
}

/// The hooks at which nothing has been made of the document yet.
fn may_rewrite(hook: Hook) -> bool {
    matches!(hook, Hook::DomainDefine | Hook::DomainPrepare)
}

/// What a policy that does not answer means.
fn after_failure(active: &Active, why: &str) -> Step {
    match active.on_failure {
        FailureMode::Closed if active.enforces() => Step::Deny(format!("the policy could not decide: {why}")),
        FailureMode::Closed => Step::Allow,
        FailureMode::Open => {
            if active.enforces() {
                tracing::warn!(
                    policy = active.name,
                    "allowed although policy '{}' failed: {why}",
                    active.name
                );
            }
            Step::Allow
        }
    }
}
