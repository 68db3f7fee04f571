//! Proposals: the first enforcing policy decides, the host validates; others are asked and only logged.

pub(crate) mod clone_name;

use std::sync::Arc;

use reeve_actions::policy_port::MacRequest;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::{FailureMode, Hook, Outcome};
use reeve_model::{DomainState, Error, ErrorCode};

use crate::asked::{Asking, Occasion, Verdict};
use crate::binding::{Active, Binding};
use crate::exports::{Answer, Question};
use crate::failure::{Failure, shorten};
use crate::host::domain_config::DomainView;
use crate::shared::Shared;

/// Asks for a MAC address; none when no enforcing policy answers the hook.
pub(crate) async fn mac(shared: &Shared, request: MacRequest) -> Result<Option<String>, Error> {
    let bindings = shared.registry.answering(Hook::MacAllocate);
    if bindings.is_empty() {
        return Ok(None);
    }
    let MacRequest { actor, config, interface, taken } = request;
    let occasion = Occasion::new(shared, Hook::MacAllocate, actor, config.name.clone());
    let config = Arc::new(config);
    let mut decided = None;
    for (binding, active) in bindings {
        let mac = Mac { shared, occasion: &occasion, config: &config, interface, taken: &taken };
        let mut proposal = mac.ask(&binding, &active, None).await;
        if proposal.is_err()
            && active.on_failure == FailureMode::Previous
            && let Some(previous) = binding.previous()
        {
            proposal = mac.ask(&binding, &previous, Some(&active)).await;
        }
        if !active.enforces() || decided.is_some() {
            continue;
        }
        decided = Some(match (proposal, active.on_failure) {
            (Ok(mac), _) => Ok(Some(mac)),
            (Err(failure), FailureMode::Closed | FailureMode::Previous) => Err(Error::new(
                ErrorCode::Denied,
                format!(
                    "no MAC address for interface {interface} of domain '{}': policy '{}' could not give one: {failure}",
                    config.name, active.name
                ),
            )),
            (Err(_), FailureMode::Open) => Ok(None),
        });
    }
    decided.unwrap_or(Ok(None))
}

/// One question for an address.
struct Mac<'a> {
    shared: &'a Shared,
    occasion: &'a Occasion,
    config: &'a Arc<DomainConfig>,
    interface: usize,
    taken: &'a [String],
}

impl Mac<'_> {
    /// Asks one version of a policy, perhaps in place of one that failed, and logs what it said.
    async fn ask(
        &self,
        binding: &Arc<Binding>,
        active: &Arc<Active>,
        in_place_of: Option<&Arc<Active>>,
    ) -> Result<String, Failure> {
        let Self { shared, occasion, config, interface, taken } = *self;
        let question = Question::Mac {
            domain: DomainView { config: Arc::clone(config), state: DomainState::ShutOff },
            interface: u32::try_from(interface).unwrap_or(u32::MAX),
            taken: taken.to_vec(),
            seed: seed(),
        };
        let detail = format!("interface {interface}, {} addresses taken", taken.len());
        let asking = Asking { active, in_place_of, question, domain: Some(Arc::clone(config)), detail };
        occasion.ask(shared, binding, asking, |answer| judge(answer, taken)).await
    }
}

/// What an answer comes to.
pub(crate) fn judge(answer: Answer, taken: &[String]) -> Result<(String, Verdict), Failure> {
    let Answer::Mac(mac) = answer else {
        return Err(Failure::Refused("it must answer with a MAC address".to_owned()));
    };
    let mac = acceptable(&mac, taken)?;
    let verdict = Verdict { reason: mac.clone(), ..Verdict::plain(Outcome::Proposed) };
    Ok((mac, verdict))
}

/// A unicast address that nobody has, in lower case.
fn acceptable(mac: &str, taken: &[String]) -> Result<String, Failure> {
    let refused = |why: &str| Err(Failure::Refused(format!("it proposes '{}', {why}", shorten(mac, 64))));
    let octets: Vec<Option<u8>> = mac
        .split(':')
        .map(|pair| {
            let hex = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect();
    let [Some(first), Some(_), Some(_), Some(_), Some(_), Some(_)] = octets[..] else {
        return refused("which is no MAC address");
    };
    if first & 1 == 1 {
        return refused("a multicast address");
    }
    if mac.bytes().all(|byte| matches!(byte, b'0' | b':')) {
        return refused("which means 'no address'");
    }
    let mac = mac.to_ascii_lowercase();
    if taken.iter().any(|other| other.eq_ignore_ascii_case(&mac)) {
        refused("which is taken")
    } else {
        Ok(mac)
    }
}

/// 64 random bits for the policy, which has no randomness of its own.
fn seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    // Version and variant bits are fixed in different places of the halves.
    high ^ low.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::acceptable;

    #[test]
    fn hard_limits_of_a_mac() {
        let taken = ["00:16:3e:00:00:01".to_owned()];
        assert_eq!(acceptable("00:16:3E:00:00:02", &taken).unwrap(), "00:16:3e:00:00:02");
        for bad in [
            "",
            "00:16:3e:00:00",
            "00:16:3e:00:00:0g",
            "00:16:3e:00:00:+1",
            "01:16:3e:00:00:02",
            "00:00:00:00:00:00",
            "00:16:3E:00:00:01",
            "00:16:3e:00:00:02:03",
            "\u{e9}\u{e9}:1",
        ] {
            assert!(acceptable(bad, &taken).is_err(), "{bad}");
        }
    }
}
