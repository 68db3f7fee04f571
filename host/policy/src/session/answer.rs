//! What a hook answered, as JSON: `{"allow": null}`, `{"deny": "reason"}`, `{"rewrite": [edits]}`, `{"told": null}`,
//! `{"objection": null}`, `{"plan": {…}}`, `{"step": {"throttle": 20}}`, `{"rewrite-volume": {"name": "…"}}`, `{"name": "…"}`, `{"mac": "…"}`, `{"rules": {…}}`, `{"adjustments": […]}`, `{"summary": "…"}`, or `{"failure": "message"}` when it said that it cannot decide.

use reeve_model::filter::Ruleset;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::migration::{Plan, Step};
use super::records::{Adjustment, Edit};
use super::storage::VolumeChanges;
use crate::bindings::exports::reeve::hooks::volume_create::VolumeVerdict;
use crate::bindings::reeve::types::policy::Verdict;
use crate::exports;
use crate::failure::Failure;

/// Every answer there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    #[serde(serialize_with = "null")]
    Allow,
    Deny(String),
    Rewrite(Vec<Edit>),
    RewriteVolume(VolumeChanges),
    Name(String),
    #[serde(serialize_with = "null")]
    Told,
    Mac(String),
    Objection(Option<String>),
    Plan(Plan),
    Step(Step),
    Rules(Box<Ruleset>),
    Adjustments(Vec<Adjustment>),
    Summary(String),
    Failure(String),
}

fn null<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_unit()
}

/// The JSON form of what came of a call; none when the policy gave no answer.
pub(crate) fn write(answer: &Result<exports::Answer, Failure>) -> Option<Value> {
    let answer = match answer {
        Ok(exports::Answer::Verdict(Verdict::Allow)) => Answer::Allow,
        Ok(exports::Answer::Verdict(Verdict::Deny(reason))) => Answer::Deny(reason.clone()),
        Ok(exports::Answer::Verdict(Verdict::Rewrite(edits))) => {
            Answer::Rewrite(edits.iter().cloned().map(Edit::from).collect())
        }
        Ok(exports::Answer::Volume(VolumeVerdict::Allow)) => Answer::Allow,
        Ok(exports::Answer::Volume(VolumeVerdict::Deny(reason))) => Answer::Deny(reason.clone()),
        Ok(exports::Answer::Volume(VolumeVerdict::Rewrite(changes))) => {
            Answer::RewriteVolume(changes.clone().into())
        }
        Ok(exports::Answer::Name(name)) => Answer::Name(name.clone()),
        Ok(exports::Answer::Told) => Answer::Told,
        Ok(exports::Answer::Mac(mac)) => Answer::Mac(mac.clone()),
        Ok(exports::Answer::Objection(why)) => Answer::Objection(why.clone()),
        Ok(exports::Answer::Plan(plan)) => Answer::Plan((*plan).into()),
        Ok(exports::Answer::Step(step)) => Answer::Step(step.clone().into()),
        Ok(exports::Answer::Rules(Ok(rules))) => Answer::Rules(rules.clone()),
        // Rules that can't be read are refused; nothing was answered.
        Ok(exports::Answer::Rules(Err(_))) => return None,
        Ok(exports::Answer::Ksm(adjustments)) => {
            Answer::Adjustments(adjustments.iter().copied().map(Adjustment::from).collect())
        }
        Ok(exports::Answer::Summary(summary)) => Answer::Summary(summary.clone()),
        Err(Failure::Error(message)) => Answer::Failure(message.clone()),
        Err(_) => return None,
    };
    serde_json::to_value(answer).ok()
}

/// The one form of an answer that may have been written by hand, e.g. `"allow"`.
pub(crate) fn normal(answer: &Value) -> Result<Value, String> {
    let answer = Answer::deserialize(answer).map_err(|error| error.to_string())?;
    serde_json::to_value(answer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_by_hand_are_brought_into_one_form() {
        assert_eq!(normal(&json!("allow")), Ok(json!({"allow": null})));
        assert_eq!(normal(&json!({"told": null})), Ok(json!({"told": null})));
        let edits =
            json!({"rewrite": [{"set-vcpus": 2}, {"set-disk-cache": {"target": "vda", "cache": "none"}}]});
        assert_eq!(normal(&edits), Ok(edits.clone()));
        let tuning = json!({"adjustments": [{"run": 1}, {"pages-to-scan": 1250}]});
        assert_eq!(normal(&tuning), Ok(tuning.clone()));
        assert!(normal(&json!({"maybe": null})).unwrap_err().contains("unknown variant `maybe`"));
        let unknown =
            json!({"rewrite": [{"set-disk-cache": {"target": "vda", "cache": "none", "io": "native"}}]});
        assert!(normal(&unknown).unwrap_err().contains("unknown field `io`"));
    }
}
