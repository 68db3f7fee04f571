//! `reeve policy audit`: what a guard would say of the domains that exist.

use std::path::Path;

use clap::Args;
use reeve_model::policy::{Hook, Outcome};
use reeve_model::record::{AuditRequest, Audited};
use serde::Serialize;
use serde_json::Value;

use super::decisions::named;
use super::sessions::{self, Terms};
use super::word;
use crate::context::{Context, read_bytes};
use crate::output::{Show, table};

/// Options of `reeve policy audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon asks the guard about every domain, as if each were defined or started now, and shows what it would say. Nothing
changes: no rewrite is applied, what the policy writes to its key-value store is forgotten, no decision is logged.

Examples:
  reeve policy audit naming                                a loaded policy, as it is bound
  reeve policy audit naming.wasm --grant 'domain:rewrite path=devices' --hook domain-prepare")]
pub struct Audit {
    /// A loaded policy, a component, or a project
    #[arg(value_name = "NAME|FILE|DIR")]
    policy: String,
    /// Which guard [default: the first that it answers of domain-define, -prepare, -start, -stop]
    #[arg(long, value_parser = named::<Hook>)]
    hook: Option<Hook>,
    #[command(flatten)]
    terms: Terms,
}

impl Audit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut request = AuditRequest { hook: self.hook, ..AuditRequest::default() };
        let path = Path::new(&self.policy);
        // A name has neither of these, so a file called like a policy needs './'.
        if self.policy.contains(['/', '.']) || path.is_dir() {
            request.component = read_bytes(&sessions::component(path)?)?;
            request.config = self.terms.config()?.map(Value::Object);
            request.grants = self.terms.grants;
        } else {
            request.policy = Some(self.policy);
        }
        let rows = context.client.audit(request).await?;
        context.show(&Rows(rows))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Audited>);

impl Show for Rows {
    const ELEMENT: &'static str = "audit";

    fn human(&self) -> String {
        let cells = |row: &Audited| {
            let mut why = row.reason.clone();
            for change in &row.changes {
                let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                let (before, after) = (value(&change.before), value(&change.after));
                let comma = if why.is_empty() { "" } else { ", " };
                why.push_str(&format!("{comma}{}: {before} -> {after}", change.path));
            }
            [row.domain.clone(), row.state.to_string(), word(&row.outcome), why]
        };
        let mut text = table(["Domain", "State", "Outcome", "Why"], self.0.iter().map(cells));
        let count = |outcome: Outcome| self.0.iter().filter(|row| row.outcome == outcome).count();
        let (allowed, denied, rewritten) =
            (count(Outcome::Allow), count(Outcome::Deny), count(Outcome::Rewrite));
        let failed = self.0.len() - allowed - denied - rewritten;
        text.push_str(&format!(
            "\n\n{allowed} would be allowed, {denied} denied, {rewritten} rewritten; {failed} got no answer"
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use reeve_model::DomainState;
    use reeve_model::policy::PathChange;

    #[test]
    fn a_line_a_domain_and_a_sum() {
        let row = |domain: &str, outcome, reason: &str| Audited {
            domain: domain.into(),
            state: DomainState::Running,
            hook: Hook::DomainDefine,
            outcome,
            reason: reason.into(),
            changes: Vec::new(),
        };
        let mut rewritten = row("web-1", Outcome::Rewrite, "");
        rewritten.changes = vec![PathChange {
            path: "devices.disks[vda].driver.cache".into(),
            before: None,
            after: Some("\"none\"".into()),
        }];
        let rows = vec![row("db", Outcome::Deny, "the name 'db' must begin with: web-"), rewritten];
        let text = Format::Table.draw(&Rows(rows)).unwrap();
        for words in [
            "the name 'db' must begin with: web-",
            "devices.disks[vda].driver.cache: nothing -> \"none\"",
            "0 would be allowed, 1 denied, 1 rewritten; 0 got no answer",
        ] {
            assert!(text.contains(words), "'{words}' is not in:\n{text}");
        }
    }
}
