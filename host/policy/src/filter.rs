//! Packet rules: the first enforcing policy that answers `filter-generate` proposes them, the host validates; others are asked and
//! only logged.

mod contract;

use std::sync::Arc;

use reeve_actions::policy_port::FilterRequest;
use reeve_filter::Limits;
use reeve_model::filter::{FilterSubject, FilterTree, Ruleset};
use reeve_model::policy::{FailureMode, Hook, Outcome};
use reeve_model::{Error, ErrorCode};

use crate::asked::{Asking, Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::exports::{Answer, Question};
use crate::failure::Failure;
use crate::shared::Shared;

pub(crate) use contract::{contract_subject, contract_tree, ruleset};

/// Asks for the rules of an interface; none when no enforcing policy answers the hook.
pub(crate) async fn propose(shared: &Shared, request: FilterRequest) -> Result<Option<Ruleset>, Error> {
    if let Some(absent) = shared.absent.closing(Hook::FilterGenerate) {
        return Err(denied(&request, &absent.name, &absent.error.to_string()));
    }
    let bindings = shared.registry.answering(Hook::FilterGenerate);
    if bindings.is_empty() {
        return Ok(None);
    }
    let subject = request.subject.domain_name.clone();
    let occasion = Occasion::new(shared, Hook::FilterGenerate, request.actor.clone(), subject);
    let mut decided = None;
    for (binding, active) in bindings {
        let filter = Filter { shared, occasion: &occasion, request: &request };
        let mut proposal = filter.ask(&binding, &active, None).await;
        if proposal.is_err()
            && active.on_failure == FailureMode::Previous
            && let Some(previous) = binding.previous()
        {
            proposal = filter.ask(&binding, &previous, Some(&active)).await;
        }
        if !active.enforces() || decided.is_some() {
            continue;
        }
        decided = Some(match (proposal, active.on_failure) {
            (Ok(rules), _) => Ok(Some(*rules)),
            (Err(failure), FailureMode::Closed | FailureMode::Previous) => {
                Err(denied(&request, &active.name, &failure.to_string()))
            }
            // No rules at all: everything passes, loudly.
            (Err(failure), FailureMode::Open) => {
                let (policy, link) = (&active.name, &request.subject.link);
                tracing::warn!(
                    policy,
                    link,
                    "interface '{link}' is not filtered: policy '{policy}' failed: {failure}"
                );
                Ok(Some(Ruleset::default()))
            }
        });
    }
    decided.unwrap_or(Ok(None))
}

fn denied(request: &FilterRequest, policy: &str, why: &str) -> Error {
    let subject = &request.subject;
    let message = format!(
        "no packet rules for interface '{}' of domain '{}': policy '{policy}' could not give any: {why}",
        subject.link, subject.domain_name
    );
    let hint = format!("'reeve policy decisions --subject {}' shows what it was asked", subject.domain_name);
    Error::new(ErrorCode::Denied, message).with_hint(hint)
}

/// What an answer comes to, as the daemon would decide it.
pub(crate) fn judge(subject: &FilterSubject, tree: &FilterTree, answer: Answer) -> Result<Verdict, Failure> {
    acceptable(answer).map(|rules| proposed(subject, tree, &rules))
}

/// Rules that the host would put in force.
fn acceptable(answer: Answer) -> Result<Box<Ruleset>, Failure> {
    match answer {
        Answer::Rules(Ok(rules)) => match reeve_filter::check(rules.as_ref().clone(), &Limits::default()) {
            Ok(_) => Ok(rules),
            Err(error) => Err(Failure::Refused(error.to_string())),
        },
        Answer::Rules(Err(why)) => Err(Failure::Refused(why)),
        _ => Err(Failure::Refused("it must answer with packet rules".to_owned())),
    }
}

fn proposed(subject: &FilterSubject, tree: &FilterTree, rules: &Ruleset) -> Verdict {
    let count: usize = rules.chains.iter().map(|chain| chain.rules.len()).sum();
    let root = tree.filters.first().map_or("", |filter| filter.name.as_str());
    let reason = format!("{count} rules of '{root}' for {}", subject.link);
    Verdict { reason, ..Verdict::plain(Outcome::Proposed) }
}

/// One question for rules.
struct Filter<'a> {
    shared: &'a Shared,
    occasion: &'a Occasion,
    request: &'a FilterRequest,
}

impl Filter<'_> {
    /// Asks one version of a policy, perhaps in place of one that failed, and logs what it said.
    async fn ask(
        &self,
        binding: &Arc<Binding>,
        active: &Arc<Active>,
        in_place_of: Option<&Arc<Active>>,
    ) -> Result<Box<Ruleset>, Failure> {
        let Self { shared, occasion, request } = *self;
        let subject = &request.subject;
        let asking = Asking {
            active,
            in_place_of,
            question: Question::Filter { subject: Arc::clone(subject), tree: Arc::clone(&request.tree) },
            domain: None,
            detail: serde_json::to_string(&(&*request.subject, &*request.tree)).unwrap_or_default(),
        };
        let judge = |answer| {
            let rules = acceptable(answer)?;
            let verdict = proposed(subject, &request.tree, &rules);
            Ok((rules, verdict))
        };
        occasion.ask(shared, binding, asking, judge).await
    }
}
