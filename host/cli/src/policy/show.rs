//! `reeve policy show`.

use clap::Args;
use reeve_model::policy::{Hook, PolicyInfo, PolicyVersion};

use super::word;
use crate::context::Context;
use crate::output::{Show, moment, pairs, table, yes_no};

/// Options of `reeve policy show`.
#[derive(Debug, Args)]
pub struct ShowPolicy {
    /// Name of the policy
    policy: String,
}

impl ShowPolicy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let policy = context.client.policy(&self.policy).await?;
        context.show(&policy)
    }
}

impl Show for PolicyInfo {
    const ELEMENT: &'static str = "policy";

    fn human(&self) -> String {
        let hooks: Vec<&str> = self.hooks.iter().copied().map(Hook::as_str).collect();
        let counters = &self.counters;
        let mut text = pairs([
            ("Name", self.name.clone()),
            ("Version", self.version.clone()),
            ("Description", self.description.clone()),
            ("Digest", format!("sha256:{}", self.digest)),
            ("Hooks", hooks.join(" ")),
            ("Mode", word(&self.mode)),
            ("On failure", word(&self.on_failure)),
            ("Enabled", yes_no(self.enabled).to_owned()),
            ("Parked", parked(self)),
            ("Breaker", self.breaker.to_string()),
            ("Order", self.order.to_string()),
            ("Config", self.config.to_string()),
            ("Calls", counters.calls.to_string()),
            ("Denials", counters.denials.to_string()),
            ("Rewrites", counters.rewrites.to_string()),
            ("Failures", counters.failures.to_string()),
        ]);
        if let Some(previous) = &self.previous {
            text.push_str(&format!("\n\nWhile it fails, version sha256:{previous} answers in its place."));
        }
        let grants = grants(self);
        if !grants.is_empty() {
            text.push_str("\n\n");
            text.push_str(&table(["Grant", "Given", "What for"], grants));
        }
        if !self.versions.is_empty() {
            text.push_str("\n\n");
            text.push_str(&table(["Version", "Digest", "Installed", "Good"], versions(self)));
        }
        text
    }
}

/// Whether, since when and why it is parked.
fn parked(policy: &PolicyInfo) -> String {
    match &policy.parked_since {
        Some(parked) => format!("since {}: {}", moment(parked.since), parked.reason),
        None => yes_no(policy.parked).to_owned(),
    }
}

/// Its history, newest first; the present version is marked.
fn versions(policy: &PolicyInfo) -> Vec<[String; 4]> {
    let row = |version: &PolicyVersion| {
        let mark = if version.digest == policy.digest { "*" } else { "" };
        let digest = version.digest.get(..12).unwrap_or(&version.digest);
        let good = yes_no(version.good).to_owned();
        [format!("{}{mark}", version.version), digest.to_owned(), moment(version.installed), good]
    };
    policy.versions.iter().map(row).collect()
}

/// Grants that are asked for, then those given beyond that.
fn grants(policy: &PolicyInfo) -> Vec<[String; 3]> {
    let PolicyInfo { wanted, granted, .. } = policy;
    let given = |grant: &String| yes_no(granted.contains(grant)).to_owned();
    let asked =
        wanted.iter().map(|wanted| [wanted.grant.clone(), given(&wanted.grant), wanted.reason.clone()]);
    let beyond = granted.iter().filter(|grant| !wanted.iter().any(|wanted| wanted.grant == **grant));
    asked.chain(beyond.map(|grant| [grant.clone(), "yes".to_owned(), String::new()])).collect()
}

#[cfg(test)]
mod tests {
    use reeve_model::policy::Parked;
    use time::macros::datetime;

    use crate::output::Format;
    use crate::policy::samples;

    #[test]
    fn everything_about_a_policy() {
        let mut policy = samples::admission();
        policy.granted.push("events:read".into());
        policy.parked = true;
        let reason = "it used up its instruction budget of 1000".to_owned();
        policy.parked_since = Some(Parked { since: datetime!(2026-03-02 10:00 UTC), reason });
        policy.previous = Some(policy.versions[1].digest.clone());
        let all = [Format::Table, Format::Xml].map(|format| format.draw(&policy).unwrap());
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
