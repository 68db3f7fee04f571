//! Names of clones that nobody named.

use std::sync::Arc;

use reeve_actions::policy_port::CloneRequest;
use reeve_model::policy::{FailureMode, Hook, Outcome};
use reeve_model::{Error, ErrorCode};

use crate::asked::{Asking, Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::bindings::exports::reeve::hooks::clone_name;
use crate::exports::{Answer, Question};
use crate::failure::{Failure, shorten};
use crate::shared::Shared;

/// Asks for a name; none when no enforcing policy answers the hook.
pub(crate) async fn propose(shared: &Shared, request: CloneRequest) -> Result<Option<String>, Error> {
    let denied = |policy: &str, why: &str| {
        let message = format!(
            "no name for the clone of '{}': policy '{policy}' could not give one: {why}",
            request.source
        );
        Error::new(ErrorCode::Denied, message).with_hint("name the clone yourself")
    };
    if let Some(absent) = shared.absent.closing(Hook::CloneName) {
        return Err(denied(&absent.name, &absent.error.to_string()));
    }
    let bindings = shared.registry.answering(Hook::CloneName);
    if bindings.is_empty() {
        return Ok(None);
    }
    let occasion = Occasion::new(shared, Hook::CloneName, request.actor.clone(), request.source.clone());
    let question = contract_request(&request);
    let mut decided = None;
    for (binding, active) in bindings {
        let clone = Clone { shared, occasion: &occasion, request: &question };
        let mut proposal = clone.ask(&binding, &active, None).await;
        if proposal.is_err()
            && active.on_failure == FailureMode::Previous
            && let Some(previous) = binding.previous()
        {
            proposal = clone.ask(&binding, &previous, Some(&active)).await;
        }
        if !active.enforces() || decided.is_some() {
            continue;
        }
        decided = Some(match (proposal, active.on_failure) {
            (Ok(name), _) => Ok(Some(name)),
            (Err(failure), FailureMode::Closed | FailureMode::Previous) => {
                Err(denied(&active.name, &failure.to_string()))
            }
            (Err(_), FailureMode::Open) => Ok(None),
        });
    }
    decided.unwrap_or(Ok(None))
}

fn contract_request(request: &CloneRequest) -> clone_name::CloneRequest {
    let CloneRequest { source, pool, taken, .. } = request.clone();
    let kind = match pool {
        Some(_) => clone_name::Cloned::Volume,
        None => clone_name::Cloned::Domain,
    };
    clone_name::CloneRequest { kind, source, pool, taken }
}

/// What an answer comes to.
pub(crate) fn judge(answer: Answer, taken: &[String]) -> Result<(String, Verdict), Failure> {
    let Answer::Name(name) = answer else {
        return Err(Failure::Refused("it must answer with a name".to_owned()));
    };
    let name = acceptable(&name, taken)?;
    let verdict = Verdict { reason: name.clone(), ..Verdict::plain(Outcome::Proposed) };
    Ok((name, verdict))
}

/// A name that nothing of its kind has. What else a name may be is for the verb to judge.
fn acceptable(name: &str, taken: &[String]) -> Result<String, Failure> {
    let refused = |why: &str| Err(Failure::Refused(format!("it proposes '{}', {why}", shorten(name, 255))));
    if name.is_empty() || name.len() > 255 || name.contains('/') || name.contains(char::is_control) {
        return refused("which is no name: 1 to 255 bytes without '/' and control characters");
    }
    match taken.iter().any(|other| other == name) {
        true => refused("which is taken"),
        false => Ok(name.to_owned()),
    }
}

/// One question for a name.
struct Clone<'a> {
    shared: &'a Shared,
    occasion: &'a Occasion,
    request: &'a clone_name::CloneRequest,
}

impl Clone<'_> {
    /// Asks one version of a policy, perhaps in place of one that failed, and logs what it said.
    async fn ask(
        &self,
        binding: &Arc<Binding>,
        active: &Arc<Active>,
        in_place_of: Option<&Arc<Active>>,
    ) -> Result<String, Failure> {
        let Self { shared, occasion, request } = *self;
        let detail = format!("pool {:?}, {} names taken", request.pool, request.taken.len());
        let asking =
            Asking { active, in_place_of, question: Question::Clone(request.clone()), domain: None, detail };
        occasion.ask(shared, binding, asking, |answer| judge(answer, &request.taken)).await
    }
}

#[cfg(test)]
mod tests {
    use super::acceptable;

    #[test]
    fn hard_limits_of_a_name() {
        let taken = ["web-1".to_owned()];
        assert_eq!(acceptable("web-2", &taken).unwrap(), "web-2");
        for bad in ["", "a/b", "a\nb", "web-1", &"x".repeat(256)] {
            assert!(acceptable(bad, &taken).is_err(), "{bad}");
        }
    }
}
